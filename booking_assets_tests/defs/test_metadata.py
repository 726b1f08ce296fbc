"""What Dagster shows of rows: little enough to read, and nothing that is personal."""

from __future__ import annotations

import polars as pl
import pytest

from booking_assets.defs.metadata import PREVIEW_CHARACTERS, preview, rows_metadata
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
def test_a_preview_fits_and_shows_no_free_text(table: Table) -> None:
    text = preview(table, rows(table, 1_000)).value
    assert text is not None
    assert len(text) < PREVIEW_CHARACTERS
    assert CANARY not in text
    assert text.count("\n") > 2


def test_a_preview_keeps_its_columns_whatever_a_cell_holds() -> None:
    table = TABLES[0]
    name = table.column_names[0]
    frame = rows(table, 1).with_columns(pl.lit("a | b").alias(name))
    text = preview(table, frame).value
    assert text is not None
    assert r"a \| b" in text


def test_a_stored_table_shows_all_of_its_rows_in_number_and_some_as_they_are() -> None:
    shown = rows_metadata(TABLES[0], 1_000, rows(TABLES[0], 2))
    assert shown["dagster/row_count"] == 1_000
    assert shown["preview"] == preview(TABLES[0], rows(TABLES[0], 2))
