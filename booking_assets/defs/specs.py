"""Asset keys and specs, made from the table contracts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import dagster as dg

from booking_assets.tables.contract import Table
from booking_assets.warehouse.ddl import types

OWNERS = ["team:data-engineering"]
SNAPSHOT_KEY = dg.AssetKey(["snapshot"])
PUBLISHED_GROUP = "published"
REPORT_KEY = dg.AssetKey(["report"])


def asset_key(table: Table) -> dg.AssetKey:
    """`raw.events` -> `raw/events`."""
    return dg.AssetKey([table.schema, table.short_name])


def asset_spec(
    table: Table,
    upstream: Iterable[Table],
    kinds: set[str],
    max_age: timedelta | None = None,
) -> dg.AssetSpec:
    """A table as an asset.

    Args:
        table: the contract.
        upstream: the tables that it is made from.
        kinds: what it is made with.
        max_age: how long after its newest materialization the daemon calls it stale.
    """
    return dg.AssetSpec(
        key=asset_key(table),
        description=table.description,
        group_name=table.schema,
        owners=OWNERS,
        kinds=kinds,
        tags={"layer": table.schema},
        metadata={
            "dagster/table_name": table.name,
            "dagster/column_schema": table_schema(table),
            "grain": ", ".join(table.grain) or "none: a log",
            "one row": table.row,
        },
        deps=[asset_key(one) for one in upstream],
        freshness_policy=dg.FreshnessPolicy.time_window(max_age) if max_age else None,
    )


def table_schema(table: Table) -> dg.TableSchema:
    """The contract's columns, as the asset's page lists them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=name,
                type=type_name,
                description=table.meanings[name],
                constraints=dg.TableColumnConstraints(nullable=name not in table.required),
            )
            for name, type_name in types(table).items()
        ]
    )
