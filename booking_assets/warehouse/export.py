"""Exports the published snapshot to a folder of Parquet, CSV or Excel files, one for each table.

A text that a spreadsheet would run as a formula gets an apostrophe in CSV; in Parquet and Excel it
is text anyway. Times are UTC; an Excel date has no zone, so the column's heading says it.
"""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import duckdb

from booking_assets.files import sync
from booking_assets.tables.contract import Table
from booking_assets.warehouse import ddl
from booking_assets.warehouse.connection import is_write_failure
from booking_assets.warehouse.ddl import literal
from booking_assets.warehouse.errors import ExportFailed, TableNotFound
from booking_assets.warehouse.publication import give_to_group
from booking_assets.warehouse.published import open_published

if TYPE_CHECKING:
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

FileFormat = Literal["parquet", "csv", "xlsx"]
EXCEL_ROWS = 2**20 - 1
"""Rows of an Excel sheet below its heading."""
EXCEL_CHARACTERS = 32_767
"""Characters of an Excel cell; a longer text is cut."""
_EXCEL_FIRST_YEAR = 1900
_FETCHED_ROWS = 2_000
# The last four are the wide forms, which some spreadsheets read as the others.
_FORMULA = "^[=+@\t\r\n\uff0b\uff1d\uff0d\uff20-]"
_COPY = {"parquet": "FORMAT parquet, COMPRESSION zstd", "csv": "FORMAT csv, HEADER"}
# As of the snapshot: its group may read them.
_FOLDER_MODE, _FILE_MODE = 0o750, 0o640


def is_formula(text: str) -> bool:
    """Whether a spreadsheet that reads the text from CSV may run it as a formula."""
    return re.match(_FORMULA, text) is not None


def export_snapshot(
    snapshot: Path,
    folder: Path,
    file_format: FileFormat,
    tables: Sequence[Table],
    organizations: Collection[str],
    *,
    memory_limit: str,
    threads: int,
    group: str | None = None,
) -> dict[str, int]:
    """Write tables of the snapshot to a new folder, whole or not at all; gives their rows.

    Args:
        snapshot: The published file.
        folder: Is created; may exist if it is empty.
        file_format: What is written.
        tables: Those that are not published are left out.
        organizations: Whose rows are written; everybody's where none is named.
        memory_limit: DuckDB's bound on its buffers.
        threads: DuckDB's threads.
        group: The group of the files; unchanged by default.

    Raises:
        TableNotFound: Nothing is published yet, or none of the tables.
        WarehouseUnreadable: The snapshot is damaged or no DuckDB database.
        ExportFailed: The folder is not empty or cannot be written, a table does not fit into Excel,
            or xlsxwriter is not installed.
        GroupUnusable: The files cannot be given to the group.
    """
    folder = folder.absolute()
    partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.partial")
    try:
        if folder.exists() and any(folder.iterdir()):
            raise ExportFailed(f"{folder} is not empty: name another folder, or remove it")
        with open_published(snapshot, memory_limit=memory_limit, threads=threads) as view:
            partial.mkdir(parents=True, mode=0o700)
            rows = _write(view.con, partial, file_format, tables, organizations)
        for file in partial.iterdir():
            file.chmod(_FILE_MODE)
            sync(file)
        partial.chmod(_FOLDER_MODE)
        give_to_group(partial, group)
        partial.rename(folder)
        sync(folder.parent)
    except (OSError, duckdb.Error) as error:
        if not is_write_failure(error):
            raise
        raise ExportFailed(
            f"{folder} could not be written ({error}): name another folder, or make room"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return rows


def _write(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    file_format: FileFormat,
    tables: Sequence[Table],
    organizations: Collection[str],
) -> dict[str, int]:
    published = ddl.catalog(con)
    named = ", ".join(map(literal, organizations))
    only = f"WHERE organization IN ({named})" if named else ""
    sources = {
        table: f"FROM {ddl.qualified(table)} {only if 'organization' in table.column_names else ''}"
        for table in tables
        if table.name in published
    }
    if not sources:
        raise TableNotFound("None of these tables is published: run `booking-assets refresh`")
    counts = {t: con.execute(f"SELECT count(*) {q}").fetchall()[0][0] for t, q in sources.items()}
    if file_format == "xlsx" and (large := [t.name for t in counts if counts[t] > EXCEL_ROWS]):
        raise ExportFailed(
            f"{', '.join(large)}: more than the {EXCEL_ROWS:,} rows of an Excel sheet. Choose"
            " tables with --table, organizations with -o, or --format parquet"
        )
    for table, source in sources.items():
        path = folder / f"{table.name}.{file_format}"
        types = ddl.catalog(con)[table.name]
        if file_format == "xlsx":
            _write_excel(con.execute(f"SELECT * {source}"), table.short_name, types, path)
            continue
        texts = [name for name, kind in types.items() if kind.startswith("VARCHAR")]
        safe = f"REPLACE ({', '.join(map(_without_formula, texts))})" if texts else ""
        columns = safe if file_format == "csv" else ""
        target = f"{literal(str(path))} ({_COPY[file_format]})"
        con.execute(f"COPY (SELECT * {columns} {source}) TO {target}")
    return {table.name: count for table, count in counts.items()}


def _without_formula(name: str) -> str:
    column = ddl.quoted(name)
    is_formula = f"regexp_matches({column}, {literal(_FORMULA)})"
    return f"CASE WHEN {is_formula} THEN '''' || {column} ELSE {column} END AS {column}"


def _write_excel(
    result: duckdb.DuckDBPyConnection, name: str, types: Mapping[str, str], path: Path
) -> None:
    """Write a workbook of one sheet, row by row: memory does not grow with the rows."""
    try:
        from xlsxwriter import Workbook, exceptions  # noqa: PLC0415 - an optional dependency
    except ImportError as error:
        raise ExportFailed(
            "Excel files need xlsxwriter: run `pip install 'booking-assets[excel]'`"
        ) from error
    options = {"constant_memory": True, "nan_inf_to_errors": True}
    try:
        with Workbook(str(path), options) as workbook:
            sheet = workbook.add_worksheet(name)
            sheet.freeze_panes(1, 0)
            formats: dict[type, Format] = {
                datetime: workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
                date: workbook.add_format({"num_format": "yyyy-mm-dd"}),
            }
            for place, (column, kind) in enumerate(types.items()):
                is_instant = kind.startswith("TIMESTAMP")
                sheet.write_string(0, place, f"{column} (UTC)" if is_instant else column)
            batches = iter(lambda: result.fetchmany(_FETCHED_ROWS), [])
            for number, row in enumerate(chain.from_iterable(batches), 1):
                for place, value in enumerate(row):
                    _write_cell(sheet, number, place, value, formats)
    except exceptions.FileCreateError as error:
        raise OSError(str(error)) from error


def _write_cell(
    sheet: Worksheet, row: int, place: int, value: object, formats: Mapping[type, Format]
) -> None:
    """Write a value as what it is; a text never as a formula, a link or a number."""
    if isinstance(value, datetime):
        value = value.replace(tzinfo=None)
    if isinstance(value, date) and value.year >= _EXCEL_FIRST_YEAR:
        sheet.write_datetime(row, place, value, formats[type(value)])
    elif isinstance(value, bool):
        sheet.write_boolean(row, place, value)
    elif isinstance(value, int | float):
        sheet.write_number(row, place, value)
    elif value is not None:
        sheet.write_string(row, place, str(value)[:EXCEL_CHARACTERS])
