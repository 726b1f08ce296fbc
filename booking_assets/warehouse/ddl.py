"""DuckDB's types, CREATE, COMMENT and migrations, from the contracts in `tables`.

https://duckdb.org/docs/2.0/sql/data_types/overview
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import duckdb

from booking_assets.tables.contract import (
    Column,
    Count,
    Day,
    Flag,
    Identifier,
    Instant,
    Json,
    Measure,
    Number,
    Table,
    Text,
)
from booking_assets.warehouse.errors import REBUILD, SchemaMismatch, TableNotFound

# Spelled as in DuckDB's catalog, so that types of tables and contracts compare as text.
DUCKDB_TYPES: Mapping[type[Column], str] = MappingProxyType(
    {
        Identifier: "UUID",
        Text: "VARCHAR",
        Json: "VARCHAR",
        Flag: "BOOLEAN",
        Number: "INTEGER",
        Count: "BIGINT",
        Measure: "DOUBLE",
        Instant: "TIMESTAMP WITH TIME ZONE",
        Day: "DATE",
    }
)


def quoted(name: str) -> str:
    """A name of a schema, table or column, safe in a statement."""
    return '"' + name.replace('"', '""') + '"'


def qualified(table: Table, database: str | None = None) -> str:
    """A table's full name, in the database in use or in another attached one."""
    parts = [table.schema, table.short_name]
    return ".".join(quoted(part) for part in ([database, *parts] if database else parts))


def types(table: Table) -> dict[str, str]:
    """The DuckDB type of each column, in order."""
    return {name: DUCKDB_TYPES[type(c)] for name, c in table.columns.columns().items()}


def parquet_types(table: Table) -> dict[str, str]:
    """The DuckDB type of each column in a landing file: identifiers are text there."""
    return {name: "VARCHAR" if kind == "UUID" else kind for name, kind in types(table).items()}


def declarations(table: Table) -> dict[str, str]:
    """Each column's type in a CREATE, with NOT NULL where the contract requires it."""
    required = table.required
    return {
        name: f"{kind} NOT NULL" if name in required else kind
        for name, kind in types(table).items()
    }


def stored_declarations(con: duckdb.DuckDBPyConnection, table: Table) -> dict[str, str]:
    """Each column's type and NOT NULL in the database in use; empty where there is no table."""
    known = con.execute(
        """
        SELECT count(*) FROM duckdb_tables()
        WHERE database_name = current_database() AND schema_name = ? AND table_name = ?
        """,
        [table.schema, table.short_name],
    ).fetchall()
    if known == [(0,)]:
        return {}
    rows = con.execute(
        'SELECT name, type, "notnull" FROM pragma_table_info(?)', [qualified(table)]
    ).fetchall()
    return {name: f"{kind} NOT NULL" if required else kind for name, kind, required in rows}


def require_stored(con: duckdb.DuckDBPyConnection, table: Table) -> dict[str, str]:
    """The declarations of a table that must exist, see `stored_declarations`.

    Raises:
        TableNotFound: The table does not exist.
    """
    stored = stored_declarations(con, table)
    if not stored:
        raise TableNotFound(
            f"The table {table.name} was never written: run `booking-assets refresh` first"
        )
    return stored


def differences(table: Table, stored: Mapping[str, str]) -> tuple[str, ...]:
    """Each column in which a stored table and its contract differ, in words."""
    contract = declarations(table)
    return tuple(
        f"{name} is {stored.get(name, 'absent')}, the contract says {contract.get(name, 'absent')}"
        for name in sorted({*stored, *contract})
        if stored.get(name) != contract.get(name)
    )


def addable(table: Table, stored: Mapping[str, str]) -> dict[str, str]:
    """The columns that the stored table lacks, by name, where nothing else is different.

    Raises:
        SchemaMismatch: Something else is: a type, a column that the contract does not have, or a
            lacking column that may not be null.
    """
    contract = declarations(table)
    lacking = {name: contract[name] for name in contract if name not in stored}
    required = table.required
    changed = any(contract.get(name) != kind for name, kind in stored.items())
    if changed or any(name in required for name in lacking):
        raise SchemaMismatch(
            f"The stored table {table.name} does not fit this version of booking-assets:"
            f" {'; '.join(differences(table, stored))}. Run `{REBUILD}`, which makes a new"
            " warehouse from the landing files"
        )
    return lacking


def prepare(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Create the table, or add the columns that its contract has gained, with their comments.

    Raises:
        SchemaMismatch: The stored table cannot be brought to the contract by adding columns.
    """
    stored = stored_declarations(con, table)
    if not stored:
        create(con, table)
        return
    lacking = addable(table, stored)
    for name, declaration in lacking.items():
        con.execute(f"ALTER TABLE {qualified(table)} ADD COLUMN {quoted(name)} {declaration}")
    _comment(con, table, lacking)


def stored_tables(con: duckdb.DuckDBPyConnection) -> set[str]:
    """The names, as `schema.table`, of all tables in the database in use."""
    rows = con.execute(
        "SELECT schema_name || '.' || table_name FROM duckdb_tables()"
        " WHERE database_name = current_database()"
    ).fetchall()
    return {name for (name,) in rows}


def create_missing(con: duckdb.DuckDBPyConnection, tables: Iterable[Table]) -> None:
    """Create the tables that do not exist yet, so that queries can read them."""
    stored = stored_tables(con)
    for table in tables:
        if table.name not in stored:
            create(con, table)


def create(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Create the table anew, with its comments, in place of the stored one if there is one."""
    columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in declarations(table).items())
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(table.schema)}")
    con.execute(f"CREATE OR REPLACE TABLE {qualified(table)} ({columns})")
    about = f"{table.description} One row is {table.row}."
    con.execute(f"COMMENT ON TABLE {qualified(table)} IS {_literal(about)}")
    _comment(con, table, table.column_names)


def is_current(con: duckdb.DuckDBPyConnection, table: Table) -> bool:
    """Whether the stored table has the contract's columns, in its order, with its comments."""
    comments = dict(
        con.execute(
            """
            SELECT column_name, comment FROM duckdb_columns()
            WHERE database_name = current_database() AND schema_name = ? AND table_name = ?
            """,
            [table.schema, table.short_name],
        ).fetchall()
    )
    stored = stored_declarations(con, table)
    return comments == table.meanings and [*stored.items()] == [*declarations(table).items()]


def selection(con: duckdb.DuckDBPyConnection, table: Table, columns: Sequence[str]) -> str:
    """The SELECT list for these columns of a stored table, null for those it has yet to gain.

    Raises:
        KeyError: The contract has no such column.
        TableNotFound: The table does not exist.
        SchemaMismatch: Its columns do not fit the contract.
    """
    lacking = addable(table, require_stored(con, table))
    kinds = types(table)
    return ", ".join(
        f"CAST({'NULL' if name in lacking else quoted(name)} AS {kinds[name]}) AS {quoted(name)}"
        for name in columns
    )


def _comment(con: duckdb.DuckDBPyConnection, table: Table, columns: Iterable[str]) -> None:
    """Write these columns' descriptions as comments."""
    meanings = table.meanings
    for name in columns:
        column = f"{qualified(table)}.{quoted(name)}"
        con.execute(f"COMMENT ON COLUMN {column} IS {_literal(meanings[name])}")


def _literal(text: str) -> str:
    """A string literal: COMMENT takes no parameter."""
    return "'" + text.replace("'", "''") + "'"
