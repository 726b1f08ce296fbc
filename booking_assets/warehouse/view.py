"""Reads an open warehouse: tables as their contracts have them, whole or in hash batches.

`transforms` states which columns keep related rows in one batch.
"""

# ruff: noqa: S608 - names come quoted from the contracts

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import duckdb
import polars as pl

from booking_assets.tables.contract import Table, Text
from booking_assets.tables.raw import REJECTED_ROWS
from booking_assets.warehouse import ddl
from booking_assets.warehouse.ddl import literal, qualified, quoted
from booking_assets.warehouse.errors import TableNotFound
from booking_assets.warehouse.frames import ArrowStream

BATCH_ROWS = 50_000
"""Rows in a batch, on average: a transform takes up to 1.5 KiB for each.

1,000,000 events need 20 batches: reading a mart's columns takes 0.5 s more than at once.
"""

ORGANIZATIONS_LISTED = 10
"""The visible organizations that statements list at most."""


@dataclass(frozen=True)
class Batch:
    """The rows of a table whose hash of the key falls into bucket `number` of `count`, from 0.

    Rows with equal keys are in one batch, also when they are in different tables. Of text, only
    letters and digits are hashed, without case: texts that differ in case and blanks, which
    transforms may ignore, are in one batch.
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
            # In Greek, two lower letters have one upper letter; some upper ones have no lower.
            rf"coalesce(regexp_replace(upper(lower({quoted(name)})), '[^\pL\pN]', '', 'g'), '')"
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

    def select(self, table: Table, columns: Iterable[str] | None = None) -> str:
        """A SELECT of columns (all by default) of a table's visible rows, to use in a statement."""
        stored = self.require_stored(table)
        names = table.column_names if columns is None else columns
        source = f"SELECT {ddl.projection(table, stored, names)} FROM {qualified(table)}"
        return f"{source} WHERE {self.condition(table)}"

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
        wanted = ddl.column_list(columns)
        condition = batch.condition(table) if batch else "true"
        most = f"LIMIT {limit}" if limit is not None else ""
        source = self.select(table, dict.fromkeys([*columns, *(batch.key if batch else ())]))
        frame = self.fetch(f"SELECT {wanted} FROM ({source}) WHERE {condition} {most}")
        dtypes = table.dtypes
        return frame.cast({name: dtypes[name] for name in columns})

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
