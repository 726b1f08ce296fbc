"""The snapshot: what analysts open, published whole.

What lives here: the last asset. What must not: how a snapshot is made (`warehouse.snapshot`).
Read more: `docs/analysts.md`.
"""

import dagster as dg

from booking_assets.defs.names import OWNERS, SNAPSHOT_KEY, asset_key
from booking_assets.tables.catalog import MART_TABLES
from booking_assets.warehouse.warehouse import Warehouse


@dg.asset(
    key=SNAPSHOT_KEY,
    description="The published DuckDB file: every table, immutable, swapped whole.",
    group_name="published",
    owners=OWNERS,
    kinds={"duckdb"},
    tags={"layer": "published"},
    deps=[asset_key(table) for table in MART_TABLES],
)
def snapshot(warehouse: dg.ResourceParam[Warehouse]) -> dg.MaterializeResult[None]:
    """Publishes the warehouse as a new file and points the snapshot's path at it."""
    published = warehouse.publish()
    return dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(str(published.path)),
            "version": published.version.parent.name,
            "MiB": round(published.bytes / 2**20, 3),
            "seconds": round(published.seconds, 3),
            **{f"rows of {table}": rows for table, rows in published.rows.items()},
        }
    )
