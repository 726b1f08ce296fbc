"""Which tables each mart reads, and which transform derives it.

How a mart is computed is in `transforms`; how it is stored, in `warehouse`; how all are derived and
published, in `derivation`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import polars as pl

from booking_assets.pipeline.names import name_overrides
from booking_assets.pipeline.organizations import (
    Withheld,
    only_published,
    readable_organizations,
)
from booking_assets.settings import Settings
from booking_assets.tables import marts, raw
from booking_assets.tables.capacity import (
    ATTENDANCE_BY_EVENT,
    CALENDAR,
    CAPACITY_BY_EVENT,
    CAPACITY_UTILIZATION,
    COURSE_UTILIZATION,
    STATES,
)
from booking_assets.tables.catalog import MART_TABLES
from booking_assets.tables.contract import History, Table
from booking_assets.tables.names import (
    ACHIEVEMENTS,
    NAME_COLUMNS,
    ORGANIZATIONS,
    VENUES,
    name_columns,
)
from booking_assets.transforms import (
    attendance,
    bookings,
    calendar,
    capacity,
    conflicts,
    distribution,
    freshness,
    history,
    names,
    rooms,
    seats,
)
from booking_assets.transforms.rules import NO_TIMEZONES
from booking_assets.warehouse.figures import Replaced
from booking_assets.warehouse.warehouse import Warehouse

EVENT = ("event_identifier",)
"""The key by which rows of one event come in the same batch."""

ROOMS_NAMED = 20
"""The rooms that metadata names at most, of those that are left out of a mart."""
NAME_CHARACTERS = 80
"""The characters of a name that metadata shows."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DerivedMart:
    """What deriving a mart stored.

    Args:
        replaced: its rows and figures, and its preview; None for a history, which is extended.
        numbers: what else the metadata says, by name.
    """

    replaced: Replaced | None
    numbers: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Mart:
    """A mart: its table, the tables that it is derived from, and how it is derived and stored.

    `store` is given the warehouse restricted to the organizations that are published. It also
    writes the table `changes`, in the same transaction, where there is one.
    """

    table: Table
    upstream: tuple[Table, ...]
    store: Callable[[Warehouse, Settings, Withheld], DerivedMart]
    changes: Table | None = None

    @property
    def tables(self) -> Mapping[Table, tuple[Table, ...]]:
        """The tables that it writes, each with its upstream."""
        return {self.table: self.upstream} | ({self.changes: (self.table,)} if self.changes else {})

    def derive(self, warehouse: Warehouse, settings: Settings, withheld: Withheld) -> DerivedMart:
        """Derive the mart from what is stored, in one transaction.

        Raises:
            WarehouseError: a table could not be read, or the mart not be stored.
        """
        started = time.monotonic()
        stored = self.store(only_published(warehouse, settings, withheld), settings, withheld)
        seconds = round(time.monotonic() - started, 3)
        return replace(stored, numbers={**stored.numbers, "seconds": seconds})


def _replaced_mart(
    table: Table,
    upstream: tuple[Table, ...],
    frames: Callable[[Warehouse, Settings], Iterator[pl.DataFrame]],
) -> Mart:
    """A mart that is replaced as a whole by the frames, with names where its contract has them."""
    columns = name_columns(table)

    def named(session: Warehouse, settings: Settings) -> Iterator[pl.DataFrame]:
        found = {name: (one, session.read(one.table)) for name, one in columns.items()}
        for frame in frames(session, settings):
            yield names.with_names(frame, table, found)

    def store(warehouse: Warehouse, settings: Settings, _: Withheld) -> DerivedMart:
        replaced = warehouse.replace(table, lambda session: named(session, settings))
        return DerivedMart(replaced)

    return Mart(table, (*upstream, *(one.table for one in columns.values())), store)


def _name_overrides(_: Warehouse, settings: Settings) -> Iterator[pl.DataFrame]:
    yield name_overrides(settings)


def _named_mart(table: Table, column: str, derive: Callable[..., pl.DataFrame]) -> Mart:
    """A mart that names what events refer to."""
    source = NAME_COLUMNS[column].source

    def frames(warehouse: Warehouse, settings: Settings) -> Iterator[pl.DataFrame]:
        rows = warehouse.referred_rows(NAME_COLUMNS[column])
        readable = readable_organizations(warehouse, settings, source)["organization"]
        overrides = warehouse.read(raw.NAME_OVERRIDES)
        yield derive(rows, overrides, frozenset(readable), _as_of(warehouse))

    return _replaced_mart(table, (raw.EVENTS, source, raw.NAME_OVERRIDES), frames)


def _organizations(warehouse: Warehouse, settings: Settings, _: Withheld) -> DerivedMart:
    """As the freshness, this has a row of each configured organization."""
    configured = [
        {
            "organization": one.slug,
            "organization_identifier": str(one.identifier),
            "timezone": one.timezone,
        }
        for one in settings.organizations
    ]

    def frames(session: Warehouse) -> Iterator[pl.DataFrame]:
        yield names.organizations(configured, session.read(raw.NAME_OVERRIDES), _as_of(session))

    replaced = warehouse.only(settings.slugs).replace(ORGANIZATIONS, frames)
    return DerivedMart(replaced)


def _capacity_by_event(warehouse: Warehouse, settings: Settings) -> Iterator[pl.DataFrame]:
    as_of = _as_of(warehouse)
    seats_as_of = _seats_as_of(warehouse, settings)
    unknown = warehouse.events_without_registrations()
    timezones = _timezones(settings)
    columns = {raw.EVENTS: capacity.EVENT_COLUMNS, raw.REGISTRATIONS: seats.REGISTRATION_COLUMNS}
    for events, registrations in warehouse.read_batches(EVENT, columns):
        yield capacity.capacity_by_event(
            events, as_of, registrations, seats_as_of, unknown, timezones
        )


def _capacity_utilization(warehouse: Warehouse, settings: Settings) -> Iterator[pl.DataFrame]:
    known = _seats_as_of(warehouse, settings)["organization"]
    columns = {CAPACITY_BY_EVENT: (*capacity.VENUE_GROUP, *capacity.FIGURE_COLUMNS)}
    for (by_event,) in warehouse.read_batches(capacity.VENUE_GROUP, columns):
        yield capacity.capacity_utilization(by_event, known)


def _course_utilization(warehouse: Warehouse, settings: Settings) -> Iterator[pl.DataFrame]:
    known = _seats_as_of(warehouse, settings)["organization"]
    columns = {CAPACITY_BY_EVENT: (*capacity.COURSE_GROUP, *capacity.FIGURE_COLUMNS)}
    for (by_event,) in warehouse.read_batches(capacity.COURSE_GROUP, columns):
        yield capacity.course_utilization(by_event, known)


def _attendance_by_event(warehouse: Warehouse, _: Settings) -> Iterator[pl.DataFrame]:
    columns = {
        CAPACITY_BY_EVENT: attendance.CAPACITY_COLUMNS,
        raw.REGISTRATIONS: seats.REGISTRATION_COLUMNS,
    }
    for by_event, registrations in warehouse.read_batches(EVENT, columns):
        yield attendance.attendance_by_event(by_event, registrations)


def _calendar(warehouse: Warehouse, _: Settings) -> Iterator[pl.DataFrame]:
    yield calendar.calendar(warehouse.read(CAPACITY_BY_EVENT, ["local_date"]))


def _states(_: Warehouse, __: Settings) -> Iterator[pl.DataFrame]:
    yield calendar.states(MART_TABLES)


def _distribution_by_event(warehouse: Warehouse, _: Settings) -> Iterator[pl.DataFrame]:
    as_of = _as_of(warehouse)
    for (events,) in warehouse.read_batches(EVENT, {raw.EVENTS: distribution.EVENT_COLUMNS}):
        yield distribution.distribution_by_event(events, as_of)


def _distribution_status(warehouse: Warehouse, _: Settings) -> Iterator[pl.DataFrame]:
    columns = {marts.DISTRIBUTION_BY_EVENT: distribution.PACKAGE_COLUMNS}
    for (by_event,) in warehouse.read_batches(marts.DISTRIBUTION_STATUS.grain, columns):
        yield distribution.distribution_status(by_event)


def _room_utilization(warehouse: Warehouse, settings: Settings) -> Iterator[pl.DataFrame]:
    as_of, timezones = _as_of(warehouse), _timezones(settings)
    longest = timedelta(days=settings.marts.longest_booking_days)
    columns = {raw.EVENTS: rooms.EVENT_COLUMNS}
    for (events,) in warehouse.read_batches(bookings.ROOM_COLUMNS, columns):
        yield rooms.room_utilization(events, as_of, timezones, settings.marts.open_hours, longest)


def _room_conflicts(
    left_out: list[str], warehouse: Warehouse, settings: Settings
) -> Iterator[pl.DataFrame]:
    """The frames of the mart; the names of rooms that it leaves out are appended to `left_out`."""
    as_of, timezones = _as_of(warehouse), _timezones(settings)
    longest = timedelta(days=settings.marts.longest_booking_days)
    columns = {raw.EVENTS: conflicts.EVENT_COLUMNS}
    for (events,) in warehouse.read_batches(bookings.ROOM_COLUMNS, columns):
        found = conflicts.room_conflicts(events, as_of, timezones, longest)
        left_out.extend(
            " / ".join(part[:NAME_CHARACTERS] for part in room if part)
            for room in found.left_out.iter_rows()
        )
        yield from found.frames


def _room_conflicts_mart() -> Mart:
    """A mart whose metadata names the rooms that are left out."""

    def mart(left_out: list[str]) -> Mart:
        frames = partial(_room_conflicts, left_out)
        return _replaced_mart(marts.ROOM_CONFLICTS, (raw.EVENTS,), frames)

    def store(warehouse: Warehouse, settings: Settings, withheld: Withheld) -> DerivedMart:
        left_out: list[str] = []
        stored = mart(left_out).store(warehouse, settings, withheld)
        numbers: dict[str, int | str] = {"rooms left out": len(left_out)}
        if left_out:
            numbers["names of rooms left out"] = "; ".join(sorted(left_out)[:ROOMS_NAMED])
        return replace(stored, numbers=numbers)

    return replace(mart([]), store=store)


def _timezones(settings: Settings) -> pl.DataFrame:
    """The time zones of the settings: (organization, timezone)."""
    known = [(one.slug, one.timezone) for one in settings.organizations if one.timezone]
    return pl.DataFrame(known, schema=NO_TIMEZONES.schema, orient="row")


def _organization_freshness(
    warehouse: Warehouse, settings: Settings, withheld: Withheld
) -> DerivedMart:
    """Unlike the other marts, this one has a row of each withheld organization, too."""
    configured = warehouse.only(settings.slugs)

    def frames(session: Warehouse) -> Iterator[pl.DataFrame]:
        resources = (raw.EVENTS, raw.REGISTRATIONS)
        yield freshness.organization_freshness(
            {one.slug: one.registrations for one in settings.organizations},
            session.attempts(),
            {table.short_name: session.reconciliation(table) for table in resources},
            session.read(raw.EVENT_COUNTS),
            datetime.now(UTC),
            withheld,
            settings.named,
        )

    replaced = configured.replace(marts.ORGANIZATION_FRESHNESS, frames)
    return DerivedMart(replaced)


def _history_mart(table: History) -> Mart:
    """A mart whose versions are closed where they ended, and added; others are not rewritten."""

    def store(warehouse: Warehouse, _: Settings, __: Withheld) -> DerivedMart:
        closed, added = warehouse.extend_history(table, _changed_versions)
        return DerivedMart(None, {"versions closed": closed, "versions added": added})

    return Mart(table, (table.source,), store, table.changes)


def _changed_versions(
    last_versions: pl.DataFrame, rows: pl.DataFrame, newest: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    changed = history.changed_versions(last_versions, rows, _instants(newest))
    return changed.closed, changed.added


def _seats_as_of(warehouse: Warehouse, settings: Settings) -> pl.DataFrame:
    """The instant that each organization's seats are for: (organization, seats_as_of)."""
    readable = readable_organizations(warehouse, settings, raw.REGISTRATIONS)
    return readable.rename({"as_of": "seats_as_of"})


def _as_of(warehouse: Warehouse) -> pl.DataFrame:
    """The instant that each organization's marts are for: (organization, as_of)."""
    return _instants(warehouse.newest_collections())


def _instants(newest: pl.DataFrame) -> pl.DataFrame:
    return newest.select("organization", as_of="started_at")


MARTS: tuple[Mart, ...] = (
    _replaced_mart(raw.NAME_OVERRIDES, (), _name_overrides),
    _named_mart(VENUES, "venue_name", names.venues),
    _named_mart(ACHIEVEMENTS, "achievement_title", names.achievements),
    Mart(ORGANIZATIONS, (raw.EVENTS, raw.NAME_OVERRIDES), _organizations),
    _replaced_mart(CAPACITY_BY_EVENT, (raw.EVENTS, raw.REGISTRATIONS), _capacity_by_event),
    _replaced_mart(CAPACITY_UTILIZATION, (CAPACITY_BY_EVENT,), _capacity_utilization),
    _replaced_mart(COURSE_UTILIZATION, (CAPACITY_BY_EVENT,), _course_utilization),
    _replaced_mart(
        ATTENDANCE_BY_EVENT, (CAPACITY_BY_EVENT, raw.REGISTRATIONS), _attendance_by_event
    ),
    _replaced_mart(CALENDAR, (CAPACITY_BY_EVENT,), _calendar),
    # Not read: so that a run whose collection failed derives this mart neither.
    _replaced_mart(STATES, (CAPACITY_BY_EVENT,), _states),
    _replaced_mart(marts.DISTRIBUTION_BY_EVENT, (raw.EVENTS,), _distribution_by_event),
    _replaced_mart(marts.DISTRIBUTION_STATUS, (marts.DISTRIBUTION_BY_EVENT,), _distribution_status),
    _replaced_mart(marts.ROOM_UTILIZATION, (raw.EVENTS,), _room_utilization),
    _room_conflicts_mart(),
    _history_mart(marts.EVENT_HISTORY),
    _history_mart(marts.SEAT_HISTORY),
    Mart(
        marts.ORGANIZATION_FRESHNESS,
        (raw.EVENTS, raw.EVENT_COUNTS, raw.REGISTRATIONS, raw.GROUPS),
        _organization_freshness,
    ),
)
"""Every mart, each after those that it reads, and before them the file with names."""
