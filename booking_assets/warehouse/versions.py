"""Extends histories: digests of rows and versions, and the statements that write what changed.

Which versions end and which begin is decided by `transforms.history`.
"""

# ruff: noqa: S608 - names come quoted from the contracts, values travel as parameters

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

import duckdb
import polars as pl

from booking_assets.tables.contract import History, Table
from booking_assets.tables.raw import EVENTS
from booking_assets.warehouse import ddl, queries
from booking_assets.warehouse.collections_log import newest_collections
from booking_assets.warehouse.ddl import column_list, literal, qualified, quoted, types
from booking_assets.warehouse.frames import registered
from booking_assets.warehouse.view import Batch, View, batches

Changed: TypeAlias = Callable[
    [pl.DataFrame, pl.DataFrame, pl.DataFrame], tuple[pl.DataFrame, pl.DataFrame]
]
"""Maps last versions (the key, valid_from, valid_to, digest; null where that version has ended),
rows (the key, seen_at, digest) and the newest collections (rows of `raw.collections`) to the
versions to close (the key, valid_from and the new valid_to) and those to add (the key, valid_from,
valid_to and change)."""

APPLY_ROWS = 500_000
"""Versions that are written by one statement, on average: a join holds the keys of all of them."""
CHANGE_CHARACTERS = 200
"""The length at which old and new values are cut in a table of changes."""

_KEY = column_list(EVENTS.grain)
_OPEN = "valid_to IS NULL"


def extend(view: View, history: History, changed: Changed, batch_rows: int) -> tuple[int, int]:
    """Close versions and add others within the open transaction; returns the number of each.

    Decides batch by batch and writes once, so that wide rows are read once. An organization for
    which `history.source` is a stale mart is left as it is.

    Args:
        view: The warehouse, open for writing, with the history's source.
        history: The history to extend, with its table of changes.
        changed: Decides which versions end and which begin. Their members are copied from the
            source, those of a deleted event from its last version.
        batch_rows: Events in a batch, on average.
    """
    # Of its own: a view reads the catalog once.
    con, is_first = view.con, not View(view.con).is_stored(history)
    ddl.prepare(con, [history])
    view.require_stored(history.source)
    newest = newest_collections(view, EVENTS.short_name)
    if stale := set().union(*queries.stale_marts(view, [history.source]).values()):
        newest = newest.filter(~newest["organization"].is_in(stale))
        view = View(con, frozenset(newest["organization"]))
    rows = max(_store_last_versions(view, history), _store_rows(view, history))
    kinds = types(history) | {"change": "VARCHAR", "sequence": "BIGINT"}
    for name, columns in (("closed", ()), ("added", ("change", "sequence"))):
        declarations = ", ".join(
            f"{column} {kinds[column]}" for column in (*history.grain, "valid_to", *columns)
        )
        con.execute(f"CREATE OR REPLACE TEMP TABLE {name} ({declarations})")
    with registered(con, "newest", newest):
        for batch in batches(("event_identifier",), rows, batch_rows):
            which = batch.condition(EVENTS)
            last_versions = view.fetch(f"FROM last_versions WHERE {which}")
            seen = view.fetch(f"FROM seen WHERE {which}")
            closed, added = changed(last_versions, seen, newest)
            with registered(con, "decided", closed):
                con.execute("INSERT INTO closed BY NAME FROM decided")
            with registered(con, "decided", added):
                con.execute(
                    "INSERT INTO added BY NAME SELECT decided.*, sequence"
                    " FROM decided LEFT JOIN newest USING (organization)"
                )
    numbers = _apply(con, history)
    if history.changes:
        _append_changes(View(con), history, history.changes, batch_rows, is_first=is_first)
    return numbers


def _store_last_versions(view: View, history: History) -> int:
    """Create a temporary table of each event's last version; returns the number of open ones."""
    ended = "change = 'deleted'" if "change" in history.column_names else "valid_to IS NOT NULL"
    ((rows,),) = view.con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE last_versions AS
        SELECT {_KEY}, valid_from, valid_to, {_digest(history)}
        FROM ({view.select(history)}) WHERE {_OPEN}
        """
    ).fetchall()
    view.con.execute(
        f"""
        INSERT INTO last_versions BY NAME
        SELECT {_KEY}, max(valid_from) AS valid_from, max(valid_to) AS valid_to
        FROM ({view.select(history)}) ANTI JOIN last_versions USING ({_KEY})
        WHERE {ended} GROUP BY ALL
        """
    )
    return int(rows)


def _store_rows(view: View, history: History) -> int:
    """Create a temporary table of the source's known rows; returns their number."""
    source = view.select(history.source, [*history.members, history.instant])
    ((rows,),) = view.con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE seen AS
        SELECT {_KEY}, {history.instant} AS seen_at, {_digest(history)}
        FROM ({source}) WHERE seen_at IS NOT NULL
        """
    ).fetchall()
    return int(rows)


def _digest(history: History) -> str:
    """Hashes are equal within one release of DuckDB only: both sides are hashed in one session."""
    return f"hash({column_list(history.members)}) AS digest"


def _apply(con: duckdb.DuckDBPyConnection, history: History) -> tuple[int, int]:
    """Close and add the decided versions; returns the number of each."""
    versions, names = qualified(history), history.column_names
    copied = [f"source.{quoted(name)}" for name in names if name in history.source.column_names]
    begun = [f"added.{name}" for name in ("valid_from", "valid_to", "change") if name in names]
    insert = f"INSERT INTO {versions} BY NAME SELECT {', '.join([*copied, *begun])}"
    closed = begun_versions = 0
    ((rows,),) = con.execute(
        "SELECT (SELECT count(*) FROM closed) + count(*) FROM added"
    ).fetchall()
    for batch in batches(("event_identifier",), rows, APPLY_ROWS):
        which = batch.condition(EVENTS)
        added = f"(FROM added WHERE {which}) AS added"
        if "change" in names:
            begun_versions += _number(
                con,
                f"""
                {insert} FROM {versions} AS source JOIN {added} USING ({_KEY})
                WHERE added.change = 'deleted' AND source.{_OPEN}
                """,
            )
        closed += _number(
            con,
            f"""
            UPDATE {versions} AS version SET valid_to = closed.valid_to
            FROM (FROM closed WHERE {which}) AS closed
            WHERE version.organization = closed.organization
            AND version.event_identifier = closed.event_identifier
            AND version.valid_from = closed.valid_from AND version.{_OPEN}
            """,
        )
        begun_versions += _number(
            con,
            f"""
            {insert} FROM {qualified(history.source)} AS source JOIN {added} USING ({_KEY})
            WHERE added.change <> 'deleted'
            """,
        )
    return closed, begun_versions


def _number(con: duckdb.DuckDBPyConnection, statement: str) -> int:
    """The number of rows that a statement writes, or counts."""
    ((rows,),) = con.execute(statement).fetchall()
    return int(rows)


def _append_changes(
    view: View, history: History, changes: Table, batch_rows: int, *, is_first: bool
) -> None:
    """Append what distinguishes the added versions from those before them.

    Where the table of changes does not exist yet, it is filled from all versions of the history;
    where the history `is_first` written, these are the added ones. Rows that are inserted by an
    organization's first load, its first versions, are left out, and columns of `not_in_changes`,
    also those that an earlier release appended.
    """
    con, recorded, known = view.con, "added", "SELECT DISTINCT organization FROM last_versions"
    if not is_first and not view.is_stored(changes):
        sequences = f"SELECT {_KEY}, valid_from, sequence FROM added"
        recorded = f"{qualified(history)} LEFT JOIN ({sequences}) USING ({_KEY}, valid_from)"
        known = "SELECT organization FROM last_versions WHERE false"
    is_former = bool(ddl.differences(changes, view.catalog.get(changes.name, {})))
    ddl.prepare(con, [changes])
    if is_former and history.not_in_changes:
        left_out = ", ".join(map(literal, history.not_in_changes))
        con.execute(f"DELETE FROM {qualified(changes)} WHERE column_name IN ({left_out})")
    con.execute(
        f"""
        INSERT INTO {qualified(changes)} BY NAME
        SELECT {_KEY}, valid_from AS changed_at, change, sequence
        FROM {recorded} LEFT JOIN (
            SELECT organization, min(valid_from) AS loaded_at
            FROM {recorded} ANTI JOIN ({known}) USING (organization) GROUP BY organization
        ) USING (organization)
        WHERE change <> 'updated' AND (loaded_at IS NULL OR valid_from > loaded_at)
        """
    )
    ((updates,),) = con.execute(
        f"CREATE OR REPLACE TEMP TABLE updated AS SELECT {_KEY}, valid_from AS changed_at, sequence"
        f" FROM {recorded} WHERE change = 'updated'"
    ).fetchall()
    if updates:
        _append_updates(con, history, changes, batches(("event_identifier",), updates, batch_rows))


def _append_updates(
    con: duckdb.DuckDBPyConnection, history: History, changes: Table, updates: Iterable[Batch]
) -> None:
    """Append the columns in which the versions in `updated` differ from those before them.

    Versions are joined in batches, by the columns that differ in any of them: wide rows of all
    updates would not fit into memory.
    """
    key = f"{_KEY}, changed_at"
    old, new = (
        f"SELECT *, {instant} AS changed_at FROM {qualified(history)} WHERE {which}"
        for instant, which in (("valid_to", "valid_from < valid_to"), ("valid_from", "true"))
    )
    # Hashed twice, since DuckDB combines hashes by XOR: two equal changes would cancel out.
    names = history.members_in_changes
    digests = ", ".join(f"bit_xor(hash(hash({key}, {quoted(name)})))" for name in names)
    before, after = (
        con.execute(f"SELECT {digests} FROM ({side}) SEMI JOIN updated USING ({key})").fetchall()[0]
        for side in (old, new)
    )
    members = zip(names, before, after, strict=True)
    values = ", ".join(
        f"""
        CASE WHEN old.{column} IS DISTINCT FROM new.{column} THEN {{
            'column_name': {literal(name)},
            'old_value': left(CAST(old.{column} AS VARCHAR), {CHANGE_CHARACTERS}),
            'new_value': left(CAST(new.{column} AS VARCHAR), {CHANGE_CHARACTERS})
        }} END
        """
        for name, column in ((name, quoted(name)) for name, old, new in members if old != new)
    )
    for batch in updates if values else ():
        which = batch.condition(EVENTS)
        sides = (
            f"(SELECT * FROM ({side}) SEMI JOIN updated USING ({key}) WHERE {which})"
            for side in (old, new)
        )
        con.execute(
            f"""
            INSERT INTO {qualified(changes)} BY NAME
            SELECT {key}, 'updated' AS change, sequence,
                unnest(list_filter([{values}], lambda value: value IS NOT NULL), recursive := true)
            FROM {" AS old JOIN ".join(sides)} AS new USING ({key}) JOIN updated USING ({key})
            """
        )
