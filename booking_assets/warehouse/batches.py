"""Reads a stored table in hash batches, so that a derivation's memory is bounded.

Which columns keep related rows in one batch is stated by `transforms`.
"""

# ruff: noqa: S608 - names come quoted from the contracts

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from booking_assets.tables.contract import Table, Text
from booking_assets.warehouse.ddl import quoted
from booking_assets.warehouse.view import View

BATCH_ROWS = 50_000
"""Rows in a batch, on average: a transform takes up to 1.5 KiB for each.

1,000,000 events need 20 batches: reading a mart's columns takes 0.5 s more than at once.
"""


@dataclass(frozen=True)
class Batch:
    """The rows of a table whose hash of the key falls into one of `count` buckets.

    Rows with equal keys are in one batch, also when they are in different tables.

    Attributes:
        key: The columns to hash; of text, only letters and digits, so that texts that differ in
            blanks, which transforms remove, are in one batch.
        number: The batch's number, from 0.
        count: The number of batches.
    """

    key: tuple[str, ...]
    number: int
    count: int

    def condition(self, table: Table) -> str:
        """The WHERE condition for its rows of a table."""
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
    """The batches for tables with at most `rows` rows."""
    count = max(1, math.ceil(rows / batch_rows))
    for number in range(count):
        yield Batch(tuple(key), number, count)


def read(
    view: View,
    table: Table,
    columns: Sequence[str],
    batch: Batch | None = None,
    limit: int | None = None,
) -> pl.DataFrame:
    """A stored table, or a batch or `limit` rows of it, typed by its contract, unordered.

    Raises:
        TableNotFound: The table does not exist.
        SchemaMismatch: The stored columns do not fit the contract.
    """
    names = [*dict.fromkeys([*columns, *(batch.key if batch else ())])]
    wanted = ", ".join(map(quoted, columns))
    condition = batch.condition(table) if batch else "true"
    most = f"LIMIT {limit}" if limit is not None else ""
    source = view.select(table, names)
    frame = view.fetch(f"SELECT {wanted} FROM ({source}) WHERE {condition} {most}")
    dtypes = table.dtypes
    return frame.cast({name: dtypes[name] for name in columns})
