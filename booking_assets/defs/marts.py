"""The marts: read what is stored, transform, store the answer.

What lives here: one asset a mart; what each reads, and which transform answers.
What must not: how an answer is computed (`transforms`).
Read more: `docs/tables.md`.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

import dagster as dg
import polars as pl

from booking_assets.defs.metadata import definition_metadata, frame_metadata
from booking_assets.defs.names import OWNERS, asset_key
from booking_assets.settings import Settings
from booking_assets.tables.contract import Table
from booking_assets.tables.marts import (
    CAPACITY_BY_EVENT,
    CAPACITY_UTILIZATION,
    DISTRIBUTION_BY_EVENT,
    DISTRIBUTION_STATUS,
    EVENT_HISTORY,
    ORGANIZATION_FRESHNESS,
    ROOM_CONFLICTS,
    ROOM_UTILIZATION,
)
from booking_assets.tables.raw import EVENT_COUNTS, EVENTS, REGISTRATIONS
from booking_assets.transforms import (
    capacity,
    conflicts,
    distribution,
    freshness,
    history,
    rooms,
)
from booking_assets.warehouse.warehouse import Warehouse

Derive = Callable[[Warehouse], pl.DataFrame]


def marts(settings: Settings) -> list[dg.AssetsDefinition]:
    """Every mart."""
    return [
        _mart(CAPACITY_BY_EVENT, [EVENTS, REGISTRATIONS], _capacity_by_event),
        _mart(CAPACITY_UTILIZATION, [CAPACITY_BY_EVENT], _capacity_utilization),
        _mart(DISTRIBUTION_BY_EVENT, [EVENTS], _distribution_by_event),
        _mart(DISTRIBUTION_STATUS, [DISTRIBUTION_BY_EVENT], _distribution_status),
        _mart(ROOM_UTILIZATION, [EVENTS], partial(_room_utilization, settings.marts.open_hours)),
        _mart(ROOM_CONFLICTS, [EVENTS], _room_conflicts),
        _mart(
            ORGANIZATION_FRESHNESS, [EVENTS, EVENT_COUNTS, REGISTRATIONS], _organization_freshness
        ),
        event_history,
    ]


def _spec(table: Table, upstream: Sequence[Table]) -> dg.AssetSpec:
    return dg.AssetSpec(
        key=asset_key(table),
        description=table.description,
        group_name=table.schema,
        owners=OWNERS,
        kinds={"polars", "duckdb"},
        tags={"layer": table.schema},
        metadata=definition_metadata(table),
        deps=[asset_key(one) for one in upstream],
    )


def _mart(table: Table, upstream: Sequence[Table], derive: Derive) -> dg.AssetsDefinition:
    """An asset that stores what `derive` makes of the warehouse, in place of the whole table."""

    @dg.multi_asset(name=table.short_name, specs=[_spec(table, upstream)])
    def stored(warehouse: dg.ResourceParam[Warehouse]) -> dg.MaterializeResult[None]:
        with warehouse.asking() as held:
            frame = derive(held)
        warehouse.replace(table, frame)
        return dg.MaterializeResult(metadata=frame_metadata(table, frame))

    return stored


def _capacity_by_event(warehouse: Warehouse) -> pl.DataFrame:
    as_of = _as_of(warehouse)
    events = warehouse.read(EVENTS, capacity.EVENT_COLUMNS)
    known = warehouse.known_organizations(REGISTRATIONS.short_name)
    registrations = warehouse.read(REGISTRATIONS, capacity.REGISTRATION_COLUMNS)
    return capacity.capacity_by_event(events, as_of, registrations, known)


def _capacity_utilization(warehouse: Warehouse) -> pl.DataFrame:
    return capacity.capacity_utilization(warehouse.read(CAPACITY_BY_EVENT))


def _distribution_by_event(warehouse: Warehouse) -> pl.DataFrame:
    as_of = _as_of(warehouse)
    events = warehouse.read(EVENTS, distribution.EVENT_COLUMNS)
    return distribution.distribution_by_event(events, as_of)


def _distribution_status(warehouse: Warehouse) -> pl.DataFrame:
    return distribution.distribution_status(warehouse.read(DISTRIBUTION_BY_EVENT))


def _room_utilization(open_hours: float, warehouse: Warehouse) -> pl.DataFrame:
    as_of = _as_of(warehouse)
    events = warehouse.read(EVENTS, rooms.EVENT_COLUMNS)
    return rooms.room_utilization(events, as_of, open_hours)


def _room_conflicts(warehouse: Warehouse) -> pl.DataFrame:
    as_of = _as_of(warehouse)
    events = warehouse.read(EVENTS, conflicts.EVENT_COLUMNS)
    return conflicts.room_conflicts(events, as_of)


def _organization_freshness(warehouse: Warehouse) -> pl.DataFrame:
    return freshness.organization_freshness(
        warehouse.newest_collections(),
        warehouse.tallies(EVENTS),
        warehouse.tallies(REGISTRATIONS),
        warehouse.read(EVENT_COUNTS),
        datetime.now(UTC),
    )


@dg.multi_asset(name=EVENT_HISTORY.short_name, specs=[_spec(EVENT_HISTORY, [EVENTS])])
def event_history(warehouse: dg.ResourceParam[Warehouse]) -> dg.MaterializeResult[None]:
    """Closes the versions that ended and adds those that began; the others are left alone."""
    closed, added = warehouse.extend_history(history.MEMBERS, _changed_versions)
    return dg.MaterializeResult(metadata={"versions closed": closed, "versions added": added})


def _changed_versions(
    open_versions: pl.DataFrame, events: pl.DataFrame, newest: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    changed = history.changed_versions(open_versions, events, _instants(newest))
    return changed.closed, changed.added


def _as_of(warehouse: Warehouse) -> pl.DataFrame:
    """The instant that each organization's answers are for: (organization, as_of)."""
    return _instants(warehouse.newest_collections())


def _instants(newest: pl.DataFrame) -> pl.DataFrame:
    return newest.select("organization", "started_at").rename({"started_at": "as_of"})
