"""Reads an open warehouse: tables as their contracts have them, whole or in hash batches.

`transforms` states which columns keep related rows in one batch.
"""

# ruff: noqa: S608 - names come quoted from the contracts

from __future__ import annotations

import ctypes
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from types import MappingProxyType
from typing import Any

import duckdb
import polars as pl

from booking_assets.tables.contract import Table, Text
from booking_assets.tables.raw import REJECTED_ROWS
from booking_assets.warehouse import ddl
from booking_assets.warehouse.ddl import column_list, literal, qualified, quoted
from booking_assets.warehouse.errors import TableNotFound
from booking_assets.warehouse.frames import ArrowStream

BATCH_ROWS = 50_000
"""Rows in a batch, on average: a transform takes up to 1.5 KiB for each."""
SORTED_FROM = 4
"""Batches by texts from which on rows are sorted by them, once.

Without, each batch normalizes the texts of all rows: 0.4 of 0.5 s for 1,000,000.
"""

_BUCKET = "batch_number"
_copies = itertools.count()

ORGANIZATIONS_LISTED = 10
"""The visible organizations that statements list at most."""


@dataclass(frozen=True)
class Batch:
    """The rows of a table whose hash of the key falls into bucket `number` of `count`, from 0.

    Rows with equal keys are in one batch, also when they are in different tables. Of text, only
    letters and digits are hashed, without case: texts that differ in case and blanks, which
    transforms may ignore, are in one batch. Slugs are hashed as they are.
    """

    key: tuple[str, ...]
    number: int
    count: int

    def condition(self, table: Table, values: Mapping[str, str] = MappingProxyType({})) -> str:
        """The WHERE condition for its rows of a table; `values` as `ddl.contract_values` gives."""
        return "true" if self.count == 1 else f"{self.bucket(table, values)} = {self.number}"

    def bucket(self, table: Table, values: Mapping[str, str] = MappingProxyType({})) -> str:
        """The SQL expression of the number of the batch that a row of a table is in."""
        key = {name: values.get(name, quoted(name)) for name in self.key}
        hashed = ", ".join(
            # In Greek, two lower letters have one upper letter; some upper ones have no lower.
            rf"coalesce(regexp_replace(upper(lower({value})), '[^\pL\pN]', '', 'g'), '')"
            if name in self.texts(table)
            else value
            for name, value in key.items()
        )
        return f"hash({hashed}) % {self.count}"

    def texts(self, table: Table) -> list[str]:
        """The columns of the key that are text, but the slug, which is always written alike."""
        columns = table.columns.columns()
        return [n for n in self.key if isinstance(columns[n], Text) and n != "organization"]


def batches(key: Sequence[str], rows: int, batch_rows: int) -> Iterator[Batch]:
    """The batches for tables with at most `rows` rows."""
    count = max(1, math.ceil(rows / batch_rows))
    for number in range(count):
        yield Batch(tuple(key), number, count)


@dataclass(frozen=True)
class View:
    """A connection to the warehouse, and the organizations whose rows are visible; None: all.

    Raw and rejected rows of a resource in `hidden` (organization, resource) are not visible either.

    Methods that take a table raise `TableNotFound` where it does not exist, and those that take
    columns `SchemaMismatch` where the stored ones do not fit the contract. Tables of an earlier
    release are read as their contracts have them now.
    """

    con: duckdb.DuckDBPyConnection
    organizations: frozenset[str] | None = None
    hidden: frozenset[tuple[str, str]] = frozenset()

    @cached_property
    def catalog(self) -> Mapping[str, dict[str, str]]:
        """The declarations of the stored tables, read once."""
        return ddl.catalog(self.con)

    def is_stored(self, table: Table) -> bool:
        """Whether the table was ever written."""
        return table.name in self.catalog

    def require_stored(self, table: Table) -> dict[str, str]:
        """The stored declarations of a table."""
        if not self.is_stored(table):
            raise TableNotFound(
                f"The table {table.name} was never written: run `booking-assets refresh` first"
            )
        return self.catalog[table.name]

    def select(
        self, table: Table, columns: Iterable[str] | None = None, batch: Batch | None = None
    ) -> str:
        """A SELECT of columns (all by default) of a table's visible rows, to use in a statement.

        Of a `batch`, in the same SELECT: DuckDB reads the other columns where a row is in it.
        """
        stored = self.require_stored(table)
        names = table.column_names if columns is None else columns
        source = f"SELECT {ddl.projection(table, stored, names)} FROM {qualified(table)}"
        condition = self.condition(table)
        if batch:
            condition += f" AND {batch.condition(table, ddl.contract_values(table, stored))}"
        return f"{source} WHERE {condition}"

    def condition(self, table: Table) -> str:
        """The condition for a table's visible rows."""
        conditions = ["true"]
        if self.organizations is not None and "organization" in table.column_names:
            # A row of no organization in particular is visible to all.
            default = "false" if "organization" in table.required else "true"
            conditions.append(f"coalesce(organization IN ({self._visible}), {default})")
        resource = "resource" if table is REJECTED_ROWS else literal(table.short_name)
        conditions += [
            f"(organization <> {literal(slug)} OR {resource} <> {literal(hidden)})"
            for slug, hidden in sorted(self.hidden)
            if table is REJECTED_ROWS or table.name == f"raw.{hidden}"
        ]
        return " AND ".join(conditions)

    @cached_property
    def _visible(self) -> str:
        """The visible organizations, as a list or from a temporary table.

        Of thousands in a list, each row of a table would be compared with one after the other, and
        each statement would be planned with all of them. A list of few is planned sooner.
        """
        slugs = sorted(self.organizations or ())
        if 0 < len(slugs) <= ORGANIZATIONS_LISTED:
            return ", ".join(map(literal, slugs))
        name = f"visible_{sha256(chr(10).join(slugs).encode()).hexdigest()[:32]}"
        rows = "SELECT unnest($slugs::VARCHAR[]) AS organization"
        self.con.execute(f"CREATE TEMP TABLE IF NOT EXISTS {name} AS {rows}", {"slugs": slugs})
        return f"FROM {name}"

    def read(
        self,
        table: Table,
        columns: Sequence[str],
        batch: Batch | None = None,
        limit: int | None = None,
    ) -> pl.DataFrame:
        """Columns of a table, or of a batch or `limit` rows of it, typed, unordered."""
        most = f" LIMIT {limit}" if limit is not None else ""
        return self._typed(table, columns, self.select(table, columns, batch) + most)

    def _typed(self, table: Table, columns: Sequence[str], query: str) -> pl.DataFrame:
        dtypes = table.dtypes
        return self.fetch(query).cast({name: dtypes[name] for name in columns})

    def read_batches(
        self, columns: Mapping[Table, Sequence[str]], each: Sequence[Batch]
    ) -> Iterator[list[pl.DataFrame]]:
        """Columns of tables, batch by batch: a frame for each table, typed, unordered.

        Many batches by texts are read from copies that are sorted by them.
        """
        copies = {
            table: self._sorted(table, names, each[0])
            for table, names in columns.items()
            if len(each) >= SORTED_FROM and each[0].texts(table)
        }
        try:
            for batch in each:
                yield [
                    self._typed(
                        table,
                        names,
                        f"SELECT {column_list(names)} FROM {copies[table]}"
                        f" WHERE {_BUCKET} = {batch.number}",
                    )
                    if table in copies
                    else self.read(table, names, batch)
                    for table, names in columns.items()
                ]
        finally:
            # In an aborted transaction, they stay until the connection closes.
            with suppress(duckdb.Error):
                for copy in copies.values():
                    self.con.execute(f"DROP TABLE {copy}")

    def _sorted(self, table: Table, columns: Sequence[str], batch: Batch) -> str:
        """Create a temporary table of columns, sorted by their batch; returns its name."""
        name = f"sorted_{next(_copies)}"
        source = self.select(table, dict.fromkeys([*columns, *batch.key]))
        bucket = f"CAST({batch.bucket(table)} AS UINTEGER) AS {_BUCKET}"
        self.con.execute(
            f"CREATE TEMP TABLE {name} AS SELECT {column_list(columns)}, {bucket}"
            f" FROM ({source}) ORDER BY {_BUCKET}"
        )
        return name

    def fetch(self, query: str, parameters: Mapping[str, Any] | None = None) -> pl.DataFrame:
        """The result of a query as a frame."""
        # `sql` also plans the query to know its columns: a quarter of the time of a small one.
        result = self.con._submit(query, dict(parameters or {}), "stream")  # noqa: SLF001
        return pl.DataFrame(ArrowStream(result.arrow_capsule))

    def release_memory(self) -> None:
        """Return to the system what DuckDB and the C library keep of earlier reads."""
        (limit,) = self.con.sql("SELECT current_setting('memory_limit')").fetchall()[0]
        with suppress(duckdb.OutOfMemoryException):  # temporary tables stay, and so the limit
            self.con.execute(f"SET memory_limit = '1MB'; SET memory_limit = {literal(limit)}")
        if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # the GNU C library's alone
            trim(0)

    def counts(self, query: str) -> dict[str, int]:
        """The result of a query for organizations and their numbers of rows."""
        return dict(self.con.execute(query).fetchall())
