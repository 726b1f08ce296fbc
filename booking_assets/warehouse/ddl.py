"""DuckDB's types, CREATE, COMMENT and migrations, from the contracts in `tables`.

https://duckdb.org/docs/2.0/sql/data_types/overview
"""

# ruff: noqa: S608 - names come quoted from the contracts

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import duckdb

from booking_assets.tables import contract
from booking_assets.tables.contract import Column, Table
from booking_assets.warehouse.errors import REBUILD, SchemaMismatch

# Spelled as in DuckDB's catalog, so that types of tables and contracts compare as text.
DUCKDB_TYPES: Mapping[type[Column], str] = {
    contract.Identifier: "UUID",
    contract.Text: "VARCHAR",
    contract.State: "VARCHAR",
    contract.Json: "VARCHAR",
    contract.Flag: "BOOLEAN",
    contract.Number: "INTEGER",
    contract.Count: "BIGINT",
    contract.Measure: "DOUBLE",
    contract.Instant: "TIMESTAMP WITH TIME ZONE",
    contract.Day: "DATE",
}

_NOT_NULL = " NOT NULL"
_VERDICT = {
    "status": """CASE WHEN verdict = 'complete' THEN 'complete'
        WHEN starts_with(verdict, 'unknown: ') THEN 'access_denied' ELSE 'failed' END""",
    "reason": """CASE WHEN verdict <> 'complete'
        THEN regexp_replace(verdict, '^unknown: ', '') END""",
}
_EARLIER_RELEASES = {"raw.collections": ("verdict", _VERDICT)}
"""By table: the column of an earlier release, and the columns that are made from it."""


def quoted(name: str) -> str:
    """A name of a schema, table or column, safe in a statement."""
    return '"' + name.replace('"', '""') + '"'


def column_list(names: Iterable[str]) -> str:
    """Names of columns, safe in a statement, separated by commas."""
    return ", ".join(map(quoted, names))


def qualified(table: Table, database: str | None = None) -> str:
    """A table's full name, in the database in use or in another attached one."""
    parts = [table.schema, table.short_name]
    return ".".join(quoted(part) for part in ([database, *parts] if database else parts))


def types(table: Table) -> dict[str, str]:
    """The DuckDB type of each column, in order."""
    return {name: DUCKDB_TYPES[type(c)] for name, c in table.columns.columns().items()}


def declarations(table: Table) -> dict[str, str]:
    """Each column's type in a CREATE, with NOT NULL where the contract requires it."""
    return {
        name: DUCKDB_TYPES[type(column)] + ("" if column.nullable else _NOT_NULL)
        for name, column in table.columns.columns().items()
    }


def catalog(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """Each column's type and NOT NULL of all tables in the database in use, by `schema.table`."""
    tables: dict[str, dict[str, str]] = {}
    rows = con.execute(
        "SELECT schema_name || '.' || table_name, column_name, data_type, is_nullable"
        " FROM duckdb_columns() WHERE database_name = current_database()"
        " ORDER BY table_oid, column_index"
    ).fetchall()
    for table, name, kind, is_nullable in rows:
        tables.setdefault(table, {})[name] = kind if is_nullable else kind + _NOT_NULL
    return tables


def differences(table: Table, stored: Mapping[str, str]) -> tuple[str, ...]:
    """Each difference between a stored table's columns and its contract, as text."""
    declared = declarations(table)
    return tuple(
        f"{name} is {stored.get(name, 'absent')}, the contract says {declared.get(name, 'absent')}"
        for name in sorted({*stored, *declared})
        if stored.get(name) != declared.get(name)
    )


def contract_values(table: Table, stored: Mapping[str, str]) -> dict[str, str]:
    """The SQL expression of each column of the contract over the columns of a stored table.

    A column that the stored table lacks is null, or follows from a column of an earlier release.

    Raises:
        SchemaMismatch: A stored column has another type or is unknown, or a required one is absent.
    """
    declared, required = declarations(table), table.required
    earlier, replacements = _EARLIER_RELEASES.get(table.name, ("", {}))
    values = {name: quoted(name) if name in stored else "NULL" for name in declared}
    if earlier in stored:
        values |= replacements
    changed = any(
        stored[name].removesuffix(_NOT_NULL) != declared.get(name, "").removesuffix(_NOT_NULL)
        for name in stored
        if name != earlier
    )
    loosened = any(name in required and stored[name] != declared[name] for name in stored)
    if changed or loosened or any(values[name] == "NULL" for name in required):
        remedy = (
            f"Run `{REBUILD}`, which makes a new warehouse from the landing files"
            if table.schema == "raw"
            else f"Derive the marts again; where that does not help, run `{REBUILD}`"
        )
        raise SchemaMismatch(
            f"The stored table {table.name} does not fit this version of booking-assets:"
            f" {'; '.join(differences(table, stored))}. {remedy}"
        )
    return values


def prepare(con: duckdb.DuckDBPyConnection, tables: Iterable[Table]) -> None:
    """Create the tables that do not exist, and migrate those of earlier releases.

    Raises:
        SchemaMismatch: A stored table cannot be migrated to its contract.
    """
    stored_tables, stored_comments = catalog(con), _comments(con)
    for table in tables:
        stored = stored_tables.get(table.name, {})
        if not stored:
            create(con, table)
        elif [*stored.items()] != [*declarations(table).items()]:
            columns = projection(table, stored, table.column_names)
            former = f"former_{table.short_name}"
            con.execute(f"ALTER TABLE {qualified(table)} RENAME TO {quoted(former)}")
            create(con, table)
            former = f"{quoted(table.schema)}.{quoted(former)}"
            con.execute(f"INSERT INTO {qualified(table)} BY NAME SELECT {columns} FROM {former}")
            con.execute(f"DROP TABLE {former}")
        elif stored_comments[table.name] != table.meanings | _about(table):
            _comment(con, table)


def create(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Create the table anew, with its comments, in place of the stored one if there is one."""
    columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in declarations(table).items())
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(table.schema)}")
    con.execute(f"CREATE OR REPLACE TABLE {qualified(table)} ({columns})")
    _comment(con, table)


def _comment(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    con.execute(f"COMMENT ON TABLE {qualified(table)} IS {literal(_about(table)[''])}")
    for name, meaning in table.meanings.items():
        column = f"{qualified(table)}.{quoted(name)}"
        con.execute(f"COMMENT ON COLUMN {column} IS {literal(meaning)}")


def _about(table: Table) -> dict[str, str]:
    """The comment of the table itself, by an empty name."""
    return {"": f"{table.description} One row is {table.row}."}


def _comments(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """The comments of all tables in the database in use: of each column, and `_about`."""
    comments: dict[str, dict[str, str]] = {}
    rows = con.execute(
        "SELECT schema_name || '.' || table_name, column_name, comment FROM duckdb_columns()"
        " WHERE database_name = current_database() UNION ALL"
        " SELECT schema_name || '.' || table_name, '', comment FROM duckdb_tables()"
        " WHERE database_name = current_database()"
    ).fetchall()
    for table, name, comment in rows:
        comments.setdefault(table, {})[name] = comment
    return comments


def are_current(con: duckdb.DuckDBPyConnection, tables: Iterable[Table]) -> bool:
    """Whether stored tables have their contracts' columns, in their order, with the comments."""
    stored, comments = catalog(con), _comments(con)
    return all(
        comments.get(one.name) == one.meanings | _about(one)
        and [*stored[one.name].items()] == [*declarations(one).items()]
        for one in tables
    )


def projection(table: Table, stored: Mapping[str, str], columns: Iterable[str]) -> str:
    """The SELECT list for columns of the contract, and `rowid`, of a stored table.

    Raises:
        KeyError: The contract has no such column.
        SchemaMismatch: The stored columns do not fit the contract.
    """
    values, kinds = contract_values(table, stored), types(table)
    return ", ".join(
        # A stored column has its type: a cast would only be parsed and planned.
        quoted(name)
        if name == "rowid" or values[name] == quoted(name)
        else f"CAST({values[name]} AS {kinds[name]}) AS {quoted(name)}"
        for name in columns
    )


def insert(table: Table, columns: Collection[str] | None = None) -> str:
    """An INSERT of columns (all by default), cast to their types; FROM with the source follows."""
    values = ", ".join(
        f"CAST({quoted(name)} AS {kind}) AS {quoted(name)}"
        for name, kind in types(table).items()
        if columns is None or name in columns
    )
    return f"INSERT INTO {qualified(table)} BY NAME SELECT {values}"


def literal(text: str) -> str:
    """A string literal, for statements that take no parameters."""
    return "'" + text.replace("'", "''") + "'"
