"""The marts: read what is stored, transform, store the answer, hold it against its contract.

What lives here: one asset a mart; what each reads, and which transform answers.
What must not: how an answer is computed (`transforms`), what is checked (`checks`).
Read more: `docs/tables.md`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import dagster as dg
import polars as pl

from booking_assets.defs.checks import contract_result, contract_spec
from booking_assets.defs.metadata import definition_metadata, rows_metadata
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

EVENT = ("event_identifier",)
"""What the rows that tell of one event agree in."""

Derive = Callable[[Warehouse], Iterator[pl.DataFrame]]
Store = Callable[[Warehouse], dict[str, Any]]
"""Writes a mart; what it came to, for people."""


def marts(settings: Settings) -> list[dg.AssetsDefinition]:
    """Every mart."""
    room_utilization = partial(_room_utilization, settings.marts.open_hours)
    wanted = {one.slug: one.registrations for one in settings.organizations}
    organization_freshness = partial(_organization_freshness, wanted)
    return [
        _derived(CAPACITY_BY_EVENT, [EVENTS, REGISTRATIONS], _capacity_by_event),
        _derived(CAPACITY_UTILIZATION, [CAPACITY_BY_EVENT], _capacity_utilization),
        _derived(DISTRIBUTION_BY_EVENT, [EVENTS], _distribution_by_event),
        _derived(DISTRIBUTION_STATUS, [DISTRIBUTION_BY_EVENT], _distribution_status),
        _derived(ROOM_UTILIZATION, [EVENTS], room_utilization),
        _derived(ROOM_CONFLICTS, [EVENTS], _room_conflicts),
        _derived(
            ORGANIZATION_FRESHNESS, [EVENTS, EVENT_COUNTS, REGISTRATIONS], organization_freshness
        ),
        _mart(EVENT_HISTORY, [EVENTS], _extend_history),
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


def _mart(table: Table, upstream: Sequence[Table], store: Store) -> dg.AssetsDefinition:
    """An asset that `store` writes, and its check, in one step: a step of its own costs 50 ms."""

    @dg.multi_asset(
        name=table.short_name,
        specs=[_spec(table, upstream)],
        check_specs=[contract_spec(table)],
        # A person may ask for the check alone.
        can_subset=True,
    )
    def mart(
        context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        if context.selected_asset_keys:
            yield dg.MaterializeResult(asset_key=asset_key(table), metadata=store(warehouse))
        if context.selected_asset_check_keys:
            yield contract_result(warehouse, table)

    return mart


def _derived(table: Table, upstream: Sequence[Table], derive: Derive) -> dg.AssetsDefinition:
    """A mart that is replaced whole by what `derive` makes of the warehouse."""

    def store(warehouse: Warehouse) -> dict[str, Any]:
        replaced = warehouse.replace(table, derive)
        return rows_metadata(table, replaced.rows, replaced.first)

    return _mart(table, upstream, store)


def _capacity_by_event(warehouse: Warehouse) -> Iterator[pl.DataFrame]:
    as_of = _as_of(warehouse)
    seats_as_of, unknown = warehouse.seats_as_of(), warehouse.events_without_registrations()
    columns = {EVENTS: capacity.EVENT_COLUMNS, REGISTRATIONS: capacity.REGISTRATION_COLUMNS}
    for events, registrations in warehouse.read_batches(EVENT, columns):
        yield capacity.capacity_by_event(events, as_of, registrations, seats_as_of, unknown)


def _capacity_utilization(warehouse: Warehouse) -> Iterator[pl.DataFrame]:
    columns = {CAPACITY_BY_EVENT: capacity.CAPACITY_COLUMNS}
    for (by_event,) in warehouse.read_batches(capacity.GROUP_COLUMNS, columns):
        yield capacity.capacity_utilization(by_event)


def _distribution_by_event(warehouse: Warehouse) -> Iterator[pl.DataFrame]:
    as_of = _as_of(warehouse)
    columns = {EVENTS: distribution.EVENT_COLUMNS}
    for (events,) in warehouse.read_batches(EVENT, columns):
        yield distribution.distribution_by_event(events, as_of)


def _distribution_status(warehouse: Warehouse) -> Iterator[pl.DataFrame]:
    columns = {DISTRIBUTION_BY_EVENT: distribution.PACKAGE_COLUMNS}
    for (by_event,) in warehouse.read_batches(DISTRIBUTION_STATUS.grain, columns):
        yield distribution.distribution_status(by_event)


def _room_utilization(open_hours: float, warehouse: Warehouse) -> Iterator[pl.DataFrame]:
    as_of = _as_of(warehouse)
    columns = {EVENTS: rooms.EVENT_COLUMNS}
    for (events,) in warehouse.read_batches(rooms.ROOM_COLUMNS, columns):
        yield rooms.room_utilization(events, as_of, open_hours)


def _room_conflicts(warehouse: Warehouse) -> Iterator[pl.DataFrame]:
    as_of = _as_of(warehouse)
    columns = {EVENTS: conflicts.EVENT_COLUMNS}
    for (events,) in warehouse.read_batches(rooms.ROOM_COLUMNS, columns):
        yield from conflicts.room_conflicts(events, as_of)


def _organization_freshness(
    organizations: Mapping[str, bool], warehouse: Warehouse
) -> Iterator[pl.DataFrame]:
    stored = {one.short_name: warehouse.reconciliation(one) for one in (EVENTS, REGISTRATIONS)}
    yield freshness.organization_freshness(
        organizations,
        warehouse.attempts(),
        stored,
        warehouse.read(EVENT_COUNTS),
        datetime.now(UTC),
    )


def _extend_history(warehouse: Warehouse) -> dict[str, Any]:
    """Closes the versions that ended and adds those that began; the others are left alone."""
    closed, added = warehouse.extend_history(history.MEMBERS, _changed_versions)
    return {"versions closed": closed, "versions added": added}


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
