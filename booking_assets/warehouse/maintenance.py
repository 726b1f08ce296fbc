"""Renames and forgets organizations, and finds the former files that `rebuild` left.

The retention of the log is in `collections_log`.
"""

# ruff: noqa: S608 - names come quoted from the contracts, values travel as parameters

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import duckdb
import polars as pl

from booking_assets.tables.catalog import HISTORY_TABLES, RAW_TABLES, TABLES
from booking_assets.tables.contract import History, Table
from booking_assets.tables.marts import EVENT_CHANGES
from booking_assets.tables.raw import COLLECTIONS
from booking_assets.warehouse import ddl
from booking_assets.warehouse.ddl import literal, qualified
from booking_assets.warehouse.errors import OrganizationConflict
from booking_assets.warehouse.frames import registered
from booking_assets.warehouse.view import View

_REPLACED = ".replaced-"
_REPLACED_AT = "%Y%m%dT%H%M%SZ"


def renames(stored: Mapping[str, UUID], configured: Mapping[str, UUID]) -> dict[str, str]:
    """The new slug of each stored organization whose identifier has another slug now.

    Raises:
        OrganizationConflict: Rows of a third organization are stored under a new slug.
    """
    slugs = {identifier: slug for slug, identifier in configured.items()}
    renamed = {
        former: slugs[identifier]
        for former, identifier in stored.items()
        if slugs.get(identifier, former) != former
    }
    for former, slug in renamed.items():
        if slug in stored and slug not in renamed and stored[slug] != stored[former]:
            raise OrganizationConflict(
                f"{slug}: the organization {stored[former]} was stored as {former}, but rows of"
                f" another organization ({stored[slug]}) are stored as {slug}. Nothing was changed:"
                f" run `booking-assets forget {slug}`, or choose another slug"
            )
    return renamed


def rename(con: duckdb.DuckDBPyConnection, renamed: Mapping[str, str]) -> None:
    """Move the rows, log and history of organizations to their new slugs."""
    before = ddl.catalog(con)
    # A table of changes that does not exist yet is filled when its history is extended.
    ddl.prepare(con, [*RAW_TABLES, *(one for one in HISTORY_TABLES if one.name in before)])
    names = pl.DataFrame(
        [*renamed.items()], schema={"former": pl.String, "slug": pl.String}, orient="row"
    )
    with registered(con, "names", names):
        con.execute("CREATE OR REPLACE TEMP TABLE renamed AS FROM names")
    _merge(con)
    stored = ddl.catalog(con)
    for table in TABLES:
        if table.name in stored and "organization" in table.column_names:
            con.execute(
                f"UPDATE {qualified(table)} AS t SET organization = renamed.slug"
                " FROM renamed WHERE t.organization = renamed.former"
            )


def _merge(con: duckdb.DuckDBPyConnection) -> None:
    """Prepare organizations that are stored under both slugs: rows of the former are deleted.

    Its log and history stay: as collections without a ticket, which precede others, and as versions
    that end where those under the new slug begin.
    """
    for table in RAW_TABLES:
        if table is not COLLECTIONS:
            con.execute(
                f"""
                DELETE FROM {qualified(table)} WHERE organization IN (
                    SELECT former FROM renamed
                    WHERE slug NOT IN (SELECT former FROM renamed)
                    AND slug IN (SELECT organization FROM {qualified(table)})
                )
                """
            )
    stored = ddl.catalog(con)
    for table in (EVENT_CHANGES, COLLECTIONS) if EVENT_CHANGES.name in stored else (COLLECTIONS,):
        con.execute(
            f"""
            UPDATE {qualified(table)} AS t SET sequence = NULL FROM renamed
            WHERE t.organization = renamed.former AND slug NOT IN (SELECT former FROM renamed)
            AND slug IN (
                SELECT organization FROM {qualified(COLLECTIONS)} WHERE status = 'complete'
            )
            """
        )
    for history in HISTORY_TABLES:
        if isinstance(history, History) and history.name in stored:
            _merge_history(con, history)


def _merge_history(con: duckdb.DuckDBPyConnection, history: History) -> None:
    """End the former slug's versions of each event where those under the new slug begin."""
    matches = "t.organization = begun.former AND t.event_identifier = begun.event_identifier"
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE begun AS
        SELECT former, event_identifier, min(valid_from) AS begins FROM {qualified(history)}
        JOIN renamed ON slug = organization WHERE slug NOT IN (SELECT former FROM renamed)
        GROUP BY ALL;
        DELETE FROM {qualified(history)} AS t USING begun WHERE {matches} AND valid_from >= begins;
        UPDATE {qualified(history)} AS t SET valid_to = begins FROM begun
        WHERE {matches} AND (valid_to IS NULL OR valid_to > begins);
        """
    )
    if history.changes and history.changes.name in ddl.catalog(con):
        con.execute(
            f"DELETE FROM {qualified(history.changes)} AS t USING begun"
            f" WHERE {matches} AND changed_at >= begins"
        )


def without(view: View, slug: str) -> dict[Table, str]:
    """The SELECT of each stored table without an organization's rows.

    Derived marts of another release are left out: they have to be derived again in any case.
    """
    return {
        table: f"{view.select(table)} AND organization IS DISTINCT FROM {literal(slug)}"
        if "organization" in table.column_names
        else view.select(table)
        for table in TABLES
        if view.is_stored(table)
        and (
            table in (*RAW_TABLES, *HISTORY_TABLES)
            or not ddl.differences(table, view.require_stored(table))
        )
    }


def replaced_name(now: datetime) -> str:
    """What is appended to the name of a warehouse that is replaced."""
    return f"{_REPLACED}{now.astimezone(UTC):{_REPLACED_AT}}"


def former_files(path: Path, before: datetime) -> list[Path]:
    """The files of warehouses that were replaced before an instant, by their names."""
    pattern = re.compile(rf"{re.escape(path.name)}(\.wal)?{re.escape(_REPLACED)}(\d{{8}}T\d{{6}}Z)")
    files = path.parent.iterdir() if path.parent.is_dir() else ()
    return sorted(
        file
        for file in files
        if (match := pattern.fullmatch(file.name))
        and datetime.strptime(match[2], _REPLACED_AT).replace(tzinfo=UTC) < before
    )
