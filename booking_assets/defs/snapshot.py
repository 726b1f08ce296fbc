"""The snapshot as an asset: what analysts open, published whole.

How it is made is in `warehouse.snapshot`; that marts are derived again where they became stale is
in `pipeline.derivation`.
"""

from datetime import timedelta

import dagster as dg

from booking_assets.defs.metadata import figures_metadata
from booking_assets.defs.resources import WarehouseResource
from booking_assets.defs.specs import PUBLISHED_GROUP, SNAPSHOT_KEY, asset_key
from booking_assets.pipeline.derivation import publish
from booking_assets.pipeline.progress import Progress
from booking_assets.settings import Settings
from booking_assets.tables.catalog import MART_TABLES


def snapshot_asset(settings: Settings) -> dg.AssetsDefinition:
    """The published DuckDB file."""
    max_age = timedelta(hours=settings.schedules.max_age_hours)

    @dg.asset(
        key=SNAPSHOT_KEY,
        description="The published DuckDB file: every table, immutable, swapped whole.",
        group_name=PUBLISHED_GROUP,
        kinds={"duckdb"},
        tags={"layer": "published"},
        deps=[asset_key(table) for table in MART_TABLES],
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=max_age),
    )
    def snapshot(
        warehouse: WarehouseResource,
        settings: dg.ResourceParam[Settings],
        progress: dg.ResourceParam[Progress],
    ) -> dg.MaterializeResult[None]:
        published = publish(warehouse.open(), settings, progress)
        return dg.MaterializeResult(
            metadata={
                "path": dg.MetadataValue.path(str(published.path)),
                "version": published.version.parent.name,
                "MiB": round(published.bytes / 2**20, 3),
                "seconds": round(published.seconds, 3),
                **figures_metadata(published.figures),
                **{f"rows of {table}": rows for table, rows in published.rows.items()},
            }
        )

    return snapshot
