"""What Dagster shows of a table: its columns, its size, a few rows, a collection's numbers.

What lives here: contracts and numbers in Dagster's metadata types and under its standard names.
What must not: computing the numbers; texts of events or people, which never leave the warehouse.
Read more: https://docs.dagster.io/guides/build/assets/metadata-and-tags
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import dagster as dg
import polars as pl

from booking_assets.tables.contract import Table, Text
from booking_assets.warehouse.ddl import types

PREVIEW_CHARACTERS = 1_000
"""Dagster shows Markdown in place below this length, and behind a click from it on."""
PREVIEW_COLUMNS = 8


def definition_metadata(table: Table) -> dict[str, Any]:
    """What is known of a table before it holds any row."""
    return {
        "dagster/table_name": table.name,
        "dagster/column_schema": table_schema(table),
        "grain": ", ".join(table.grain) or "none: a log",
        "one row": table.row,
    }


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


def rows_metadata(table: Table, rows: int, first: pl.DataFrame) -> dict[str, Any]:
    """How many rows were just stored, and the first of them."""
    return {"dagster/row_count": rows, "preview": preview(table, first)}


def preview(table: Table, frame: pl.DataFrame) -> dg.MetadataValue[str]:
    """The first rows as a Markdown table, without columns of free text (see `Text.free`)."""
    columns = table.columns.columns()
    free = {name for name, one in columns.items() if isinstance(one, Text) and one.free}
    shown = [name for name in frame.columns if name not in free][:PREVIEW_COLUMNS]
    text = _line(shown) + _line("---" for _ in shown)
    for row in frame.select(shown).iter_rows():
        line = _line(row)
        if len(text) + len(line) >= PREVIEW_CHARACTERS:
            break
        text += line
    return dg.MetadataValue.md(text)


def _line(cells: Iterable[object]) -> str:
    texts = ("" if cell is None else str(cell).replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(texts)} |\n"


def count_metadata(log_row: Mapping[str, Any]) -> dict[str, Any]:
    """What the API counted."""
    return {"counted": log_row["count_before"], "counted again": log_row["count_after"]}


def collection_metadata(
    log_row: Mapping[str, Any], rows_deleted: int, unknown: Collection[str]
) -> dict[str, Any]:
    """The stats of one collection; `unknown` names members that the contract does not know."""
    seconds = (log_row["finished_at"] - log_row["started_at"]).total_seconds()
    return {
        "dagster/partition_row_count": log_row["rows_loaded"],
        "counted before": log_row["count_before"],
        "counted after": log_row["count_after"],
        "received": log_row["rows_received"],
        "loaded": log_row["rows_loaded"],
        "rejected": log_row["rows_rejected"],
        "duplicates": log_row["duplicates_dropped"],
        "deleted": rows_deleted,
        "pages": log_row["pages"],
        "requests": log_row["requests"],
        "retries": log_row["retries"],
        "received MiB": round(log_row["bytes_received"] / 2**20, 3),
        "seconds": round(seconds, 3),
        "mode": log_row["mode"],
        "unknown members": ", ".join(sorted(unknown)) or "none",
    }
