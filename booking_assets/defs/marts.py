"""The marts as assets: derived and stored one after another, then checked against their contracts.

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
from booking_assets.pipeline.derivation import derive_each
from booking_assets.pipeline.marts import MARTS
from booking_assets.pipeline.progress import Progress
from booking_assets.settings import Settings
from booking_assets.tables.catalog import RAW_TABLES
from booking_assets.tables.raw import COLLECTIONS


def mart_assets(settings: Settings) -> dg.AssetsDefinition:
    """Every mart with its check, in one step: a step of its own for each costs 40 ms of CPU."""
    max_age = timedelta(hours=settings.schedules.max_age_hours)
    loaded = (COLLECTIONS,) if settings.storage else ()
    upstreams = {table: upstream for mart in MARTS for table, upstream in mart.tables.items()}

    @dg.multi_asset(
        name="marts",
        specs=[
            asset_spec(
                table,
                (*upstream, *loaded),
                {"polars", "duckdb"},
                None if table in RAW_TABLES else max_age,
            )
            for table, upstream in upstreams.items()
        ],
        check_specs=[contract_spec(table) for table in upstreams],
        # A person may ask for some marts, or for their checks alone.
        can_subset=True,
    )
    def marts(
        context: dg.AssetExecutionContext,
        warehouse: WarehouseResource,
        settings: dg.ResourceParam[Settings],
        progress: dg.ResourceParam[Progress],
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        store = warehouse.open()
        wanted = [
            mart
            for mart in MARTS
            if any(asset_key(table) in context.selected_asset_keys for table in mart.tables)
        ]
        withheld = warehouse.withheld() if wanted else {}
        for mart, stored in derive_each(wanted, store, settings, withheld, progress):
            for table in mart.tables:
                if asset_key(table) in context.selected_asset_keys:
                    metadata = mart_metadata(table, stored)
                    yield dg.MaterializeResult(asset_key=asset_key(table), metadata=metadata)
        checked = {check.asset_key for check in context.selected_asset_check_keys}
        with store.session() as session:
            results = [
                contract_result(session, table)
                for table in upstreams
                if asset_key(table) in checked
            ]
        yield from results

    return marts
