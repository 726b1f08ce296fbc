"""Passes polars frames into DuckDB and query results back, as Arrow streams, without pyarrow.

https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html
"""

# ruff: noqa: S608 - names come quoted from the contracts, values travel as parameters

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import duckdb
import polars as pl

from booking_assets.tables.contract import Table
from booking_assets.warehouse.ddl import qualified, quoted, types
from booking_assets.warehouse.errors import FrameMismatch


class _ArrowStream:
    """Wraps a polars frame or a DuckDB relation so that only its Arrow stream is visible.

    DuckDB imports pyarrow for a polars frame. polars caches the class of a DuckDB relation, which
    DuckDB reports as a leak when the interpreter exits.
    """

    def __init__(self, rows: pl.DataFrame | duckdb.DuckDBPyRelation) -> None:
        self._rows = rows

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._rows.__arrow_c_stream__(requested_schema)

    def release(self) -> None:
        """Drop the reference: DuckDB keeps an unregistered object until its transaction ends."""
        del self._rows


@contextmanager
def registered(con: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> Iterator[None]:
    """Register a frame as the view `name` for the block.

    When the body fails, the view stays until the connection closes: DuckDB cannot drop it in an
    aborted transaction, and that error would hide the first.
    """
    stream = _ArrowStream(frame)
    con.register(name, stream)
    yield
    con.unregister(name)
    stream.release()


def fetch(
    con: duckdb.DuckDBPyConnection, query: str, parameters: Mapping[str, Any] | None = None
) -> pl.DataFrame:
    """The result of a query as a frame."""
    return pl.DataFrame(_ArrowStream(con.sql(query, params=dict(parameters or {}))))


def append(con: duckdb.DuckDBPyConnection, table: Table, frame: pl.DataFrame) -> None:
    """Insert a frame's rows into a prepared table. The caller checks its key.

    Raises:
        FrameMismatch: The frame does not fit the contract.
    """
    if faults := _column_faults(table, frame):
        raise frame_mismatch(table, "; ".join(faults))
    values = ", ".join(
        f"CAST({quoted(name)} AS {kind}) AS {quoted(name)}" for name, kind in types(table).items()
    )
    with registered(con, "incoming", frame):
        try:
            con.execute(f"INSERT INTO {qualified(table)} BY NAME SELECT {values} FROM incoming")
        except (duckdb.ConstraintException, duckdb.ConversionException) as error:
            raise frame_mismatch(table, str(error)) from error


def require_distinct(table: Table, frame: pl.DataFrame) -> None:
    """Check that a frame does not repeat a key.

    Raises:
        FrameMismatch: It does.
    """
    if repeated := int(frame.select(table.grain).is_duplicated().sum()):
        raise frame_mismatch(table, f"{repeated} rows share their {', '.join(table.grain)}")


def frame_mismatch(table: Table, fault: str) -> FrameMismatch:
    """The error for frames with this fault."""
    return FrameMismatch(
        f"A frame for {table.name} was refused, the stored table is unchanged: {fault}. This is a"
        " bug in the code that made the frame: report it"
    )


def _column_faults(table: Table, frame: pl.DataFrame) -> list[str]:
    contract, found = table.dtypes, frame.schema
    return [
        f"column {name} is {found.get(name, 'missing')}, the contract says"
        f" {contract.get(name, 'no such column')}"
        for name in dict.fromkeys([*contract, *found])
        if found.get(name) != contract.get(name)
    ]
