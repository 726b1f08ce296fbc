"""What a run's events show: row counts, a preview, the numbers of a collection.

People's texts never leave the warehouse. What is known before a run is in `specs`.
"""

from __future__ import annotations

from typing import Any

import dagster as dg
import polars as pl

from booking_assets.pipeline.loads import CONTRACTS
from booking_assets.pipeline.marts import DerivedMart
from booking_assets.pipeline.results import CollectionResult
from booking_assets.tables.contract import Table, Text
from booking_assets.tables.raw import EVENT_COUNTS, EVENTS

ORGANIZATIONS_SHOWN = 100
PREVIEW_COLUMNS = 12
CELL_CHARACTERS = 80
SHOWN = (
    *("mode", "sequence", "count_before", "count_after", "count_lowest", "count_highest"),
    *("rows_received", "rows_loaded", "rows_rejected", "duplicates_dropped", "rows_deleted"),
    *("pages", "requests", "retries", "bytes_received"),
)
"""The columns of `raw.collections` that a partition shows."""


def mart_metadata(table: Table, derived: DerivedMart) -> dict[str, Any]:
    """The figures of a mart that was just stored, in all and by organization, and its preview."""
    shown: dict[str, Any] = dict(derived.numbers)
    if derived.replaced is not None:
        shown |= figures_metadata(derived.replaced.figures)
        shown["dagster/row_count"] = shown.pop("rows")
        if derived.replaced.preview.height:
            shown["preview"] = preview(table, derived.replaced.preview)
    return shown


def figures_metadata(figures: pl.DataFrame) -> dict[str, Any]:
    """Each figure of all organizations as a number, and a table of those of each organization."""
    overall, each = figures.head(1), figures.slice(1, ORGANIZATIONS_SHOWN)
    shown: dict[str, Any] = {
        name: _cell(value)
        for row in overall.drop("organization").to_dicts()
        for name, value in row.items()
        if value is not None
    }
    if each.height:
        shown["by organization"] = _table(each)
    return shown


def preview(table: Table, frame: pl.DataFrame) -> dg.TableMetadataValue:
    """A preview as a table, without columns of free text (see `Text.free`)."""
    columns = table.columns.columns()
    free = {name for name, column in columns.items() if isinstance(column, Text) and column.free}
    shown = [name for name in frame.columns if name not in free][:PREVIEW_COLUMNS]
    return _table(frame.select(shown))


def _table(frame: pl.DataFrame) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        [
            dg.TableRecord({name: _cell(value) for name, value in row.items()})
            for row in frame.iter_rows(named=True)
        ],
        dg.TableSchema([dg.TableColumn(name) for name in frame.columns]),
    )


def _cell(value: object) -> str | int | float | bool:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, bool | int):
        return value
    return "" if value is None else str(value)[:CELL_CHARACTERS]


def result_metadata(result: CollectionResult) -> dict[Table, dict[str, Any]]:
    """What a result shows on its organization's partitions, by table; nothing where it failed."""
    log_row = result.log_row
    table = CONTRACTS[result.resource].table
    if result.status == "access_denied":
        return {table: {"rows": f"unknown: {log_row['reason']}"}}
    if not result.is_complete:
        return {}
    seconds = (log_row["finished_at"] - log_row["started_at"]).total_seconds()
    shown = {
        "dagster/partition_row_count": log_row["rows_loaded"],
        **{name: log_row[name] for name in SHOWN},
        "seconds": round(seconds, 3),
    }
    if table is not EVENTS:
        return {table: shown}
    counts = {name: log_row[name] for name in ("count_before", "count_after")}
    return {EVENT_COUNTS: counts, EVENTS: shown}
