"""The marts as assets: each is derived, stored and held against its contract in one step.

`raw/name_overrides` is among them: it is read from a file when the marts are derived.

What a mart reads and which transform derives it is in `pipeline.marts`; its rules in `transforms`.
"""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg

from booking_assets.defs.checks import contract_result, contract_spec
from booking_assets.defs.metadata import mart_metadata
from booking_assets.defs.resources import WarehouseResource
from booking_assets.defs.specs import asset_key, asset_spec
from booking_assets.pipeline.marts import MARTS, Mart, report_mart
from booking_assets.pipeline.progress import Progress
from booking_assets.settings import Settings
from booking_assets.tables.catalog import RAW_TABLES
from booking_assets.tables.contract import Table
from booking_assets.tables.raw import COLLECTIONS


def mart_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """Every mart."""
    max_age = timedelta(hours=settings.schedules.max_age_hours)
    loaded = (COLLECTIONS,) if settings.storage else ()
    return [_mart_asset(mart, max_age, loaded) for mart in MARTS]


def _mart_asset(mart: Mart, max_age: timedelta, loaded: tuple[Table, ...]) -> dg.AssetsDefinition:
    """A mart and its changes with their checks, in one step: a step of its own costs 50 ms."""

    @dg.multi_asset(
        name=mart.table.short_name,
        specs=[
            asset_spec(
                table,
                (*upstream, *loaded),
                {"polars", "duckdb"},
                None if table in RAW_TABLES else max_age,
            )
            for table, upstream in mart.tables.items()
        ],
        check_specs=[contract_spec(table) for table in mart.tables],
        # A person may ask for the check alone.
        can_subset=True,
    )
    def derived(
        context: dg.AssetExecutionContext,
        warehouse: WarehouseResource,
        settings: dg.ResourceParam[Settings],
        progress: dg.ResourceParam[Progress],
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        store = warehouse.open()
        report_mart(progress, mart.table)
        if context.selected_asset_keys:
            stored = mart.derive(store, settings, warehouse.withheld())
        for table in mart.tables:
            key = asset_key(table)
            if key in context.selected_asset_keys:
                yield dg.MaterializeResult(asset_key=key, metadata=mart_metadata(table, stored))
            if key in {check.asset_key for check in context.selected_asset_check_keys}:
                yield contract_result(store, table)

    return derived
