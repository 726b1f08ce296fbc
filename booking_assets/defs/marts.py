"""The marts: read what is stored, transform, store the answer.

What lives here: one asset a mart, each of three calls.
What must not: how an answer is computed (`transforms`).
Read more: `docs/tables.md`.
"""

from collections.abc import Callable, Sequence

import dagster as dg
import polars as pl

from booking_assets.defs.metadata import definition_metadata, frame_metadata
from booking_assets.defs.names import OWNERS, asset_key
from booking_assets.tables.contract import Table
from booking_assets.tables.marts import (
    CAPACITY_BY_EVENT,
    CAPACITY_UTILIZATION,
    DISTRIBUTION_BY_EVENT,
    DISTRIBUTION_STATUS,
)
from booking_assets.tables.raw import EVENTS
from booking_assets.transforms import capacity, distribution
from booking_assets.warehouse.warehouse import Warehouse


def mart(
    table: Table, upstream: Sequence[Table]
) -> Callable[[Callable[..., pl.DataFrame]], dg.AssetsDefinition]:
    """Makes an asset of a function from the warehouse to a mart's frame, which it stores."""

    def decorate(derive: Callable[[Warehouse], pl.DataFrame]) -> dg.AssetsDefinition:
        @dg.asset(
            key=asset_key(table),
            description=table.description,
            group_name=table.schema,
            owners=OWNERS,
            kinds={"polars", "duckdb"},
            tags={"layer": table.schema},
            metadata=definition_metadata(table),
            deps=[asset_key(one) for one in upstream],
        )
        def stored(warehouse: dg.ResourceParam[Warehouse]) -> dg.MaterializeResult[None]:
            frame = derive(warehouse)
            warehouse.replace(table, frame)
            return dg.MaterializeResult(metadata=frame_metadata(table, frame))

        return stored

    return decorate


def _as_of(warehouse: Warehouse) -> pl.DataFrame:
    """The instant that each organization's answers are for: (organization, as_of)."""
    newest = warehouse.newest_collections()
    return newest.select("organization", "started_at").rename({"started_at": "as_of"})


@mart(CAPACITY_BY_EVENT, upstream=[EVENTS])
def capacity_by_event(warehouse: Warehouse) -> pl.DataFrame:
    """Limits, seats and state of each event."""
    events = warehouse.read(EVENTS, capacity.EVENT_COLUMNS)
    return capacity.capacity_by_event(events, _as_of(warehouse))


@mart(CAPACITY_UTILIZATION, upstream=[CAPACITY_BY_EVENT])
def capacity_utilization(warehouse: Warehouse) -> pl.DataFrame:
    """Seats by organization, month, event type and venue."""
    return capacity.capacity_utilization(warehouse.read(CAPACITY_BY_EVENT))


@mart(DISTRIBUTION_BY_EVENT, upstream=[EVENTS])
def distribution_by_event(warehouse: Warehouse) -> pl.DataFrame:
    """Where each exam package stands."""
    events = warehouse.read(EVENTS, distribution.EVENT_COLUMNS)
    return distribution.distribution_by_event(events, _as_of(warehouse))


@mart(DISTRIBUTION_STATUS, upstream=[DISTRIBUTION_BY_EVENT])
def distribution_status(warehouse: Warehouse) -> pl.DataFrame:
    """Exam packages by state, process and status."""
    return distribution.distribution_status(warehouse.read(DISTRIBUTION_BY_EVENT))


MARTS = (capacity_by_event, capacity_utilization, distribution_by_event, distribution_status)
