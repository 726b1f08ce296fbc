"""`export_snapshot`: files of the published tables, whole or not at all."""

from __future__ import annotations

import csv
import gc
import sys
import zipfile
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, get_args
from xml.etree import ElementTree as ET

import duckdb
import polars as pl
import pytest

from booking_assets.tables.capacity import CAPACITY_UTILIZATION
from booking_assets.tables.catalog import TABLES
from booking_assets.tables.contract import Table
from booking_assets.tables.marts import ROOM_CONFLICTS
from booking_assets.tables.raw import EVENTS
from booking_assets.warehouse import export
from booking_assets.warehouse.errors import ExportFailed, TableNotFound, WarehouseUnreadable
from booking_assets.warehouse.export import FileFormat, export_snapshot
from booking_assets.warehouse.warehouse import Warehouse
from booking_assets_tests.collect.test_staging import files_of_at_most
from booking_assets_tests.warehouse.slice_loads import events, instant, slice_load

NAMES = ("acme", "globex")
TITLES = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r\n=1", "\uff1d1", 'a,="b"\nc']
FORMATS = get_args(FileFormat)
CELL = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


@pytest.fixture
def snapshot(warehouse: Warehouse, landing: Path) -> Path:
    """Events of two organizations, whose titles a spreadsheet might run."""
    keys = range(1, len(TITLES) + 1)
    rows = {n: events(n, keys).with_columns(event_title=pl.Series(TITLES)) for n in NAMES}
    warehouse.store([slice_load(landing, n, frame, 0) for n, frame in rows.items()])
    return warehouse.publish([EVENTS]).path


def exported(
    snapshot: Path,
    folder: Path,
    file_format: str,
    tables: Sequence[Table] = (EVENTS,),
    organizations: Sequence[str] = (),
) -> dict[str, int]:
    chosen: Any = file_format
    return export_snapshot(
        snapshot, folder, chosen, tables, organizations, memory_limit="192MB", threads=2
    )


def sheet(path: Path) -> list[list[tuple[str, str]]]:
    """The kind and the text of each cell of a workbook's sheet, by row."""
    with zipfile.ZipFile(path) as archive:
        root = ET.fromstring(archive.read("xl/worksheets/sheet1.xml"))
    return [
        [(cell.get("t", "n"), "".join(cell.itertext())) for cell in row.iter(f"{CELL}c")]
        for row in root.iter(f"{CELL}row")
    ]


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_folder_has_a_file_for_each_published_table(
    snapshot: Path, tmp_path: Path, file_format: str
) -> None:
    rows = exported(snapshot, tmp_path / "out", file_format, TABLES)
    assert rows == {"raw.events": 2 * len(TITLES)}
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"raw.events.{file_format}"]


@pytest.mark.parametrize("file_format", FORMATS)
def test_files_are_for_the_group_and_for_nobody_else(
    snapshot: Path, tmp_path: Path, file_format: str
) -> None:
    exported(snapshot, tmp_path / "out", file_format)
    modes = [path.stat().st_mode & 0o777 for path in (tmp_path / "out", *tmp_path.glob("out/*"))]
    assert modes == [0o750, 0o640]


def test_parquet_holds_the_rows_as_they_are_published(snapshot: Path, tmp_path: Path) -> None:
    exported(snapshot, tmp_path / "out", "parquet")
    with duckdb.connect(str(snapshot), read_only=True) as con:
        con.execute(f"CREATE TEMP VIEW written AS FROM '{tmp_path}/out/raw.events.parquet'")
        for query in ("FROM raw.events EXCEPT FROM written", "FROM written EXCEPT FROM raw.events"):
            assert con.sql(query).fetchall() == []
        types = [con.sql(f"DESCRIBE {name}").fetchall() for name in ("raw.events", "written")]
    assert [row[:2] for row in types[0]] == [row[:2] for row in types[1]]


def test_only_the_named_organizations_are_written(snapshot: Path, tmp_path: Path) -> None:
    for file_format in FORMATS:
        exported(snapshot, tmp_path / file_format, file_format, organizations=["acme"])
    assert {*pl.read_parquet(tmp_path / "parquet/*")["organization"]} == {"acme"}
    assert {*pl.read_csv(tmp_path / "csv/*", infer_schema=False)["organization"]} == {"acme"}
    assert {row[0][1] for row in sheet(tmp_path / "xlsx/raw.events.xlsx")[1:]} == {"acme"}


def test_an_organization_is_a_value_and_never_sql(snapshot: Path, tmp_path: Path) -> None:
    assert exported(snapshot, tmp_path / "out", "csv", organizations=["x') OR ('1'='1"]) == {
        "raw.events": 0
    }


def test_no_text_is_a_formula_in_csv(snapshot: Path, tmp_path: Path) -> None:
    exported(snapshot, tmp_path / "out", "csv", organizations=["acme"])
    with (tmp_path / "out/raw.events.csv").open(encoding="utf-8", newline="") as file:
        titles = {row["event_title"] for row in csv.DictReader(file)}
    assert titles == {*(f"'{title}" for title in TITLES[:-1]), TITLES[-1]}


def test_every_text_is_a_text_in_excel(snapshot: Path, tmp_path: Path) -> None:
    exported(snapshot, tmp_path / "out", "xlsx", organizations=["acme"])
    heading, *rows = sheet(tmp_path / "out/raw.events.xlsx")
    place = [text for _, text in heading].index("event_title")
    assert {kind for row in rows for kind, text in row if text in TITLES} == {"inlineStr"}
    with zipfile.ZipFile(tmp_path / "out/raw.events.xlsx") as archive:
        assert b"<f>" not in archive.read("xl/worksheets/sheet1.xml")
    assert place > 0


def test_excel_says_that_times_are_utc(snapshot: Path, tmp_path: Path) -> None:
    exported(snapshot, tmp_path / "out", "xlsx")
    heading = [text for _, text in sheet(tmp_path / "out/raw.events.xlsx")[0]]
    assert "event_scheduled_start (UTC)" in heading
    assert "organization" in heading


def cells(tmp_path: Path, values: Sequence[object]) -> list[tuple[str, str]]:
    """The cells that a row of these values becomes."""
    with duckdb.connect() as con:
        placeholders = ", ".join(f"${number}" for number in range(1, len(values) + 1))
        types = {str(number): "VARCHAR" for number in range(len(values))}
        result = con.execute(f"SELECT {placeholders}", [*values])
        export._write_excel(result, "row", types, tmp_path / "row.xlsx")
    return sheet(tmp_path / "row.xlsx")[1]


def test_excel_gets_numbers_flags_and_dates_as_such(tmp_path: Path) -> None:
    values = [7, 1.5, True, date(2026, 3, 1), datetime(2026, 3, 1, 18, tzinfo=UTC)]
    assert cells(tmp_path, values) == [
        *(("n", "7"), ("n", "1.5"), ("b", "1"), ("n", "46082"), ("n", "46082.75")),
    ]


def test_what_an_excel_cell_cannot_hold_is_cut_or_written_as_text(tmp_path: Path) -> None:
    values = ["x" * 40_000, datetime(1899, 12, 31, tzinfo=UTC), "\x1b[31m"]
    assert cells(tmp_path, values) == [
        ("inlineStr", "x" * 32_767),
        ("inlineStr", "1899-12-31 00:00:00"),
        ("inlineStr", "_x001B_[31m"),
    ]


def test_a_table_that_does_not_fit_into_a_sheet_is_refused_before_anything_is_written(
    snapshot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "EXCEL_ROWS", 2 * len(TITLES) - 1)
    with pytest.raises(ExportFailed, match=r"raw\.events: more than the 15 rows .* --format parq"):
        exported(snapshot, tmp_path / "out", "xlsx")
    assert not (tmp_path / "out").exists()
    exported(snapshot, tmp_path / "out", "xlsx", organizations=["acme"])


def test_a_missing_xlsxwriter_is_named_with_the_extra(
    snapshot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with pytest.raises(ExportFailed, match=r"pip install 'booking-assets\[excel\]'"):
        exported(snapshot, tmp_path / "out", "xlsx")
    assert {*tmp_path.iterdir()} == {tmp_path / "data", tmp_path / "landing"}


def test_a_folder_with_files_is_left_alone(snapshot: Path, tmp_path: Path) -> None:
    exported(snapshot, tmp_path / "out", "csv")
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(ExportFailed, match="is not empty"):
        exported(snapshot, tmp_path / "out", "parquet")
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_an_empty_folder_and_missing_parents_are_filled(snapshot: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "a/b/c"):
        assert exported(snapshot, folder, "csv")
        assert list(folder.iterdir())


def test_a_failure_in_the_middle_leaves_nothing(
    snapshot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device", "out")

    monkeypatch.setattr(export, "sync", fail)
    with pytest.raises(ExportFailed, match="No space left"):
        exported(snapshot, tmp_path / "out", "csv")
    assert {*tmp_path.iterdir()} == {tmp_path / "data", tmp_path / "landing"}


# xlsxwriter leaves its own temporary file open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("file_format", FORMATS)
def test_a_full_disk_is_not_taken_for_a_damaged_snapshot(
    snapshot: Path, tmp_path: Path, file_format: str
) -> None:
    with files_of_at_most(100), pytest.raises(ExportFailed, match="could not be written"):
        exported(snapshot, tmp_path / "out", file_format)
    gc.collect()
    assert {*tmp_path.iterdir()} == {tmp_path / "data", tmp_path / "landing"}


def test_a_damaged_snapshot_is_not_taken_for_a_full_disk(snapshot: Path, tmp_path: Path) -> None:
    snapshot.resolve().chmod(0o600)
    snapshot.resolve().write_bytes(b"no database" * 1000)
    with pytest.raises(WarehouseUnreadable, match="publish it again"):
        exported(snapshot, tmp_path / "out", "csv")
    assert {*tmp_path.iterdir()} == {tmp_path / "data", tmp_path / "landing"}


@pytest.mark.parametrize("tables", [[CAPACITY_UTILIZATION], [ROOM_CONFLICTS], []])
def test_tables_that_are_not_published_are_an_error(
    snapshot: Path, tmp_path: Path, tables: list[Table]
) -> None:
    with pytest.raises(TableNotFound, match="None of these tables is published"):
        exported(snapshot, tmp_path / "out", "csv", tables)


def test_without_a_snapshot_the_command_to_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableNotFound, match="run `booking-assets refresh`"):
        exported(tmp_path / "none.duckdb", tmp_path / "out", "csv")


def test_each_export_is_of_the_version_that_is_published_then(
    warehouse: Warehouse, snapshot: Path, landing: Path, tmp_path: Path
) -> None:
    exported(snapshot, tmp_path / "before", "parquet")
    warehouse.store([slice_load(landing, "acme", events("acme", [1], 1), 1)])
    warehouse.publish([EVENTS])
    exported(snapshot, tmp_path / "after", "parquet", organizations=["acme"])
    assert pl.read_parquet(tmp_path / "before/*").height == 2 * len(TITLES)
    assert pl.read_parquet(tmp_path / "after/*")["collected_at"].to_list() == [instant(1)]
