"""How a stored table is read in batches, so that no derivation holds all of its rows.

What lives here: which rows a batch holds, and reading them.
What must not: which rows belong together (`transforms` name the columns), writing.
Read more: `docs/architecture.md`, "Warehouse".
"""

# ruff: noqa: S608 - names come quoted from the contracts

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb
import polars as pl

from booking_assets.tables.contract import Table, Text
from booking_assets.warehouse import ddl
from booking_assets.warehouse.ddl import qualified, quoted
from booking_assets.warehouse.frames import fetch

BATCH_ROWS = 50_000
"""Rows that are derived at once, on average: a transform takes up to 1.5 KiB for each.

1,000,000 events need 20 batches: reading a mart's columns so takes twice the time of reading them
at once, some 0.5 s more.
"""


@dataclass(frozen=True)
class Batch:
    """The rows of a table that come at once: those whose key falls to one number.

    Rows that agree in the key are in one batch, in whichever table they are stored.

    Attributes:
        key: The columns that rows which belong together agree in. Of a text, its letters and
            digits count: whatever blanks a transform cuts off, it finds together what it needs.
        number: Which batch, from 0.
        count: How many there are.
    """

    key: tuple[str, ...]
    number: int
    count: int

    def condition(self, table: Table) -> str:
        """What is true of its rows of a table, in SQL over the key's columns."""
        if self.count == 1:
            return "true"
        columns = table.columns.columns()
        key = ", ".join(
            rf"coalesce(regexp_replace({quoted(name)}, '[^\pL\pN]', '', 'g'), '')"
            if isinstance(columns[name], Text)
            else quoted(name)
            for name in self.key
        )
        return f"hash({key}) % {self.count} = {self.number}"


def batches(key: Sequence[str], rows: int, batch_rows: int) -> Iterator[Batch]:
    """Batches by this key of tables with so many rows at most; one where they are few."""
    count = max(1, math.ceil(rows / batch_rows))
    for number in range(count):
        yield Batch(tuple(key), number, count)


def read(
    con: duckdb.DuckDBPyConnection,
    table: Table,
    columns: Sequence[str],
    batch: Batch | None = None,
    limit: int | None = None,
) -> pl.DataFrame:
    """A stored table, or a batch or `limit` rows of it, typed as its contract says, in no order.

    Raises:
        TableNotFound: The table does not exist.
        SchemaMismatch: The stored columns do not fit the contract.
    """
    names = [*dict.fromkeys([*columns, *(batch.key if batch else ())])]
    source = f"SELECT {ddl.selection(con, table, names)} FROM {qualified(table)}"
    wanted = ", ".join(map(quoted, columns))
    condition = batch.condition(table) if batch else "true"
    most = f"LIMIT {limit}" if limit is not None else ""
    frame = fetch(con, f"SELECT {wanted} FROM ({source}) WHERE {condition} {most}")
    dtypes = table.dtypes
    return frame.cast({name: dtypes[name] for name in columns})
