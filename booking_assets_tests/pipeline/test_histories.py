"""Histories in a warehouse: each past state of events and seats comes back, and each change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from booking_assets.pipeline.marts import MARTS
from booking_assets.tables.capacity import CAPACITY_BY_EVENT
from booking_assets.tables.marts import (
    EVENT_CHANGES,
    EVENT_HISTORY,
    SEAT_HISTORY,
)
from booking_assets.tables.raw import COLLECTIONS, EVENTS
from booking_assets.warehouse.warehouse import Warehouse
from booking_assets_tests.pipeline.test_marts import SETTINGS, new_warehouse
from booking_assets_tests.transforms.rows import ACME, AS_OF, BOLT, DAY, INSTANT, Row, identifier
from booking_assets_tests.transforms.strategies import ORGANIZATIONS, one_of
from booking_assets_tests.warehouse.slice_loads import collection, frame, put

SEATS = [name for name in SEAT_HISTORY.members if name.startswith("seats_")]
MEMBERS = [name for name in EVENT_HISTORY.members if name not in EVENTS.grain]
HISTORIES = [mart for mart in MARTS if mart.table in (EVENT_HISTORY, SEAT_HISTORY)]
MOST_EVENTS = 3

Texts = dict[tuple[str, str], dict[str, str | None]]
"""The members of events as text, by organization and identifier."""
Slices = Mapping[str, Mapping[int, Row]]

# Each example opens a warehouse many times.
laws = settings(deadline=None, max_examples=min(6, settings().max_examples))


@pytest.fixture
def warehouse() -> Iterator[Warehouse]:
    with new_warehouse() as made:
        yield made


def day(number: int) -> datetime:
    """The start of a day's collection."""
    return AS_OF + number * DAY


def extend(warehouse: Warehouse) -> list[tuple[int, int]]:
    """Extend both histories; the versions that each closed and added."""
    with warehouse.writing_session() as session:
        numbers = [mart.store(session, SETTINGS, {}).numbers for mart in HISTORIES]
    return [(int(one["versions closed"]), int(one["versions added"])) for one in numbers]


def store(
    warehouse: Warehouse,
    number: int,
    slices: Slices,
    *,
    at: datetime | None = None,
    seats_at: datetime | None = None,
) -> None:
    """A day's complete collections: events, and seats of those that have `seats`, or unknown."""
    started = day(number) if at is None else at
    events = []
    by_event = []
    for organization, stored in slices.items():
        own = {"organization": organization, "organization_identifier": identifier(0)}
        for event, members in stored.items():
            key = own | {"event_identifier": identifier(event)}
            seats = members.get("seats")
            events.append(key | {"collected_at": started} | members)
            by_event.append(
                key
                | {"lifecycle_status": "Drafted", "registration_state": "Closed"}
                | {"is_locked": False, "as_of": started}
                | ({} if seats is None else dict.fromkeys(SEATS, 0) | {SEATS[0]: seats})
                | {"seats_as_of": None if seats is None else seats_at or started}
            )
    log = [collection(slug, number, sequence=number, started_at=started) for slug in slices]
    with warehouse.writing_session() as session:
        for table, rows in ((EVENTS, events), (CAPACITY_BY_EVENT, by_event)):
            known = [
                {name: row[name] for name in row if name in table.column_names} for row in rows
            ]
            put(session, table, frame(table, known))
        put(session, COLLECTIONS, *log)


def ask(warehouse: Warehouse, query: str) -> list[dict[str, Any]]:
    with duckdb.connect(str(warehouse.path), read_only=True) as con:
        result = con.execute(query)
        names = [name for name, *_ in result.description or ()]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def texts(warehouse: Warehouse, query: str) -> Texts:
    """The events of a query, every member as text."""
    rows = ask(warehouse, f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM ({query})")
    return {
        (row["organization"], row["event_identifier"]): {name: row[name] for name in MEMBERS}
        for row in rows
    }


def at_instant(table: str, instant: datetime) -> str:
    """The query that the contract of a history promises."""
    moment = f"TIMESTAMPTZ '{instant.isoformat()}'"
    return (
        f"FROM {table} WHERE valid_from <= {moment} AND (valid_to IS NULL OR valid_to > {moment})"
    )


def changes(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    rows = warehouse.read(EVENT_CHANGES).sort(EVENT_CHANGES.grain)
    return rows.drop("organization", "sequence").rows()


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


members = st.fixed_dictionaries(
    {
        "event_title": one_of("", "a", 'O\'Neil; "x"'),
        "capacity_maximum": one_of(0, -1),
        "credit_hours": one_of(0.1, 1e300),
        "event_scheduled_start": one_of(AS_OF, AS_OF + INSTANT),
        "waitlist_enabled": one_of(True, False),
        "achievement_identifier": one_of(identifier(7)),
        "seats": one_of(0, 1, 2),
    }
)
slices = st.fixed_dictionaries(
    {ACME: st.dictionaries(st.integers(0, MOST_EVENTS - 1), members)},
    optional={BOLT: st.dictionaries(st.integers(0, MOST_EVENTS - 1), members)},
)
rounds = st.lists(slices, min_size=2, max_size=5)


def complete(days: Sequence[Slices]) -> list[Slices]:
    """Each day has every organization that was there before."""
    seen: dict[str, Mapping[int, Row]] = {}
    return [dict(seen := seen | dict(one)) for one in days]


@pytest.mark.slow
@laws
@given(days=rounds)
def test_each_past_state_comes_back_and_changes_replayed_on_the_first_give_every_later_one(
    days: list[Slices],
) -> None:
    with new_warehouse() as warehouse:
        events: list[Texts] = []
        seats = []
        for number, one in enumerate(complete(days)):
            store(warehouse, number, one)
            extend(warehouse)
            events.append(texts(warehouse, "FROM raw.events"))
            names = ", ".join((*SEAT_HISTORY.members,))
            known = f"SELECT {names} FROM marts.capacity_by_event WHERE seats_as_of IS NOT NULL"
            seats.append(ask(warehouse, f"{known} ORDER BY ALL"))
            before = changes(warehouse)
            assert extend(warehouse) == [(0, 0), (0, 0)]
            assert changes(warehouse) == before
        for number in range(len(days)):
            seen = texts(warehouse, at_instant("marts.event_history", day(number)))
            assert seen == events[number]
            past = at_instant("marts.seat_history", day(number))
            assert ask(warehouse, f"SELECT {names} {past} ORDER BY ALL") == seats[number]
        for table in (EVENT_HISTORY, SEAT_HISTORY, EVENT_CHANGES):
            assert not warehouse.contract_breaches(table)
        assert_replayed(warehouse, events)


def assert_replayed(warehouse: Warehouse, stored: Sequence[Texts]) -> None:
    """The changes of each day, on the state of the day before, are what was stored on it."""
    log = ask(warehouse, "FROM marts.event_changes ORDER BY changed_at")
    state: Texts = {}
    for number, expected in enumerate(stored):
        # A first load is in the history alone, and so are the members of a new event.
        begun = texts(
            warehouse,
            "FROM marts.event_history WHERE change = 'inserted'"
            f" AND valid_from = TIMESTAMPTZ '{day(number).isoformat()}'",
        )
        today = [change for change in log if change["changed_at"] == day(number)]
        new = {
            (change["organization"], str(change["event_identifier"]))
            for change in today
            if change["change"] == "inserted"
        }
        replay(state, today)
        first = {key for key in begun if key not in new}
        assert not first & state.keys()
        assert all(is_first_load(warehouse, slug, day(number)) for slug, _ in first)
        state |= begun
        assert state == expected


def is_first_load(warehouse: Warehouse, organization: str, instant: datetime) -> bool:
    """Whether an organization's history begins at an instant."""
    history = warehouse.read(EVENT_HISTORY, ["organization", "valid_from"])
    return history.filter(organization=organization)["valid_from"].min() == instant


def replay(state: Texts, log: Sequence[Mapping[str, Any]]) -> None:
    """Apply updates and deletions to a state; each update has the old value."""
    for change in log:
        key = (change["organization"], str(change["event_identifier"]))
        if change["change"] == "deleted":
            del state[key]
        elif change["change"] == "updated":
            assert state[key][change["column_name"]] == change["old_value"]
            state[key] = state[key] | {change["column_name"]: change["new_value"]}


disorder = st.lists(
    st.tuples(slices, st.integers(-2, 2), st.integers(-3, 0)), min_size=2, max_size=5
)


@pytest.mark.slow
@laws
@given(days=disorder)
def test_histories_are_in_order_and_end_in_what_is_stored_whatever_the_clocks_say(
    days: list[tuple[Slices, int, int]],
) -> None:
    """Clocks are set back, and seats are older than the events, by some days."""
    with new_warehouse() as warehouse:
        for number, (one, at, seats_at) in enumerate(days):
            started = day(number + at)
            store(
                warehouse, number, {BOLT: {}, **one}, at=started, seats_at=started + seats_at * DAY
            )
            extend(warehouse)
            for name in ("marts.event_history", "marts.seat_history"):
                assert ask(warehouse, overlaps(name)) == []
            names = ", ".join(SEAT_HISTORY.members)
            known = "FROM marts.capacity_by_event WHERE seats_as_of IS NOT NULL"
            current = "FROM marts.seat_history WHERE valid_to IS NULL"
            assert ask(warehouse, f"SELECT {names} {current} ORDER BY ALL") == ask(
                warehouse, f"SELECT {names} {known} ORDER BY ALL"
            )
        for table in (EVENT_HISTORY, SEAT_HISTORY, EVENT_CHANGES):
            assert not warehouse.contract_breaches(table)


def overlaps(table: str) -> str:
    """Versions that do not end before their event's next one begins, or that end backwards."""
    return f"""
        SELECT * FROM (
            SELECT *, lead(valid_from) OVER (
                PARTITION BY organization, event_identifier ORDER BY valid_from
            ) AS next_from FROM {table}
        ) WHERE valid_to < valid_from OR coalesce(valid_to, 'infinity') > next_from
    """
