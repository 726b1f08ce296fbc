"""The history of events by worked cases; its laws: `test_history_laws`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from booking_assets.tables.raw import EVENTS
from booking_assets.transforms.history import KEY
from booking_assets_tests.transforms.histories import (
    EMPTY,
    MEMBERS,
    changes,
    collected,
    day,
    history_of,
    written,
)
from booking_assets_tests.transforms.replay import versions
from booking_assets_tests.transforms.rows import (
    ACME,
    AS_OF,
    BOLT,
    DAY,
    INSTANT,
    Row,
    as_of_frame,
    identifier,
)

VERSION = ("event_title", "valid_from", "valid_to", "change")


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
