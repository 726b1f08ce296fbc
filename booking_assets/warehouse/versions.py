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
from booking_assets.warehouse.ddl import qualified, quoted
from booking_assets.warehouse.frames import fetch, registered
from booking_assets.warehouse.questions import is_stored

Changed: TypeAlias = Callable[
    [pl.DataFrame, pl.DataFrame, pl.DataFrame], tuple[pl.DataFrame, pl.DataFrame]
]
"""From `open_version_digests`, `event_digests` and the newest collections (rows of
`raw.collections`) to what `apply` takes: the versions to close, and those to add."""

_KEY = ", ".join(quoted(name) for name in EVENTS.grain)


def event_digests(con: duckdb.DuckDBPyConnection, members: Sequence[str]) -> pl.DataFrame:
    """Each stored event: its key, collected_at, and a digest of its members."""
    return _digests(con, EVENTS, "collected_at", members, "true")


def open_version_digests(con: duckdb.DuckDBPyConnection, members: Sequence[str]) -> pl.DataFrame:
    """Each version without an end: its key, valid_from, and a digest of its members."""
    if not is_stored(con, EVENT_HISTORY):
        empty = EVENT_HISTORY.empty().select(*EVENTS.grain, "valid_from")
        return empty.with_columns(digest=pl.lit(None, dtype=pl.UInt64))
    return _digests(con, EVENT_HISTORY, "valid_from", members, "valid_to IS NULL")


def apply(con: duckdb.DuckDBPyConnection, closed: pl.DataFrame, added: pl.DataFrame) -> None:
    """Close versions and add others, within the open transaction.

    Args:
        con: The warehouse, open for writing.
        closed: organization, event_identifier, valid_from and the new valid_to.
        added: organization, event_identifier, valid_from, valid_to and change; their members come
            from raw.events, those of a deleted event from its last version.
    """
    ddl.prepare(con, EVENT_HISTORY)
    history, events = qualified(EVENT_HISTORY), qualified(EVENTS)
    members = ", ".join(f"source.{quoted(name)}" for name in EVENTS.column_names)
    new = f"{members}, added.valid_from, added.valid_to, added.change"
    with registered(con, "closed", closed), registered(con, "added", added):
        con.execute(
            f"""
            INSERT INTO {history} BY NAME SELECT {new} FROM {history} AS source
            JOIN added USING ({_KEY}) WHERE added.change = 'deleted' AND source.valid_to IS NULL
            """
        )
        con.execute(
            f"""
            UPDATE {history} AS version SET valid_to = closed.valid_to FROM closed
            WHERE version.organization = closed.organization
            AND version.event_identifier = CAST(closed.event_identifier AS UUID)
            AND version.valid_from = closed.valid_from AND version.valid_to IS NULL
            """
        )
        con.execute(
            f"""
            INSERT INTO {history} BY NAME SELECT {new} FROM {events} AS source
            JOIN added USING ({_KEY}) WHERE added.change <> 'deleted'
            """
        )


def _digests(
    con: duckdb.DuckDBPyConnection, table: Table, since: str, members: Sequence[str], which: str
) -> pl.DataFrame:
    """DuckDB promises equal hashes within one version only: both sides are hashed in one run."""
    key = [*EVENTS.grain, since]
    columns = ddl.selection(con, table, list(dict.fromkeys([*key, *members])))
    kept, hashed = (", ".join(map(quoted, names)) for names in (key, members))
    source = f"SELECT {columns} FROM {qualified(table)} WHERE {which}"
    return fetch(con, f"SELECT {kept}, hash({hashed}) AS digest FROM ({source})")
