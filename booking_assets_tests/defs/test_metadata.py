"""What Dagster shows of rows: little enough to read, and nothing that is personal."""

from __future__ import annotations

import polars as pl
import pytest

from booking_assets.defs.metadata import (
    CELL_CHARACTERS,
    mart_metadata,
    preview,
)
from booking_assets.pipeline.marts import DerivedMart
from booking_assets.tables.catalog import TABLES
from booking_assets.tables.contract import Table, Text
from booking_assets.warehouse.figures import Replaced

CANARY = "canary of a person"


def rows(table: Table, count: int) -> pl.DataFrame:
    """Rows that hold the canary wherever people write freely, and nulls elsewhere."""
    columns = table.columns.columns()
    free = [name for name, one in columns.items() if isinstance(one, Text) and one.free]
    frame = pl.DataFrame({name: [None] * count for name in table.column_names}, table.dtypes)
    return frame.with_columns(pl.lit(CANARY).alias(name) for name in free)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_preview_shows_no_free_text(table: Table) -> None:
    shown = preview(table, rows(table, 2))
    assert len(shown.records) == 2
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


def test_a_stored_mart_shows_its_figures_in_all_and_by_organization() -> None:
    table = TABLES[0]
    figures = pl.DataFrame(
        {"organization": [None, "acme", "globex"], "rows": [7, 4, 3], "ratio": [0.123456, None, 1]},
        strict=False,
    )
    shown = mart_metadata(table, DerivedMart(Replaced(figures, rows(table, 2)), {"seconds": 0.5}))
    assert (shown["dagster/row_count"], shown["ratio"], shown["seconds"]) == (7, 0.1235, 0.5)
    assert [one.data for one in shown["by organization"].records] == [
        {"organization": "acme", "rows": 4, "ratio": ""},
        {"organization": "globex", "rows": 3, "ratio": 1.0},
    ]
    assert shown["preview"] == preview(table, rows(table, 2))
    assert mart_metadata(table, DerivedMart(None, {"added": 3})) == {"added": 3}
