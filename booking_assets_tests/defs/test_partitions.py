"""Any set of organizations is addressed by ranges of partitions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking_assets.defs.partitions import contiguous

SLUGS = ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize(
    ("wanted", "runs"),
    [
        ([], []),
        (["c"], [["c"]]),
        (SLUGS, [SLUGS]),
        (["a", "c"], [["a"], ["c"]]),
        (["e", "d", "a"], [["a"], ["d", "e"]]),
        (["b", "b"], [["b"]]),
    ],
    ids=["none", "one", "all", "apart", "in another order", "twice"],
)
def test_neighbours_share_a_run(wanted: list[str], runs: list[list[str]]) -> None:
    assert contiguous(SLUGS, wanted) == runs


@given(st.lists(st.integers(0, 30).map(str), unique=True), st.data())
def test_runs_cover_what_is_wanted_and_nothing_else(slugs: list[str], data: st.DataObject) -> None:
    wanted = data.draw(st.sets(st.sampled_from(slugs))) if slugs else set()
    runs = contiguous(slugs, wanted)
    assert [slug for run in runs for slug in run] == [slug for slug in slugs if slug in wanted]
    for run in runs:
        first, last = slugs.index(run[0]), slugs.index(run[-1])
        assert slugs[first : last + 1] == run
