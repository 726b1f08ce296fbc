"""A slot's story is arithmetic: the same at an instant, whoever asks and when they began."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from booking_assets.sandbox.generated import Rhythm, rhythm_of, standing_at

rhythms = st.builds(
    Rhythm,
    phase=st.integers(0, 10**12),
    step=st.integers(1, 10**10),
    changes=st.integers(0, 4),
    gap=st.integers(0, 10**9),
)
instants = st.integers(0, 10**17)


@given(rhythms, instants)
def test_a_standing_holds_until_it_says(rhythm: Rhythm, now: int) -> None:
    standing = standing_at(rhythm, now)
    assert now < standing.until
    assert standing_at(rhythm, standing.until - 1) == standing
    assert standing_at(rhythm, standing.until) != standing


@given(rhythms, instants)
def test_versions_follow_each_other_and_then_the_next_generation(rhythm: Rhythm, now: int) -> None:
    standing = standing_at(rhythm, now)
    then = standing_at(rhythm, standing.until)
    if then.generation == standing.generation:
        assert standing.version is not None
        assert then.version in {standing.version + 1, None}
    else:
        assert (then.generation, then.version) == (standing.generation + 1, 0)
        assert then.born == standing.until


@given(rhythms, instants)
def test_the_newest_change_is_in_the_past(rhythm: Rhythm, now: int) -> None:
    standing = standing_at(rhythm, now)
    if standing.version is not None:
        assert standing.born + standing.version * standing.step <= now


def test_early_slots_are_busy_and_late_ones_quiet() -> None:
    lifetimes = [rhythm_of(1, UUID(int=1), slot).lifetime for slot in range(2_000)]
    assert sum(lifetimes[:100]) < sum(lifetimes[-100:]) / 10
