"""Histories in a warehouse: what is a version or a change of events and seats, and when it ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
import polars as pl
import pytest

from booking_assets.tables.capacity import CAPACITY_BY_EVENT
from booking_assets.tables.marts import (
    EVENT_CHANGES,
    EVENT_HISTORY,
    SEAT_HISTORY,
)
from booking_assets.tables.raw import EVENTS
from booking_assets.warehouse.warehouse import Warehouse
from booking_assets_tests.pipeline.histories import (
    SEATS,
    Slices,
    changes,
    day,
    extend,
    store,
)
from booking_assets_tests.pipeline.test_marts import new_warehouse
from booking_assets_tests.transforms.rows import ACME, AS_OF, BOLT, INSTANT, Row, identifier
from booking_assets_tests.transforms.strategies import ORGANIZATIONS


@pytest.fixture
def warehouse() -> Iterator[Warehouse]:
    with new_warehouse() as made:
        yield made


def sequences(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    """The new value and the sequence of each change, in the order in which they are stored."""
    return warehouse.read(EVENT_CHANGES).select("new_value", "sequence").rows()


def seat_versions(warehouse: Warehouse, event: int = 0) -> list[tuple[Any, ...]]:
    rows = warehouse.read(SEAT_HISTORY).sort(SEAT_HISTORY.grain)
    own = rows.filter(pl.col("event_identifier") == identifier(event))
    return own.select(SEATS[0], "valid_from", "valid_to").rows()


def test_an_update_is_a_row_for_each_changed_column(warehouse: Warehouse) -> None:
    store(warehouse, 0, {ACME: {0: {"event_title": "a", "capacity_maximum": 1, "venue_room": "x"}}})
    extend(warehouse)
    assert changes(warehouse) == []
    other = {"event_title": None, "capacity_maximum": 2, "venue_room": "x"}
    store(warehouse, 1, {ACME: {0: other}})
    extend(warehouse)
    assert changes(warehouse) == [
        (identifier(0), day(1), "updated", "capacity_maximum", "1", "2"),
        (identifier(0), day(1), "updated", "event_title", "a", None),
    ]


def test_who_changed_an_event_and_when_is_in_its_history_and_no_change(
    warehouse: Warehouse,
) -> None:
    last: Row = {"last_change_type": "v", "last_change_user": "x", "last_change_time": AS_OF}
    rows: list[Row] = [
        {"event_title": "a"},
        {"event_title": "b", **last},
        {"event_title": "b", **last, "last_change_user": "y"},
    ]
    for number, row in enumerate(rows):
        store(warehouse, number, {ACME: {0: row}})
        extend(warehouse)
    assert changes(warehouse) == [(identifier(0), day(1), "updated", "event_title", "a", "b")]
    versions = warehouse.read(EVENT_HISTORY).sort("valid_from")
    assert versions["last_change_user"].to_list() == [None, "x", "y"]
    assert {*EVENT_HISTORY.members} - {*EVENT_HISTORY.members_in_changes} == {
        name for name in EVENTS.column_names if name.startswith("last_change_")
    }


def test_new_and_deleted_events_are_changes_after_the_first_load_of_their_organization(
    warehouse: Warehouse,
) -> None:
    rounds: list[Slices] = [
        {ACME: {0: {}}},
        {ACME: {0: {}, 1: {}}, BOLT: {2: {}}},
        {ACME: {1: {}}, BOLT: {2: {}}},
        {ACME: {0: {}, 1: {}}, BOLT: {2: {}}},
    ]
    for number, slices in enumerate(rounds):
        store(warehouse, number, slices)
        extend(warehouse)
    nothing = (None, None, None)
    assert changes(warehouse) == [
        (identifier(0), day(2), "deleted", *nothing),
        (identifier(0), day(3), "inserted", *nothing),
        (identifier(1), day(1), "inserted", *nothing),
    ]


def test_long_values_are_compared_whole_and_cut_at_200_characters(warehouse: Warehouse) -> None:
    for number, end in enumerate(("a", "b")):
        store(warehouse, number, {ACME: {0: {"event_title": "é" * 300 + end}}})
        extend(warehouse)
    assert changes(warehouse) == [
        (identifier(0), day(1), "updated", "event_title", "é" * 200, "é" * 200)
    ]


def test_a_history_without_changes_fills_them_once(warehouse: Warehouse) -> None:
    """As in a warehouse of an earlier release: from the versions of all its organizations."""
    rounds: list[Slices] = [
        {ACME: {0: {"event_title": "a"}}, BOLT: {1: {"event_title": "a"}}},
        {ACME: {0: {"event_title": "b"}}, BOLT: {1: {"event_title": "b"}}},
        {ACME: {2: {}}, BOLT: {1: {"event_title": "c"}}},
    ]
    for number, slices in enumerate(rounds):
        store(warehouse, number, slices)
        extend(warehouse)
    expected = changes(warehouse)
    assert len(expected) == 5
    with duckdb.connect(str(warehouse.path)) as con:
        con.execute("DROP TABLE marts.event_changes")
    assert extend(warehouse.only([ACME])) == [(0, 0), (0, 0)]
    assert changes(warehouse) == expected
    assert extend(warehouse) == [(0, 0), (0, 0)]
    assert changes(warehouse) == expected


def test_changes_are_in_the_order_of_their_sequence_also_where_a_clock_was_ahead(
    warehouse: Warehouse,
) -> None:
    titles = [("a", "a"), ("b", "a"), ("b", "c"), ("d", "c")]
    for number, (ahead, pair) in enumerate(zip((0, 30, 0, 0), titles, strict=True), 1):
        events = {event: {"event_title": title} for event, title in enumerate(pair)}
        store(warehouse, number, {ACME: events}, at=day(number + ahead))
        extend(warehouse)
    assert sequences(warehouse) == [("b", 2), ("c", 3), ("d", 4)]
    instants = warehouse.read(EVENT_CHANGES)["changed_at"].to_list()
    assert instants == [day(32), day(3), day(32) + INSTANT]


@pytest.mark.parametrize(
    "earlier",
    [
        "DROP TABLE marts.event_changes",
        "ALTER TABLE marts.event_changes DROP COLUMN sequence;"
        "INSERT INTO marts.event_changes BY NAME"
        " SELECT * REPLACE ('last_change_user' AS column_name) FROM marts.event_changes",
    ],
    ids=["no changes", "changes without sequence"],
)
def test_changes_of_an_earlier_release_have_no_sequence_and_later_ones_do(
    warehouse: Warehouse, earlier: str
) -> None:
    for number, title in enumerate("abc"):
        store(warehouse, number, {ACME: {0: {"event_title": title}}})
        extend(warehouse)
        if title == "b":
            with duckdb.connect(str(warehouse.path)) as con:
                con.execute(earlier)
    assert sorted(sequences(warehouse)) == [("b", None), ("c", 2)]
    assert not warehouse.contract_breaches(EVENT_CHANGES)


def test_every_kind_of_seat_that_is_counted_has_a_history() -> None:
    sums = {"seats_as_of", "seats_taken", "seats_available"}
    columns = [name for name in CAPACITY_BY_EVENT.column_names if name.startswith("seats_")]
    assert [name for name in columns if name not in sums] == SEATS


def test_seats_are_versions_only_where_they_changed_and_zero_is_one(warehouse: Warehouse) -> None:
    for number, seats in enumerate([0, 0, 2, 2, 1]):
        store(warehouse, number, {ACME: {0: {"seats": seats}}})
        extend(warehouse)
    assert seat_versions(warehouse) == [
        (0, day(0), day(2)),
        (2, day(2), day(4)),
        (1, day(4), None),
    ]


@pytest.mark.parametrize("then", [{0: {}}, {}], ids=["seats unknown", "event deleted"])
def test_unknown_seats_and_a_deletion_close_a_version(
    warehouse: Warehouse, then: Mapping[int, Row]
) -> None:
    for number, rows in enumerate([{0: {"seats": 1}}, then, then, {0: {"seats": 1}}]):
        store(warehouse, number, {ACME: rows})
        extend(warehouse)
    assert seat_versions(warehouse) == [(1, day(0), day(1)), (1, day(3), None)]


def test_seats_of_an_older_collection_never_overlap_the_version_before(
    warehouse: Warehouse,
) -> None:
    """Registrations are switched off and on again: the seats of the older collection are back."""
    store(warehouse, 0, {ACME: {0: {"seats": 1}}})
    extend(warehouse)
    store(warehouse, 1, {ACME: {0: {}}})
    extend(warehouse)
    store(warehouse, 2, {ACME: {0: {"seats": 1}}}, seats_at=day(0))
    extend(warehouse)
    # The event changed its type: the same registrations are counted in another way.
    store(warehouse, 3, {ACME: {0: {"seats": 2}}}, seats_at=day(0))
    extend(warehouse)
    assert seat_versions(warehouse) == [
        (1, day(0), day(1)),
        (1, day(1), day(1) + INSTANT),
        (2, day(1) + INSTANT, None),
    ]


def test_histories_of_an_organization_that_is_withheld_or_not_derived_stay(
    warehouse: Warehouse,
) -> None:
    store(warehouse, 0, {slug: {0: {"seats": 1}} for slug in ORGANIZATIONS})
    extend(warehouse)
    before = warehouse.read(SEAT_HISTORY).sort(SEAT_HISTORY.grain)
    store(warehouse, 1, {slug: {} for slug in ORGANIZATIONS})
    assert extend(warehouse.only([])) == [(0, 0), (0, 0)]
    # Its events are stored, but its mart was last derived while it was withheld.
    store(warehouse, 1, {slug: {0: {"seats": 1}} for slug in ORGANIZATIONS})
    with duckdb.connect(str(warehouse.path)) as con:
        con.execute(f"DELETE FROM marts.capacity_by_event WHERE organization = '{BOLT}'")
    assert extend(warehouse) == [(0, 0), (0, 0)]
    assert warehouse.read(SEAT_HISTORY).sort(SEAT_HISTORY.grain).equals(before)
