"""How a stored table is read in portions, so that no derivation holds all of its rows.

What lives here: which rows a portion holds, and reading them.
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

ROWS_A_PORTION = 50_000
"""Rows that are derived at once, on average: a transform takes up to 1.5 KiB for each.

1,000,000 events need 20 portions: reading a mart's columns so takes twice the time of reading them
at once, some 0.5 s more.
"""


@dataclass(frozen=True)
class Portion:
    """The rows of a table that come at once: those whose key falls to one number.

    Rows that agree in the key are in one portion, in whichever table they are stored.

    Attributes:
        key: The columns that rows which belong together agree in. Of a text, its letters and
            digits count: whatever blanks a transform cuts off, it finds together what it needs.
        number: Which portion, from 0.
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


def portions(key: Sequence[str], rows: int, rows_a_portion: int) -> Iterator[Portion]:
    """Portions by this key of tables with so many rows at most; one where they are few."""
    count = max(1, math.ceil(rows / rows_a_portion))
    for number in range(count):
        yield Portion(tuple(key), number, count)


def read(
    con: duckdb.DuckDBPyConnection,
    table: Table,
    columns: Sequence[str],
    portion: Portion | None = None,
    limit: int | None = None,
) -> pl.DataFrame:
    """A stored table, or a portion or `limit` rows of it, typed as its contract says, in no order.

    Raises:
        NeverWritten: The table does not exist.
        SchemaMismatch: The stored columns do not fit the contract.
    """
    names = [*dict.fromkeys([*columns, *(portion.key if portion else ())])]
    source = f"SELECT {ddl.selection(con, table, names)} FROM {qualified(table)}"
    wanted = ", ".join(map(quoted, columns))
    condition = portion.condition(table) if portion else "true"
    most = f"LIMIT {limit}" if limit is not None else ""
    frame = fetch(con, f"SELECT {wanted} FROM ({source}) WHERE {condition} {most}")
    dtypes = table.dtypes
    return frame.cast({name: dtypes[name] for name in columns})
