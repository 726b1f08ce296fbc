"""Queries of the stored tables for checks, publishing and marts; every result is small.

Nothing is changed here, and no result is judged: that is up to `transforms.check_rules`.
"""

# ruff: noqa: S608 - names come quoted from the contracts, values travel as parameters

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import duckdb
import polars as pl

from booking_assets.tables.contract import Table
from booking_assets.tables.raw import (
    COLLECTIONS,
    EVENT_COUNTS,
    EVENTS,
    REGISTRATIONS,
    REJECTED_ROWS,
)
from booking_assets.warehouse import ddl
from booking_assets.warehouse.ddl import qualified, quoted
from booking_assets.warehouse.frames import fetch, registered

AS_OF = "as_of"
"""The column of a mart with the start of the collection that it was derived from."""

_NEWEST = f"""
    SELECT * FROM {qualified(COLLECTIONS)}
    WHERE resource = $resource AND status = 'complete'
    QUALIFY row_number() OVER (
        PARTITION BY organization ORDER BY started_at DESC, finished_at DESC
    ) = 1
"""


@dataclass(frozen=True)
class ContractBreaches:
    """The differences between a stored table and its contract.

    Attributes:
        columns: The columns that differ, as text.
        nulls: The number of nulls of each required column that has any.
        duplicates: The number of rows beyond the first of each key.
    """

    columns: tuple[str, ...]
    nulls: Mapping[str, int]
    duplicates: int

    def __bool__(self) -> bool:
        return bool(self.columns or self.nulls or self.duplicates)


def is_stored(con: duckdb.DuckDBPyConnection, table: Table) -> bool:
    """Whether the table was ever written."""
    return bool(ddl.stored_declarations(con, table))


def row_count(con: duckdb.DuckDBPyConnection, table: Table) -> int:
    """The number of rows of a stored table.

    Raises:
        TableNotFound: The table does not exist.
    """
    ddl.require_stored(con, table)
    (row,) = con.execute(f"SELECT count(*) FROM {qualified(table)}").fetchall()
    return int(row[0])


def row_counts(con: duckdb.DuckDBPyConnection, table: Table) -> dict[str, int]:
    """The number of rows of each organization."""
    return dict(
        con.execute(
            f"SELECT organization, count(*) FROM {qualified(table)} GROUP BY organization"
        ).fetchall()
    )


def newest_collections(con: duckdb.DuckDBPyConnection, resource: str) -> pl.DataFrame:
    """The row of `raw.collections` of each organization's newest complete collection."""
    columns = ddl.selection(con, COLLECTIONS, COLLECTIONS.column_names)
    return fetch(
        con,
        f"SELECT {columns} FROM ({_NEWEST}) ORDER BY organization",
        {"resource": resource},
    )


def breaches(con: duckdb.DuckDBPyConnection, table: Table) -> ContractBreaches:
    """The differences between a stored table and its contract."""
    stored = ddl.stored_declarations(con, table)
    required = [name for name in table.required if name in stored]
    columns = ["count(*)", *(f"count({quoted(name)})" for name in required)]
    ((rows, *filled),) = con.execute(
        f"SELECT {', '.join(columns)} FROM {qualified(table)}"
    ).fetchall()
    return ContractBreaches(
        columns=ddl.differences(table, stored),
        nulls={n: rows - count for n, count in zip(required, filled, strict=True) if count < rows},
        duplicates=duplicates(con, table) if stored.keys() >= {*table.grain} else 0,
    )


def duplicates(con: duckdb.DuckDBPyConnection, table: Table) -> int:
    """The number of rows beyond the first of each key."""
    if not table.grain:
        return 0
    key = ", ".join(quoted(name) for name in table.grain)
    (row,) = con.execute(
        f"""
        SELECT CAST(coalesce(sum(copies - 1), 0) AS BIGINT)
        FROM (SELECT count(*) AS copies FROM {qualified(table)} GROUP BY {key})
        """
    ).fetchall()
    return int(row[0])


def foreign_rows(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """The number of events with another owner than raw.event_counts has, by organization."""
    return dict(
        con.execute(
            f"""
            SELECT organization, count(*)
            FROM {qualified(EVENTS)} AS event
            LEFT JOIN {qualified(EVENT_COUNTS)} AS counted USING (organization)
            WHERE event.organization_identifier IS DISTINCT FROM counted.organization_identifier
            GROUP BY organization
            """
        ).fetchall()
    )


def rows_with_extra(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """The number of events with members that are not in the contract, by organization."""
    return dict(
        con.execute(
            f"SELECT organization, count(*) FROM {qualified(EVENTS)}"
            " WHERE extra IS NOT NULL GROUP BY organization"
        ).fetchall()
    )


def known_organizations(con: duckdb.DuckDBPyConnection, resource: str) -> list[str]:
    """The organizations whose newest collection, failed ones aside, is complete."""
    rows = con.execute(
        f"""
        SELECT organization FROM {qualified(COLLECTIONS)}
        WHERE resource = ? AND status IN ('complete', 'access_denied')
        QUALIFY row_number() OVER (PARTITION BY organization ORDER BY started_at DESC) = 1
        AND status = 'complete' ORDER BY organization
        """,
        [resource],
    ).fetchall()
    return [organization for (organization,) in rows]


def unmatched_registrations(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """The number of registrations of events that are not stored, by organization."""
    return dict(
        con.execute(
            f"""
            SELECT organization, count(*) FROM {qualified(REGISTRATIONS)}
            ANTI JOIN {qualified(EVENTS)} USING (organization, event_identifier)
            GROUP BY organization
            """
        ).fetchall()
    )


def reconciliation(con: duckdb.DuckDBPyConnection, table: Table) -> pl.DataFrame:
    """The stored rows of a resource beside those in the log, one row an organization."""
    return fetch(
        con,
        f"""
        SELECT
            organization,
            coalesce(loaded.stored, 0) AS stored_loaded,
            coalesce(rejected.stored, 0) AS stored_rejected,
            mode, count_before, count_after,
            rows_received, rows_loaded, rows_rejected, duplicates_dropped
        FROM ({_NEWEST}) AS newest
        FULL JOIN (
            SELECT organization, count(*) AS stored FROM {qualified(table)} GROUP BY organization
        ) AS loaded USING (organization)
        FULL JOIN (
            SELECT organization, count(*) AS stored FROM {qualified(REJECTED_ROWS)}
            WHERE resource = $resource GROUP BY organization
        ) AS rejected USING (organization)
        ORDER BY organization
        """,
        {"resource": table.short_name},
    )


def stale_marts(con: duckdb.DuckDBPyConnection, tables: Iterable[Table]) -> dict[str, list[str]]:
    """The organizations whose marts are not derived from the stored raw rows, by mart.

    A mart is stale for an organization where its `as_of` is not the start of the newest complete
    collection. An organization that has events and is in no mart is listed under `raw.events`: it
    was first collected after the marts were derived.
    """
    marts = [table for table in tables if AS_OF in table.column_names and is_stored(con, table)]
    if not marts:
        return {}
    stale = {}
    with registered(con, "newest", newest_collections(con, EVENTS.short_name)):
        for mart in marts:
            stale[mart.name] = _organizations(
                con,
                f"""
                SELECT mart.organization FROM {qualified(mart)} AS mart
                LEFT JOIN newest USING (organization)
                WHERE mart.{AS_OF} IS DISTINCT FROM newest.started_at
                """,
            )
    derived = [mart for mart in marts if AS_OF in mart.required]
    mentioned = " UNION ".join(f"SELECT organization FROM {qualified(mart)}" for mart in derived)
    if derived:
        stale[EVENTS.name] = _organizations(
            con, f"SELECT organization FROM {qualified(EVENTS)} EXCEPT ({mentioned})"
        )
    return {name: organizations for name, organizations in stale.items() if organizations}


def _organizations(con: duckdb.DuckDBPyConnection, query: str) -> list[str]:
    rows = con.execute(f"SELECT DISTINCT organization FROM ({query}) ORDER BY 1").fetchall()
    return [organization for (organization,) in rows]
