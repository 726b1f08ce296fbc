"""Queries of the stored tables for checks, publishing and marts; every result is small.

The rules of the checks are in `transforms.check_rules`, queries of the log in `collections_log`.
"""

# ruff: noqa: S608 - names come quoted from the contracts, values travel as parameters

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

import polars as pl

from booking_assets.tables import raw
from booking_assets.tables.catalog import OF_ALL_ORGANIZATIONS
from booking_assets.tables.contract import Table
from booking_assets.tables.marts import EVENT_HISTORY
from booking_assets.tables.names import NameColumn
from booking_assets.tables.raw import COLLECTIONS, EVENT_COUNTS, EVENTS, REGISTRATIONS
from booking_assets.warehouse import ddl
from booking_assets.warehouse.collections_log import newest_complete
from booking_assets.warehouse.ddl import column_list, qualified, quoted
from booking_assets.warehouse.frames import registered
from booking_assets.warehouse.view import View

AS_OF = ("as_of", "events_as_of")
"""The columns of marts with the start of the events' collection that they were derived from."""


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


def row_count(view: View, table: Table) -> int:
    """The number of rows of a stored table."""
    view.require_stored(table)
    query = f"SELECT count(*) FROM {qualified(table)} WHERE {view.condition(table)}"
    ((rows,),) = view.con.execute(query).fetchall()
    return int(rows)


def row_counts(view: View, table: Table) -> dict[str, int]:
    """The number of rows of each organization."""
    return view.counts(
        f"SELECT organization, count(*) FROM {qualified(table)} WHERE {view.condition(table)}"
        " GROUP BY organization"
    )


def has_hidden_rows(view: View, table: Table) -> bool:
    """Whether the table has rows of organizations that are not visible."""
    query = f"SELECT 1 FROM {qualified(table)} WHERE NOT ({view.condition(table)}) LIMIT 1"
    return table not in OF_ALL_ORGANIZATIONS and bool(view.con.execute(query).fetchall())


def contract_breaches(view: View, table: Table) -> ContractBreaches:
    """The differences between a stored table and its contract; falsy where there is none.

    The key of the log is not counted: it grows without bound, and is checked when rows are added.
    """
    stored = view.require_stored(table)
    required = [name for name in table.required if name in stored]
    columns = ["count(*)", *(f"count({quoted(name)})" for name in required)]
    ((rows, *filled),) = view.con.execute(
        f"SELECT {', '.join(columns)} FROM {qualified(table)}"
    ).fetchall()
    has_key = table is not COLLECTIONS and stored.keys() >= {*table.grain}
    return ContractBreaches(
        columns=ddl.differences(table, stored),
        nulls={n: rows - count for n, count in zip(required, filled, strict=True) if count < rows},
        duplicates=duplicates(view, table) if has_key else 0,
    )


def duplicates(view: View, table: Table) -> int:
    """The number of rows beyond the first of each key."""
    if not table.grain:
        return 0
    key = column_list(table.grain)
    ((rows,),) = view.con.execute(
        "SELECT CAST(coalesce(sum(copies - 1), 0) AS BIGINT)"
        f" FROM (SELECT count(*) AS copies FROM {qualified(table)} GROUP BY {key})"
    ).fetchall()
    return int(rows)


def stored_identifiers(view: View) -> dict[str, UUID]:
    """The identifier of each organization in the warehouse: that of its events, else its count."""
    identifiers: dict[str, UUID] = {}
    for table in (EVENT_COUNTS, EVENTS):
        if view.is_stored(table):
            rows = view.con.execute(
                "SELECT organization, min(organization_identifier)"
                f" FROM ({view.select(table)}) GROUP BY organization"
            ).fetchall()
            identifiers |= dict(rows)
    return identifiers


def foreign_rows(view: View, identifiers: Mapping[str, UUID] | None = None) -> dict[str, int]:
    """The number of events with another owner than their organization has, by organization.

    `identifiers` are those of the configured organizations; of raw.event_counts by default.
    """
    if identifiers is None:
        rows = view.con.execute(
            f"SELECT organization, organization_identifier FROM ({view.select(EVENT_COUNTS)})"
        ).fetchall()
        identifiers = dict(rows)
    owners = pl.DataFrame(
        [(slug, str(identifier)) for slug, identifier in identifiers.items()],
        schema={"organization": pl.String, "owner": pl.String},
        orient="row",
    )
    with registered(view.con, "owners", owners):
        return view.counts(
            f"""
            SELECT organization, count(*)
            FROM ({view.select(EVENTS, ["organization", "organization_identifier"])})
            LEFT JOIN owners USING (organization)
            WHERE organization_identifier IS DISTINCT FROM CAST(owner AS UUID)
            GROUP BY organization
            """
        )


def unknown_members(view: View) -> dict[str, list[str]]:
    """The names of members of events that are not in the contract, by organization, sorted."""
    events = view.select(EVENTS, ["organization", "extra"])
    rows = view.con.execute(
        f"""
        SELECT organization, list_sort(list(DISTINCT name)) FROM (
            SELECT organization, unnest(json_keys(extra)) AS name
            FROM ({events}) WHERE extra IS NOT NULL
        ) GROUP BY organization
        """
    ).fetchall()
    return dict(rows)


def unmatched_registrations(view: View) -> dict[str, int]:
    """The number of registrations of events that are not stored, by organization."""
    return view.counts(
        f"""
        SELECT organization, count(*)
        FROM ({view.select(REGISTRATIONS, EVENTS.grain)})
        ANTI JOIN {qualified(EVENTS)} USING (organization, event_identifier)
        GROUP BY organization
        """
    )


def referred_rows(view: View, name: NameColumn) -> pl.DataFrame:
    """What events refer to, or once did: organization, identifier and the columns of its raw table.

    The raw table's columns are null for what is not stored there, which may be everything.
    """
    tables = [table for table in (EVENTS, EVENT_HISTORY) if view.is_stored(table)]
    referred = " UNION ".join(
        f"SELECT DISTINCT organization, {column} AS identifier"
        f" FROM ({view.select(table, ['organization', column])}) WHERE {column} IS NOT NULL"
        for table in tables
        for column in name.identifiers
    )
    source = name.source
    own = [column for column in source.column_names if column != "organization"]
    (key,) = [column for column in source.grain if column != "organization"]
    named = (
        view.select(source)
        if view.is_stored(source)
        else f"SELECT {', '.join(f'NULL AS {column}' for column in source.column_names)} LIMIT 0"
    )
    rows = view.fetch(
        f"""
        SELECT organization, identifier, {column_list(own)} FROM ({referred})
        LEFT JOIN (SELECT *, {key} AS identifier FROM ({named})) USING (organization, identifier)
        """
    )
    return rows.cast({column: source.dtypes[column] for column in own})


_COUNTS = (
    *("mode", "count_before", "count_after", "count_lowest", "count_highest"),
    *("rows_received", "rows_loaded", "rows_rejected", "duplicates_dropped"),
)


def reconciliation(view: View, table: Table = EVENTS) -> pl.DataFrame:
    """The stored rows of a resource beside the log row of its newest complete collection."""
    rejected = view.select(raw.REJECTED_ROWS, ["organization", "resource"])
    newest = newest_complete(view, columns=("organization", *_COUNTS))
    return view.fetch(
        f"""
        SELECT
            organization,
            coalesce(loaded.stored, 0) AS stored_loaded,
            coalesce(rejected.stored, 0) AS stored_rejected,
            {column_list(_COUNTS)}
        FROM ({newest}) AS newest
        FULL JOIN (
            SELECT organization, count(*) AS stored
            FROM ({view.select(table, ["organization"])}) GROUP BY organization
        ) AS loaded USING (organization)
        FULL JOIN (
            SELECT organization, count(*) AS stored FROM ({rejected})
            WHERE resource = $resource GROUP BY organization
        ) AS rejected USING (organization)
        ORDER BY organization
        """,
        {"resource": table.short_name},
    )


def stale_marts(view: View, tables: Iterable[Table]) -> dict[str, list[str]]:
    """The organizations whose marts are not derived from the stored raw rows, by mart.

    A mart is stale for an organization where its `as_of` is not the start of the newest complete
    collection, and for one that is not visible. An organization that has events and is in no mart
    is listed under `raw.events`: it was first collected after the marts were derived. A mart with
    columns of another release is stale as a whole.
    """
    marts = {
        table: column
        for table in tables
        for column in AS_OF
        if column in table.column_names and view.is_stored(table)
    }
    stale = {
        mart.name: ["columns of another release"]
        for mart in marts
        if ddl.differences(mart, view.require_stored(mart))
    }
    if stale or not marts:
        return stale
    everyone = View(view.con)
    newest = everyone.fetch(newest_complete(everyone), {"resource": EVENTS.short_name})
    with registered(view.con, "newest", newest):
        for mart, column in marts.items():
            hidden = f"NOT ({view.condition(mart)})" if column in mart.required else "false"
            stale[mart.name] = _organizations(
                view,
                f"""
                SELECT organization FROM {qualified(mart)} AS mart
                LEFT JOIN newest USING (organization)
                WHERE mart.{column} IS DISTINCT FROM newest.started_at OR {hidden}
                """,
            )
    derived = [mart for mart, column in marts.items() if column in mart.required]
    present = " UNION ".join(f"SELECT organization FROM {qualified(mart)}" for mart in derived)
    if derived:
        events = view.select(EVENTS, ["organization"])
        stale[EVENTS.name] = _organizations(
            view, f"SELECT organization FROM ({events}) EXCEPT ({present})"
        )
    return {name: organizations for name, organizations in stale.items() if organizations}


def _organizations(view: View, query: str) -> list[str]:
    rows = view.con.execute(f"SELECT DISTINCT organization FROM ({query}) ORDER BY 1").fetchall()
    return [organization for (organization,) in rows]
