"""Passes polars frames into DuckDB and query results back, as Arrow streams, without pyarrow.

https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import duckdb
import polars as pl

from booking_assets.tables.contract import Table
from booking_assets.warehouse.ddl import insert
from booking_assets.warehouse.errors import FrameMismatch


class ArrowStream:
    """Rows of which only an Arrow stream is visible: DuckDB imports pyarrow for a polars frame."""

    def __init__(self, stream: Callable[[], object]) -> None:
        self._stream = stream

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._stream()

    def release(self) -> None:
        """Drop the reference: DuckDB keeps an unregistered object until its transaction ends."""
        del self._stream


@contextmanager
def registered(con: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> Iterator[None]:
    """Register a frame as the view `name` for the block.

    When the body fails, the view stays until the connection closes: DuckDB cannot drop it in an
    aborted transaction, and that error would hide the first.
    """
    stream = ArrowStream(frame.__arrow_c_stream__)
    con.register(name, stream)
    yield
    con.unregister(name)
    stream.release()


def append(con: duckdb.DuckDBPyConnection, table: Table, frame: pl.DataFrame) -> None:
    """Insert a frame's rows into a prepared table. The caller checks its key.

    Raises:
        FrameMismatch: The frame does not fit the contract.
    """
    contract, found = table.dtypes, frame.schema
    faults = [
        f"column {name} is {found.get(name, 'missing')}, the contract says"
        f" {contract.get(name, 'no such column')}"
        for name in dict.fromkeys([*contract, *found])
        if found.get(name) != contract.get(name)
    ]
    if faults:
        raise frame_mismatch(table, "; ".join(faults))
    with registered(con, "incoming", frame):
        try:
            con.execute(f"{insert(table)} FROM incoming")
        except (duckdb.ConstraintException, duckdb.ConversionException) as error:
            raise frame_mismatch(table, str(error)) from error


def require_distinct(table: Table, frame: pl.DataFrame) -> None:
    """Raise FrameMismatch where a frame repeats a key."""
    if repeated := int(frame.select(table.grain).is_duplicated().sum()):
        raise frame_mismatch(table, f"{repeated} rows share their {', '.join(table.grain)}")


def frame_mismatch(table: Table, fault: str) -> FrameMismatch:
    """The error for frames with this fault."""
    return FrameMismatch(
        f"A frame for {table.name} was refused, the stored table is unchanged: {fault}. This is a"
        " bug in the code that made the frame: report it"
    )
