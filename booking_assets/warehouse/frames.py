"""How polars frames enter and leave DuckDB, and what is asked of a frame before it enters.

What lives here: the Arrow stream between the two (no pyarrow needed), and the frame's contract.
What must not: connections, transactions.
Read more: https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html.
"""

# ruff: noqa: S608 - names come quoted from the contracts, values travel as parameters

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import duckdb
import polars as pl

from booking_assets.tables.contract import UUID_PATTERN, Table
from booking_assets.warehouse.ddl import qualified, quoted, types
from booking_assets.warehouse.errors import FrameMismatch


class _ArrowStream:
    """A polars frame or a DuckDB relation that shows its Arrow stream and nothing else.

    Handed a polars frame itself, DuckDB asks for pyarrow. Handed a DuckDB relation itself, polars
    remembers its class, and DuckDB complains of leaks when the interpreter ends.
    """

    def __init__(self, rows: pl.DataFrame | duckdb.DuckDBPyRelation) -> None:
        self._rows = rows

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._rows.__arrow_c_stream__(requested_schema)

    def release(self) -> None:
        """Let go of the rows: DuckDB keeps an unregistered object until its transaction ends."""
        del self._rows


@contextmanager
def registered(con: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> Iterator[None]:
    """Let statements read a frame as the view `name`.

    When the body fails, the view goes with the connection: DuckDB drops none in an aborted
    transaction, and its complaint would hide the error.
    """
    stream = _ArrowStream(frame)
    con.register(name, stream)
    yield
    con.unregister(name)
    stream.release()


def fetch(
    con: duckdb.DuckDBPyConnection, query: str, parameters: Mapping[str, Any] | None = None
) -> pl.DataFrame:
    """The answer of a query as a frame."""
    return pl.DataFrame(_ArrowStream(con.sql(query, params=dict(parameters or {}))))


def append(con: duckdb.DuckDBPyConnection, table: Table, frame: pl.DataFrame) -> None:
    """Insert a frame's rows into a prepared table.

    Raises:
        FrameMismatch: The frame does not fit the contract.
    """
    require_fit(table, frame)
    values = ", ".join(
        f"CAST({quoted(name)} AS {kind}) AS {quoted(name)}" for name, kind in types(table).items()
    )
    with registered(con, "incoming", frame):
        con.execute(f"INSERT INTO {qualified(table)} BY NAME SELECT {values} FROM incoming")


def require_fit(table: Table, frame: pl.DataFrame) -> None:
    """Check a frame against its contract: names in any order, types, values, grain.

    Raises:
        FrameMismatch: With every fault found.
    """
    faults = [*_column_faults(table, frame)] or [*_row_faults(table, frame)]
    if faults:
        raise refusal(table, faults)


def refusal(table: Table, faults: Iterable[str]) -> FrameMismatch:
    """The error for frames that have these faults."""
    return FrameMismatch(
        f"A frame for {table.name} was refused, the stored table is unchanged:"
        f" {'; '.join(faults)}. The code that made the frame must be mended"
    )


def _column_faults(table: Table, frame: pl.DataFrame) -> Iterator[str]:
    contract = table.dtypes
    for name in contract.keys() - frame.schema.keys():
        yield f"column {name} is missing"
    for name, dtype in frame.schema.items():
        expected = contract.get(name)
        if expected is None:
            yield f"column {name} is not in the contract"
        elif dtype != expected:
            yield f"column {name} is {dtype}, the contract says {expected}"


def _row_faults(table: Table, frame: pl.DataFrame) -> Iterator[str]:
    for name in table.required:
        if nulls := frame[name].null_count():
            yield f"column {name} is null in {nulls} rows"
    for name, kind in types(table).items():
        if kind == "UUID" and (odd := int((~frame[name].str.contains(UUID_PATTERN)).sum())):
            yield f"column {name} is no UUID in {odd} rows"
    if table.grain and (repeated := int(frame.select(table.grain).is_duplicated().sum())):
        yield f"{repeated} rows share their {', '.join(table.grain)}"
