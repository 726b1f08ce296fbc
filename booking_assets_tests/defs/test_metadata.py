"""What Dagster shows of rows: little enough to read, and nothing that is personal."""

from __future__ import annotations

import polars as pl
import pytest

from booking_assets.defs.metadata import (
    CELL_CHARACTERS,
    PREVIEW_ROWS,
    mart_metadata,
    preview,
)
from booking_assets.pipeline.marts import DerivedMart
from booking_assets.tables.catalog import TABLES
from booking_assets.tables.contract import Table, Text

CANARY = "canary of a person"


def rows(table: Table, count: int) -> pl.DataFrame:
    """Rows that hold the canary wherever people write freely, and nulls elsewhere."""
    columns = table.columns.columns()
    free = [name for name, one in columns.items() if isinstance(one, Text) and one.free]
    frame = pl.DataFrame({name: [None] * count for name in table.column_names}, table.dtypes)
    return frame.with_columns(pl.lit(CANARY).alias(name) for name in free)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_preview_is_short_and_shows_no_free_text(table: Table) -> None:
    shown = preview(table, rows(table, 1_000))
    assert len(shown.records) == PREVIEW_ROWS
    assert CANARY not in str(shown)
    assert [column.name for column in shown.schema.columns] == [*shown.records[0].data]


def test_a_preview_cuts_long_cells_and_keeps_numbers() -> None:
    table = TABLES[0]
    name = table.column_names[0]
    frame = rows(table, 1).with_columns(
        pl.lit("<b>" + "x" * 500).alias(name), event_count=pl.lit(7)
    )
    (record,) = preview(table, frame).records
    assert record.data[name] == ("<b>" + "x" * 500)[:CELL_CHARACTERS]
    assert record.data["event_count"] == 7


def test_a_stored_mart_shows_the_number_of_its_rows_and_the_first_of_them() -> None:
    table = TABLES[0]
    shown = mart_metadata(table, DerivedMart(1_000, rows(table, 2)))
    assert shown == {"dagster/row_count": 1_000, "preview": preview(table, rows(table, 2))}
    assert mart_metadata(table, DerivedMart(None, None, {"added": 3})) == {"added": 3}
