"""Extends `marts.event_history`: digests of events and versions, and the resulting statements.

Which versions end and which begin is decided by `transforms.history`.
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
from booking_assets.warehouse.collections_log import newest_collections
from booking_assets.warehouse.ddl import column_list, qualified, quoted, types
from booking_assets.warehouse.frames import registered
from booking_assets.warehouse.view import View, batches

Changed: TypeAlias = Callable[
    [pl.DataFrame, pl.DataFrame, pl.DataFrame], tuple[pl.DataFrame, pl.DataFrame]
]
"""Maps last versions (the key, valid_from, digest; null where the event is deleted), events (the
key, collected_at, digest) and the newest collections (rows of `raw.collections`) to the versions to
close (the key, valid_from and the new valid_to) and those to add (the key, valid_from, valid_to and
change)."""

_KEY = column_list(EVENTS.grain)
_CLOSED = (*EVENT_HISTORY.grain, "valid_to")
_OPEN = "valid_to IS NULL"


def extend(
    view: View, members: Sequence[str], changed: Changed, batch_rows: int
) -> tuple[int, int]:
    """Close versions and add others within the open transaction; returns the number of each.

    Decides batch by batch and writes once, so that wide rows are read once.

    Args:
        view: The warehouse, open for writing, with raw.events.
        members: The columns whose values make a version.
        changed: Decides which versions end and which begin. Their members are copied from
            raw.events, those of a deleted event from its last version.
        batch_rows: Events in a batch, on average.
    """
    con = view.con
    ddl.prepare(con, [EVENT_HISTORY])
    view.require_stored(EVENTS)
    newest = newest_collections(view, EVENTS.short_name)
    rows = max(
        _store_digests(view, "last_digests", EVENT_HISTORY, "valid_from", members, _OPEN),
        _store_digests(view, "event_digests", EVENTS, "collected_at", members, "true"),
    )
    # The last versions of deleted events have no digest.
    con.execute(
        f"""
        INSERT INTO last_digests BY NAME
        SELECT organization, event_identifier, max(valid_from) AS valid_from
        FROM ({view.select(EVENT_HISTORY, [*EVENT_HISTORY.grain, "change"])})
        ANTI JOIN last_digests USING ({_KEY}) WHERE change = 'deleted' GROUP BY ALL
        """
    )
    kinds = types(EVENT_HISTORY)
    for name, columns in (("closed", _CLOSED), ("added", (*_CLOSED, "change"))):
        declarations = ", ".join(f"{column} {kinds[column]}" for column in columns)
        con.execute(f"CREATE TEMP TABLE {name} ({declarations})")
    for batch in batches(("event_identifier",), rows, batch_rows):
        which = batch.condition(EVENTS)
        last_versions = view.fetch(f"FROM last_digests WHERE {which}")
        events = view.fetch(f"FROM event_digests WHERE {which}")
        for name, frame in zip(
            ("closed", "added"), changed(last_versions, events, newest), strict=True
        ):
            with registered(con, "decided", frame):
                con.execute(f"INSERT INTO {name} BY NAME FROM decided")
    return _apply(con)


def _store_digests(
    view: View, name: str, table: Table, since: str, members: Sequence[str], which: str
) -> int:
    """Create a temporary table of each row's key, instant and digest; returns the number of rows.

    Hashes are equal within one release of DuckDB only: both sides are hashed in one session.
    """
    key = [*EVENTS.grain, since]
    extra = [column for column in ("valid_to",) if column in table.column_names]
    source = view.select(table, dict.fromkeys([*key, *members, *extra]))
    digest = f"hash({column_list(members)}) AS digest"
    ((rows,),) = view.con.execute(
        f"CREATE TEMP TABLE {name} AS"
        f" SELECT {column_list(key)}, {digest} FROM ({source}) WHERE {which}"
    ).fetchall()
    return int(rows)


def _apply(con: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Close and add the decided versions; returns the number of each."""
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
