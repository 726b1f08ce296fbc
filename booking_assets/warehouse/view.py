"""An open warehouse as queries read it: rows of some organizations, typed by the contracts."""

# ruff: noqa: S608 - names come quoted from the contracts

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import polars as pl

from booking_assets.tables.contract import Table
from booking_assets.warehouse import ddl
from booking_assets.warehouse.ddl import literal, qualified, quoted
from booking_assets.warehouse.errors import TableNotFound
from booking_assets.warehouse.frames import fetch

ORGANIZATION = "organization"


@dataclass(frozen=True)
class View:
    """A connection to the warehouse, and the organizations whose rows are visible; None: all.

    Tables of an earlier release are read as their contracts have them now.
    """

    con: duckdb.DuckDBPyConnection
    organizations: frozenset[str] | None = None

    def is_stored(self, table: Table) -> bool:
        """Whether the table was ever written."""
        return bool(ddl.stored_declarations(self.con, table))

    def require_stored(self, table: Table) -> dict[str, str]:
        """The stored declarations of a table.

        Raises:
            TableNotFound: The table does not exist.
        """
        stored = ddl.stored_declarations(self.con, table)
        if not stored:
            raise TableNotFound(
                f"The table {table.name} was never written: run `booking-assets refresh` first"
            )
        return stored

    def select(self, table: Table, columns: Iterable[str] | None = None) -> str:
        """A SELECT of columns (all by default) of a table's visible rows, to use in a statement.

        Raises:
            KeyError: The contract has no such column.
            TableNotFound: The table does not exist.
            SchemaMismatch: The stored columns do not fit the contract.
        """
        stored = self.require_stored(table)
        names = table.column_names if columns is None else columns
        source = f"SELECT {ddl.projection(table, stored, names)} FROM {qualified(table)}"
        return f"{source} WHERE {self.condition(table)}"

    def condition(self, table: Table) -> str:
        """The condition for a table's visible rows."""
        if self.organizations is None or ORGANIZATION not in table.column_names:
            return "true"
        visible = ", ".join(map(literal, sorted(self.organizations))) or "NULL"
        return f"{quoted(ORGANIZATION)} IN ({visible})"

    def fetch(self, query: str, parameters: Mapping[str, Any] | None = None) -> pl.DataFrame:
        """The result of a query as a frame."""
        return fetch(self.con, query, parameters)

    def counts(self, query: str) -> dict[str, int]:
        """The result of a query for organizations and their numbers of rows."""
        return dict(self.con.execute(query).fetchall())
