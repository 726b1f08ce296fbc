"""Laws of the history: what was written gives back what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from booking_assets.tables.marts import EVENT_HISTORY
from booking_assets.tables.raw import EVENTS
from booking_assets.transforms.history import KEY
from booking_assets_tests.transforms.histories import (
    EMPTY,
    MEMBERS,
    changes,
    day,
    written,
)
from booking_assets_tests.transforms.laws import assert_valid
from booking_assets_tests.transforms.rows import (
    Row,
    events_frame,
    identifier,
)
from booking_assets_tests.transforms.strategies import ORGANIZATIONS, one_of

Slices = dict[str, dict[int, Row]]
MOST_EVENTS = 4


@dataclass(frozen=True)
class Round:
    """A day: what some organizations hold, and whether its history is written at once.

    An organization that is not in `slices` was not collected. In an incremental collection, rows
    that did not change keep the `collected_at` that they had.
    """

    slices: Slices
    incremental: bool
    written: bool


members = st.fixed_dictionaries(
    {"event_title": one_of("", "a"), "capacity_maximum": one_of(0), "extra": one_of("{}")}
)
slices = st.dictionaries(
    st.sampled_from(ORGANIZATIONS), st.dictionaries(st.integers(0, MOST_EVENTS - 1), members)
)
rounds = st.lists(st.builds(Round, slices, st.booleans(), st.booleans()), max_size=6)


@dataclass(frozen=True)
class Stored:
    """What the raw tables hold after a round."""

    events: pl.DataFrame
    as_of: pl.DataFrame
    written: bool


def stored_rounds(days: Sequence[Round]) -> list[Stored]:
    rows: dict[str, dict[int, Row]] = {}
    as_of: dict[str, datetime] = {}
    states = []
    for number, one in enumerate(days):
        for organization, events in one.slices.items():
            held = rows.get(organization, {})
            rows[organization] = {
                event: held[event]
                if one.incremental and event in held and held[event].items() >= content.items()
                else {
                    "organization": organization,
                    "event_identifier": identifier(event),
                    "collected_at": day(number),
                }
                | content
                for event, content in events.items()
            }
            as_of[organization] = day(number)
        states.append(
            Stored(
                events_frame(*(row for held in rows.values() for row in held.values())),
                pl.DataFrame(
                    {"organization": [*as_of], "as_of": [*as_of.values()]},
                    schema={"organization": pl.String, "as_of": EVENTS.dtypes["collected_at"]},
                ),
                one.written,
            )
        )
    return states


def written_history(states: Sequence[Stored]) -> pl.DataFrame:
    history = EMPTY
    for state in states:
        if state.written:
            history = written(history, state.events, state.as_of)
    return history


def seen_at(history: pl.DataFrame, instant: datetime) -> pl.DataFrame:
    """The events as they were: the query that the contract promises."""
    valid_from, valid_to = pl.col("valid_from"), pl.col("valid_to")
    held = (valid_from <= instant) & (valid_to.is_null() | (valid_to > instant))
    return history.filter(held).select(MEMBERS).sort(KEY)


laws = settings(deadline=None, max_examples=min(40, settings().max_examples))


@laws
@given(days=rounds)
def test_the_history_gives_back_every_state_that_was_written(days: list[Round]) -> None:
    states = stored_rounds(days)
    history = written_history(states)
    assert_valid(history, EVENT_HISTORY)
    for number, state in enumerate(states):
        if state.written:
            assert_frame_equal(
                seen_at(history, day(number)), state.events.select(MEMBERS).sort(KEY)
            )


@laws
@given(days=rounds)
def test_the_versions_of_an_event_never_overlap_and_the_open_ones_are_what_is_stored(
    days: list[Round],
) -> None:
    states = stored_rounds(days)
    history = written_history(states)
    assert not history.select(EVENT_HISTORY.grain).is_duplicated().any()
    assert not (history["valid_to"] < history["valid_from"]).any()
    following = history.sort(EVENT_HISTORY.grain).with_columns(
        next_from=pl.col("valid_from").shift(-1).over(KEY)
    )
    # The last but one of an event's versions is never open.
    later = following.filter(pl.col("next_from").is_not_null())
    assert (later["valid_to"] <= later["next_from"]).fill_null(value=False).all()
    kept = [state for state in states if state.written]
    if kept:
        stored = kept[-1].events.select(KEY).sort(KEY)
        is_open = pl.col("valid_to").is_null()
        assert_frame_equal(history.filter(is_open).select(KEY).sort(KEY), stored)


@laws
@given(days=rounds)
def test_every_life_begins_with_an_insertion_and_only_deletions_last_no_time(
    days: list[Round],
) -> None:
    history = written_history(stored_rounds(days))
    for _, event in history.group_by(KEY):
        before = "deleted"
        for row in event.sort("valid_from").iter_rows(named=True):
            assert (row["change"] == "inserted") == (before == "deleted")
            assert (row["change"] == "deleted") == (row["valid_to"] == row["valid_from"])
            before = row["change"]


@laws
@given(days=rounds)
def test_writing_the_same_state_again_changes_nothing(days: list[Round]) -> None:
    states = stored_rounds(days)
    history = written_history(states)
    for state in [state for state in states if state.written][-1:]:
        again = changes(history, state.events, state.as_of)
        assert again.closed.is_empty()
        assert again.added.is_empty()


@laws
@given(days=rounds, seed=st.integers(0, 2**32))
def test_the_order_of_rows_means_nothing(days: list[Round], seed: int) -> None:
    states = stored_rounds(days)
    shuffled = [
        Stored(
            state.events.sample(fraction=1, shuffle=True, seed=seed),
            state.as_of.sample(fraction=1, shuffle=True, seed=seed),
            state.written,
        )
        for state in states
    ]
    assert_frame_equal(written_history(shuffled), written_history(states))


@laws
@given(days=rounds, cut=st.integers(0, MOST_EVENTS))
def test_parts_of_the_events_add_up_to_all(days: list[Round], cut: int) -> None:
    states = stored_rounds(days)
    half = pl.col("event_identifier") < identifier(cut)
    parts = [
        written_history(
            [Stored(state.events.filter(part), state.as_of, state.written) for state in states]
        )
        for part in (half, ~half)
    ]
    assert_frame_equal(pl.concat(parts).sort(EVENT_HISTORY.grain), written_history(states))


@laws
@given(days=rounds)
def test_organizations_have_histories_of_their_own(days: list[Round]) -> None:
    states = stored_rounds(days)
    parts = [
        written_history(
            [
                Stored(state.events.filter(own), state.as_of.filter(own), state.written)
                for state in states
            ]
        )
        for own in (pl.col("organization") == slug for slug in ORGANIZATIONS)
    ]
    assert_frame_equal(pl.concat(parts).sort(EVENT_HISTORY.grain), written_history(states))
