"""History by worked cases, and the law behind them: what was written gives back what was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from booking_assets.tables.marts import EVENT_HISTORY
from booking_assets.tables.raw import EVENTS
from booking_assets.transforms.history import KEY, ChangedVersions, changed_versions
from booking_assets_tests.transforms.laws import assert_valid
from booking_assets_tests.transforms.replay import digest, versions
from booking_assets_tests.transforms.rows import (
    ACME,
    AS_OF,
    BOLT,
    DAY,
    INSTANT,
    Row,
    as_of_frame,
    events_frame,
    identifier,
)
from booking_assets_tests.transforms.strategies import ORGANIZATIONS, one_of

EMPTY = EVENT_HISTORY.empty()
MEMBERS = EVENT_HISTORY.members
VERSION = ("event_title", "valid_from", "valid_to", "change")


def day(number: int) -> datetime:
    """The start of a day's collection."""
    return AS_OF + number * DAY


def last_versions(history: pl.DataFrame) -> pl.DataFrame:
    """Each event's last version, without a digest where the event is deleted."""
    is_open = pl.col("valid_to").is_null()
    return (
        history.sort(EVENT_HISTORY.grain)
        .unique(KEY, keep="last")
        .select(*KEY, "valid_from", "valid_to", digest=pl.when(is_open).then(digest()))
    )


def changes(history: pl.DataFrame, events: pl.DataFrame, as_of: pl.DataFrame) -> ChangedVersions:
    return changed_versions(
        last_versions(history),
        events.select(*KEY, digest(), seen_at="collected_at"),
        as_of,
    )


def written(history: pl.DataFrame, events: pl.DataFrame, as_of: pl.DataFrame) -> pl.DataFrame:
    """The history after the changes were written, as a warehouse does it."""
    changed = changes(history, events, as_of)
    closed = history.update(changed.closed, on=EVENT_HISTORY.grain)
    added = versions(changed.added, history, events)
    return pl.concat([closed, added]).sort(EVENT_HISTORY.grain)


def history_of(*days: Mapping[int, Row]) -> pl.DataFrame:
    """The history after full collections of `ACME` on successive days, from day 0."""
    history = EMPTY
    for number, events in enumerate(days):
        history = written(history, collected(number, events), as_of_frame(at=day(number)))
    return history


def collected(number: int, events: Mapping[int, Row], organization: str = ACME) -> pl.DataFrame:
    """What a full collection of a day stores."""
    return events_frame(
        *(
            {
                "event_identifier": identifier(event),
                "organization": organization,
                "collected_at": day(number),
            }
            | members
            for event, members in events.items()
        )
    )


def test_a_new_event_opens_a_version() -> None:
    assert history_of({0: {"event_title": "a"}}).select(VERSION).rows() == [
        ("a", day(0), None, "inserted")
    ]


def test_an_event_that_stays_as_it_is_keeps_its_version() -> None:
    event: Row = {"event_title": "a"}
    assert_frame_equal(history_of({0: event}, {0: event}, {0: event}), history_of({0: event}))


def test_a_change_ends_one_version_where_the_next_begins() -> None:
    assert history_of({0: {"event_title": "a"}}, {0: {"event_title": "b"}}).select(
        VERSION
    ).rows() == [
        ("a", day(0), day(1), "inserted"),
        ("b", day(1), None, "updated"),
    ]


def test_a_deletion_is_a_row_of_no_duration_with_the_event_as_it_was_last() -> None:
    assert history_of({0: {"event_title": "a"}}, {}, {}).select(VERSION).rows() == [
        ("a", day(0), day(1), "inserted"),
        ("a", day(1), day(1), "deleted"),
    ]


def test_an_event_that_comes_back_is_inserted_again() -> None:
    event: Row = {"event_title": "a"}
    assert history_of({0: event}, {}, {}, {0: event}).select(VERSION).rows() == [
        ("a", day(0), day(1), "inserted"),
        ("a", day(1), day(1), "deleted"),
        ("a", day(3), None, "inserted"),
    ]


@pytest.mark.parametrize("column", [name for name in MEMBERS if name not in KEY])
def test_every_member_counts(column: str) -> None:
    samples: dict[pl.DataType, Any] = {
        pl.String(): identifier(9),
        pl.Boolean(): False,
        pl.Int32(): 0,
        pl.Float64(): 0.0,
        EVENTS.dtypes["collected_at"]: AS_OF,
    }
    other: Row = {column: samples[EVENTS.dtypes[column]]}
    assert history_of({0: {}}, {0: other})["change"].to_list() == ["inserted", "updated"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({"event_title": None}, {"event_title": ""}, id="null and empty"),
        pytest.param(
            {"event_title": "a"}, {"event_type": "a"}, id="the same text in another member"
        ),
        pytest.param({"event_title": "a"}, {"event_title": "a "}, id="a blank"),
        pytest.param({"waitlist_enabled": None}, {"waitlist_enabled": False}, id="null and false"),
        pytest.param({"event_number": None}, {"event_number": 0}, id="null and zero"),
        pytest.param({"extra": None}, {"extra": '{"Room": 1}'}, id="an unknown member"),
    ],
)
def test_values_that_look_alike_are_told_apart(one: Row, other: Row) -> None:
    for first, second in ((one, other), (other, one)):
        assert history_of({0: first}, {0: second}).height == 2


def test_an_event_that_was_merely_collected_again_is_no_change() -> None:
    history = history_of({0: {}})
    again = collected(1, {0: {}})
    assert changes(history, again, as_of_frame(at=day(1))).added.is_empty()


def test_organizations_that_were_not_collected_stay_untouched() -> None:
    both = pl.concat([collected(0, {0: {}}), collected(0, {1: {}}, BOLT)])
    history = written(EMPTY, both, as_of_frame(ACME, BOLT, at=day(0)))
    changed = changes(history, EVENTS.empty(), as_of_frame(ACME, at=day(1)))
    assert changed.added["organization"].to_list() == [ACME]
    assert changed.closed["organization"].to_list() == [ACME]


def test_an_incremental_collection_dates_a_change_by_the_row_and_a_deletion_by_itself() -> None:
    history = history_of({0: {}, 1: {}, 2: {}})
    # Two collections since: the row says which of them saw the change.
    events = pl.concat([collected(0, {0: {}}), collected(1, {1: {"event_title": "b"}})])
    changed = changes(history, events, as_of_frame(at=day(2)))
    assert changed.added.drop("organization").rows() == [
        (identifier(1), day(1), None, "updated"),
        (identifier(2), day(2), day(2), "deleted"),
    ]
    assert changed.closed.drop("organization").rows() == [
        (identifier(1), day(0), day(1)),
        (identifier(2), day(0), day(2)),
    ]


@pytest.mark.parametrize("back", [timedelta(0), INSTANT, 30 * DAY])
def test_a_clock_that_was_set_back_loses_no_version(back: timedelta) -> None:
    """Versions begin a microsecond after the last one, in the order of the collections."""
    before = day(0) - back

    def at_once(history: pl.DataFrame, events: Mapping[int, Row]) -> pl.DataFrame:
        earlier = pl.lit(before, dtype=EVENTS.dtypes["collected_at"])
        rows = collected(0, events).with_columns(collected_at=earlier)
        return written(history, rows, as_of_frame(at=before))

    history = history_of({0: {"event_title": "a"}})
    for events in ({0: {"event_title": "b"}}, {}, {0: {"event_title": "c"}}):
        history = at_once(history, events)
    first, second, third, fourth = (day(0) + number * INSTANT for number in range(4))
    assert history.select(VERSION).rows() == [
        ("a", first, second, "inserted"),
        ("b", second, third, "updated"),
        ("b", third, third, "deleted"),
        ("c", fourth, None, "inserted"),
    ]
    assert at_once(history, {0: {"event_title": "c"}}).equals(history)


def test_events_of_an_organization_without_an_as_of_are_refused() -> None:
    with pytest.raises(ValueError, match=f"events of {ACME} are stored"):
        changes(EMPTY, collected(0, {0: {}}), as_of_frame(BOLT))


def test_an_added_version_without_its_event_has_no_members_and_is_not_lost() -> None:
    changed = changes(EMPTY, collected(0, {0: {}}), as_of_frame(at=day(0)))
    rows = versions(changed.added, EMPTY, EVENTS.empty())
    assert rows.select("event_identifier", "organization_identifier").rows() == [
        (identifier(0), None)
    ]


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
def test_portions_of_the_events_add_up_to_all(days: list[Round], cut: int) -> None:
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
