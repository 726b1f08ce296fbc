"""How the history of events is kept: versions are closed and added, never written again.

What lives here: the digests that are compared, and the statements that apply what changed.
What must not: deciding what changed (`transforms.history`).
Read more: `docs/marts.md`, "`marts.event_history`".
"""

# ruff: noqa: S608 - names come quoted from the contracts, values travel as parameters

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import duckdb
import polars as pl

from booking_assets.tables.contract import Table
from booking_assets.tables.marts import EVENT_HISTORY
from booking_assets.tables.raw import EVENTS
from booking_assets.warehouse import ddl
from booking_assets.warehouse.batches import batches
from booking_assets.warehouse.ddl import qualified, quoted, types
from booking_assets.warehouse.frames import fetch, registered
from booking_assets.warehouse.queries import newest_collections

Changed: TypeAlias = Callable[
    [pl.DataFrame, pl.DataFrame, pl.DataFrame], tuple[pl.DataFrame, pl.DataFrame]
]
"""From the digests of open versions (the key, valid_from, digest), those of events (the key,
collected_at, digest) and the newest collections (rows of `raw.collections`) to the versions to
close (the key, valid_from and the new valid_to) and those to add (the key, valid_from, valid_to
and change)."""

_KEY = ", ".join(quoted(name) for name in EVENTS.grain)
_EVENT = ("event_identifier",)
_CLOSED = (*EVENT_HISTORY.grain, "valid_to")
_ADDED = (*_CLOSED, "change")
_OPEN = "valid_to IS NULL"


def extend(
    con: duckdb.DuckDBPyConnection,
    members: Sequence[str],
    changed: Changed,
    batch_rows: int,
) -> tuple[int, int]:
    """Close versions and add others within the open transaction.

    They are decided batch by batch, and written together: wide rows are read once.

    Args:
        con: The warehouse, open for writing; it holds events.
        members: The columns that two rows must agree in to be the same version.
        changed: Decides which versions end and which begin. Their members come from raw.events,
            those of a deleted event from its last version.
        batch_rows: How many events it decides on at once, on average.

    Returns:
        How many were closed and how many added.
    """
    ddl.prepare(con, EVENT_HISTORY)
    newest = newest_collections(con, EVENTS.short_name)
    rows = max(
        _keep_digests(con, "open_digests", EVENT_HISTORY, "valid_from", members, _OPEN),
        _keep_digests(con, "event_digests", EVENTS, "collected_at", members, "true"),
    )
    _keep_none(con, "closed", _CLOSED)
    _keep_none(con, "added", _ADDED)
    for batch in batches(_EVENT, rows, batch_rows):
        which = batch.condition(EVENTS)
        open_versions = fetch(con, f"FROM open_digests WHERE {which}")
        events = fetch(con, f"FROM event_digests WHERE {which}")
        for name, frame in zip(
            ("closed", "added"), changed(open_versions, events, newest), strict=True
        ):
            with registered(con, "decided", frame):
                con.execute(f"INSERT INTO {name} BY NAME FROM decided")
    return _apply(con)


def _keep_digests(
    con: duckdb.DuckDBPyConnection,
    name: str,
    table: Table,
    since: str,
    members: Sequence[str],
    which: str,
) -> int:
    """Keep the key, one instant and a digest of the members of each row, until the session ends.

    DuckDB promises equal hashes within one version only: both sides are hashed in one run.

    Returns:
        How many rows.
    """
    key = [*EVENTS.grain, since]
    columns = ddl.selection(con, table, list(dict.fromkeys([*key, *members])))
    kept, hashed = (", ".join(map(quoted, names)) for names in (key, members))
    source = f"SELECT {columns} FROM {qualified(table)} WHERE {which}"
    ((rows,),) = con.execute(
        f"CREATE TEMP TABLE {name} AS SELECT {kept}, hash({hashed}) AS digest FROM ({source})"
    ).fetchall()
    return int(rows)


def _keep_none(con: duckdb.DuckDBPyConnection, name: str, columns: Sequence[str]) -> None:
    """Make room for decided rows, until the session ends."""
    kinds = types(EVENT_HISTORY)
    con.execute(f"CREATE TEMP TABLE {name} ({', '.join(f'{one} {kinds[one]}' for one in columns)})")


def _apply(con: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Write what was decided; how many versions were closed and how many added."""
    history, events = qualified(EVENT_HISTORY), qualified(EVENTS)
    members = ", ".join(f"source.{quoted(name)}" for name in EVENTS.column_names)
    insert = (
        f"INSERT INTO {history} BY NAME"
        f" SELECT {members}, added.valid_from, added.valid_to, added.change"
    )
    ((deleted,),) = con.execute(
        f"""
        {insert} FROM {history} AS source JOIN added USING ({_KEY})
        WHERE added.change = 'deleted' AND source.{_OPEN}
        """
    ).fetchall()
    ((closed,),) = con.execute(
        f"""
        UPDATE {history} AS version SET valid_to = closed.valid_to FROM closed
        WHERE version.organization = closed.organization
        AND version.event_identifier = closed.event_identifier
        AND version.valid_from = closed.valid_from AND version.{_OPEN}
        """
    ).fetchall()
    ((others,),) = con.execute(
        f"""
        {insert} FROM {events} AS source JOIN added USING ({_KEY})
        WHERE added.change <> 'deleted'
        """
    ).fetchall()
    return closed, deleted + others
