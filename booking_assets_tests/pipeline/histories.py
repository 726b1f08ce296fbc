"""Days of collections in a warehouse, its histories extended by each, and what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import duckdb

from booking_assets.pipeline.marts import MARTS
from booking_assets.tables.capacity import CAPACITY_BY_EVENT
from booking_assets.tables.marts import (
    EVENT_CHANGES,
    EVENT_HISTORY,
    SEAT_HISTORY,
)
from booking_assets.tables.raw import COLLECTIONS, EVENTS
from booking_assets.warehouse.warehouse import Warehouse
from booking_assets_tests.pipeline.test_marts import SETTINGS
from booking_assets_tests.transforms.rows import AS_OF, DAY, Row, identifier
from booking_assets_tests.warehouse.slice_loads import collection, frame, put

SEATS = [name for name in SEAT_HISTORY.members if name.startswith("seats_")]
MEMBERS = [name for name in EVENT_HISTORY.members if name not in EVENTS.grain]
HISTORIES = [mart for mart in MARTS if mart.table in (EVENT_HISTORY, SEAT_HISTORY)]
MOST_EVENTS = 3
Texts = dict[tuple[str, str], dict[str, str | None]]
"""The members of events as text, by organization and identifier."""
Slices = Mapping[str, Mapping[int, Row]]


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
