"""Asset keys and specs, made from the table contracts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import dagster as dg

from booking_assets.pipeline.loads import CONTRACTS
from booking_assets.tables.catalog import MART_TABLES
from booking_assets.tables.contract import History, Table
from booking_assets.tables.names import name_columns
from booking_assets.tables.raw import COLLECTIONS, EVENT_COUNTS, REJECTED_ROWS
from booking_assets.warehouse.ddl import types

SNAPSHOT_KEY = dg.AssetKey(["snapshot"])
PUBLISHED_GROUP = "published"
REPORT_KEY = dg.AssetKey(["report"])

RESOURCES = tuple(rows.table for rows in CONTRACTS.values())
PARTITIONED_TABLES = (EVENT_COUNTS, *RESOURCES)
"""What a run materializes for each organization."""
LOG_TABLES = (REJECTED_ROWS, COLLECTIONS)
"""What the same collections write for all organizations together: one event a run, not a partition,
since each event costs Dagster as much as storing an organization costs DuckDB."""
COLLECTED_TABLES = (*PARTITIONED_TABLES, *LOG_TABLES)


def asset_key(table: Table) -> dg.AssetKey:
    """`raw.events` -> `raw/events`."""
    return dg.AssetKey([table.schema, table.short_name])


def asset_spec(
    table: Table,
    upstream: Iterable[Table],
    kinds: set[str],
    max_age: timedelta | None = None,
) -> dg.AssetSpec:
    """A table as an asset; stale when its newest materialization is older than `max_age`."""
    is_mart = table in MART_TABLES
    return dg.AssetSpec(
        key=asset_key(table),
        description=table.description,
        group_name=table.schema,
        kinds=kinds,
        tags={"layer": table.schema},
        metadata={
            "dagster/table_name": table.name,
            "dagster/column_schema": table_schema(table),
            "grain": ", ".join(table.grain) or "none: a log",
            "one row": table.row,
            **({"dagster/column_lineage": column_lineage(table, upstream)} if is_mart else {}),
        },
        deps=[asset_key(parent) for parent in upstream],
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


def column_lineage(table: Table, upstream: Iterable[Table]) -> dg.TableColumnLineage:
    """The columns that are those of an upstream table, by the contracts.

    They have the same name and meaning; a history keeps columns of its source. Tables that are
    joined for a name give that name alone.
    """
    columns = table.columns.columns()
    named = {name: column.table for name, column in name_columns(table).items()}
    deps: dict[str, list[dg.TableColumnDep]] = {}
    for source in upstream:
        for name, column in source.columns.columns().items():
            is_kept = isinstance(table, History) and name in table.members
            is_same = name in columns and (is_kept or columns[name] == column)
            is_named = name in named or source in named.values()
            if is_same and (named.get(name) == source or not is_named):
                deps.setdefault(name, []).append(dg.TableColumnDep(asset_key(source), name))
    return dg.TableColumnLineage(deps)
