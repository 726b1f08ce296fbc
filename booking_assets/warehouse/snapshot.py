"""Publishes the DuckDB file for analysts: a verified copy of the warehouse, as a new version.

How versions replace one another is in `publication`.
"""

# ruff: noqa: S608 - names come quoted from the contracts, values travel as parameters

from __future__ import annotations

import filecmp
import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

from booking_assets.files import sync
from booking_assets.tables.capacity import CAPACITY_BY_EVENT, CAPACITY_UTILIZATION
from booking_assets.tables.catalog import OF_ALL_ORGANIZATIONS
from booking_assets.tables.contract import Table
from booking_assets.tables.marts import DISTRIBUTION_BY_EVENT, ROOM_UTILIZATION
from booking_assets.warehouse import ddl, queries
from booking_assets.warehouse.connection import (
    STORAGE,
    WAREHOUSE,
    is_write_failure,
    transaction,
)
from booking_assets.warehouse.ddl import column_list, qualified
from booking_assets.warehouse.errors import SnapshotFailed, StaleMarts, TableNotFound
from booking_assets.warehouse.figures import joined_figures
from booking_assets.warehouse.paths import log_of
from booking_assets.warehouse.publication import FILE_MODE, publish_version, versions_folder
from booking_assets.warehouse.view import View

COPY = "snapshot"
"""The catalog name of the copy while it is written."""

FILE = "booking.duckdb"
"""The name of a version's file: DuckDB names the catalog of an opened file after it."""

PUBLISHED_FIGURES = (
    CAPACITY_BY_EVENT,
    CAPACITY_UTILIZATION,
    DISTRIBUTION_BY_EVENT,
    ROOM_UTILIZATION,
)
"""The tables whose figures describe a published version."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """A published version.

    Attributes:
        path: The path that analysts open: a symlink to `version`, or a copy of it.
        version: The immutable file.
        rows: The number of rows of each table.
        figures: What people watch, of all organizations and of each; see `figures.figures`.
        bytes: Its size.
        seconds: The duration of publishing.
    """

    path: Path
    version: Path
    rows: Mapping[str, int]
    figures: pl.DataFrame
    bytes: int
    seconds: float


def publish(
    view: View, tables: Sequence[Table], path: Path, *, keep: int, group: str | None = None
) -> Snapshot:
    """Publish the stored tables at `path`, and remove all but the newest `keep` versions.

    Args:
        view: The warehouse, open for reading, locked exclusively. Rows of organizations that are
            not visible are left out, but of `OF_ALL_ORGANIZATIONS`.
        tables: The tables to publish; those that were never written are left out.
        path: The path that analysts open.
        keep: The number of versions to keep, this one included.
        group: The group of the files; unchanged by default.

    Raises:
        GroupUnusable: The files cannot be given to the group.
        TableNotFound: None of the tables is stored.
        SnapshotFailed: `path` was not published here, the copy differs, or it cannot be written.
        StaleMarts: A mart is not derived from the stored raw tables.
    """
    started = time.monotonic()
    stored = [table for table in tables if view.is_stored(table)]
    if not stored:
        raise TableNotFound("There is nothing to publish yet: run `booking-assets refresh` first")
    if stale := queries.stale_marts(view, stored):
        named = "; ".join(f"{table}: {', '.join(names)}" for table, names in stale.items())
        raise StaleMarts(
            "The raw tables changed after the marts were derived, so nothing was published"
            f" and the last snapshot stays ({named}). Derive the marts again, then publish"
        )
    folder = versions_folder(path)
    require_free(path, folder)
    rows: dict[str, int] = {}

    def write(partial: Path) -> bool:
        rows.update(write_copy(view, stored, partial / FILE))
        (partial / FILE).chmod(FILE_MODE)
        return True

    if path.name.partition(".")[0] != "booking":
        _log.warning(
            "The snapshot %s is not named booking.*: DuckDB 1.3 and 1.4 name its catalog after the"
            " path, later ones booking",
            path,
        )
    try:
        version = publish_version(path, write, keep=keep, file=FILE, group=group) / FILE
    except (OSError, duckdb.Error) as error:
        if not is_write_failure(error):
            raise
        raise SnapshotFailed(
            f"The snapshot could not be written to {folder} ({error}): the last one stays. Make"
            " room on the disk, or correct the folder's permissions, then publish again"
        ) from error
    return Snapshot(
        path=path,
        version=version,
        rows=rows,
        figures=joined_figures(view, [one for one in PUBLISHED_FIGURES if one in stored]),
        bytes=version.stat().st_size,
        seconds=time.monotonic() - started,
    )


def write_copy(view: View, tables: Sequence[Table], target: Path) -> dict[str, int]:
    """Write a verified copy of the tables to a new file, flushed to the disk.

    Returns:
        The number of rows of each table.

    Raises:
        SnapshotFailed: The copy differs from its source.
    """
    if _is_publishable_file(view, tables):
        rows = _copy_file(view.con, tables, target)
    else:
        everyone = View(view.con)
        sources = {
            table: (everyone if table in OF_ALL_ORGANIZATIONS else view).select(table)
            for table in tables
        }
        rows = copy_tables(view.con, sources, target)
    sync(target)
    return rows


def require_free(path: Path, folder: Path) -> None:
    """Check that `path` is a symlink to a file, or does not exist, or is a copy of a version."""
    if not path.exists() or (path.is_symlink() and path.is_file()):
        return
    ours = path.is_file() and any(
        filecmp.cmp(path, version, shallow=False)
        for version in (*folder.glob("*.duckdb"), *folder.glob(f"*/{FILE}"))
        if version.is_file()
    )
    if not ours:
        raise SnapshotFailed(
            f"{path} exists and was not published by booking-assets: move it away, or"
            " name another place with BOOKING_SNAPSHOT"
        )


def _is_publishable_file(view: View, tables: Sequence[Table]) -> bool:
    """Whether the warehouse's file can be published byte by byte, or must be copied by table.

    It can where it has no write-ahead log and is as long as its blocks, at most a third of which
    are free, is in the storage version of snapshots, and has these tables with the contracts'
    columns and comments, no others, and only visible organizations.
    """
    con = view.con
    ((total, free, block),) = con.execute(
        "SELECT total_blocks, free_blocks, block_size FROM pragma_database_size()"
        f" WHERE database_name = '{WAREHOUSE}'"
    ).fetchall()
    file, storage = _file_of(con)
    return (
        not log_of(file).exists()
        and file.stat().st_size >= total * block
        and 3 * free <= total
        and storage.rstrip("+") in STORAGE
        and view.catalog.keys() == {table.name for table in tables}
        and ddl.are_current(con, tables)
        and not any(queries.has_hidden_rows(view, table) for table in tables)
    )


def _copy_file(
    con: duckdb.DuckDBPyConnection, tables: Sequence[Table], target: Path
) -> dict[str, int]:
    """Copy and verify the warehouse's file: ten times as fast as table by table."""
    source, _ = _file_of(con)
    expected = _counts(con, tables, WAREHOUSE)
    shutil.copyfile(source, target)
    # Closing the source released DuckDB's lock on it: another process may have written.
    if not filecmp.cmp(source, target, shallow=False):
        raise SnapshotFailed(f"{source} changed while it was copied: the last snapshot stays")
    con.execute(f"ATTACH ? AS {COPY} (READ_ONLY)", [str(target)])
    try:
        rows = _counts(con, tables, COPY)
    finally:
        con.execute(f"DETACH {COPY}")
    if rows != expected:
        raise SnapshotFailed(
            f"The copy of {source} has {rows} rows instead of {expected}: the last snapshot stays"
        )
    return rows


def _file_of(con: duckdb.DuckDBPyConnection) -> tuple[Path, str]:
    """The warehouse's file and its storage version."""
    ((path, storage),) = con.execute(
        "SELECT path, tags['storage_version'] FROM duckdb_databases()"
        f" WHERE database_name = '{WAREHOUSE}'"
    ).fetchall()
    return Path(path), storage


def _counts(
    con: duckdb.DuckDBPyConnection, tables: Sequence[Table], database: str
) -> dict[str, int]:
    counts = {t.name: f"SELECT count(*) FROM {qualified(t, database)}" for t in tables}
    return {name: int(con.execute(query).fetchall()[0][0]) for name, query in counts.items()}


def copy_tables(
    con: duckdb.DuckDBPyConnection, sources: Mapping[Table, str], target: Path
) -> dict[str, int]:
    """Write and verify tables, with comments: the rows of each `sources` SELECT, to a new file.

    Returns and raises as `write_copy`.
    """
    # Faster: each thread writes the row groups that it read. Stored tables have no order.
    con.execute("SET preserve_insertion_order = false")
    con.execute(f"ATTACH ? AS {COPY} ({STORAGE})", [str(target)])
    con.execute(f"USE {COPY}")
    try:
        with transaction(con):
            for table in sources:
                ddl.create(con, table)
        con.execute(f"USE {WAREHOUSE}")
        with transaction(con):
            for table, source in sources.items():
                con.execute(f"INSERT INTO {qualified(table, COPY)} BY NAME {source}")
        con.execute(f"CHECKPOINT {COPY}")
        rows = {table.name: _compare(con, table, source) for table, source in sources.items()}
    except BaseException:
        # Where the disk is full, closing the copy fails as well: raise the first error.
        with suppress(duckdb.Error):
            _detach(con)
        raise
    _detach(con)
    return rows


def _detach(con: duckdb.DuckDBPyConnection) -> None:
    """Close the copy, which removes its write-ahead log."""
    con.execute(f"USE {WAREHOUSE}")
    con.execute(f"DETACH {COPY}")


def _compare(con: duckdb.DuckDBPyConnection, table: Table, source: str) -> int:
    """Check that a query and its copy have the same rows; returns their number.

    By count and sum of hashes, which takes a fifth of the time of the copy.
    """
    digest = f"coalesce(sum(CAST(hash({column_list(table.column_names)}) AS HUGEINT)), 0)"
    expected, copied = (
        con.execute(f"SELECT count(*), {digest} FROM ({query})").fetchall()[0]
        for query in (source, f"FROM {qualified(table, COPY)}")
    )
    if expected != copied:
        raise SnapshotFailed(
            f"The copy of {table.name} differs from its source ({copied[0]} rows against"
            f" {expected[0]}): the last snapshot stays. Publish again; if it happens again, check"
            " the disk and the memory of this machine"
        )
    return int(expected[0])
