"""The file that analysts open: written whole beside its place, compared, then swapped in.

What lives here: the copy, its comparison with the source, the symlink, and the removal of old ones.
What must not: replacing a file that somebody may have open. DuckDB 2.0 opens a path three times, so
a version is never changed once it has its name, and only the symlink moves.
Read more: `docs/architecture.md`, "Warehouse".
"""

# ruff: noqa: S608 - names come quoted from the contracts, values travel as parameters

from __future__ import annotations

import errno
import filecmp
import logging
import os
import secrets
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from booking_assets.tables.contract import Table
from booking_assets.warehouse import ddl, queries
from booking_assets.warehouse.connection import (
    STORAGE,
    WAREHOUSE,
    is_write_failure,
    log_of,
    sync_folder,
    transaction,
)
from booking_assets.warehouse.ddl import qualified, quoted
from booking_assets.warehouse.errors import SnapshotFailed, StaleMarts, TableNotFound

COPY = "snapshot"
"""The catalog name of the copy while it is written."""

PARTIAL = ".partial"
_NO_SYMLINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """What was published.

    Attributes:
        path: Where analysts open it: a symlink to `version`, or a copy of it.
        version: The immutable file.
        rows: Rows of each table in it.
        bytes: Its size.
        seconds: How long publishing took.
    """

    path: Path
    version: Path
    rows: Mapping[str, int]
    bytes: int
    seconds: float


def publish(
    con: duckdb.DuckDBPyConnection, tables: Sequence[Table], path: Path, *, keep: int
) -> Snapshot:
    """Publish the stored ones among `tables` at `path`, and keep the newest `keep` versions.

    Args:
        con: The warehouse, open for reading and held alone.
        tables: What to publish; a table that was never written is left out.
        path: Where analysts look.
        keep: How many versions to keep, this one included.

    Raises:
        TableNotFound: None of the tables is stored.
        SnapshotFailed: `path` holds something that was not published here, or the copy differs.
        StaleMarts: A mart is not derived from what the raw tables hold.
    """
    started = time.monotonic()
    stored = [table for table in tables if queries.is_stored(con, table)]
    if not stored:
        raise TableNotFound("There is nothing to publish yet: run `booking-assets refresh` first")
    _require_fresh(con, stored)
    folder = path.with_name(f"{path.name}.d")
    folder.mkdir(parents=True, exist_ok=True)
    _require_free(path, folder)
    _remove_partial(folder)
    version = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}-{secrets.token_hex(2)}.duckdb"
    partial = version.with_name(f"{version.name}{PARTIAL}")
    try:
        rows = write_copy(con, stored, partial)
        partial.rename(version)
    except (OSError, duckdb.Error) as error:
        if not is_write_failure(error):
            raise
        raise SnapshotFailed(
            f"The snapshot could not be written to {folder} ({error}): the last one stays. Make"
            " room on the disk, or see to the folder's permissions, then publish again"
        ) from error
    finally:
        _remove_partial(folder)
    sync_folder(folder)
    point(path, version)
    _prune(folder, version, keep)
    return Snapshot(
        path=path,
        version=version,
        rows=rows,
        bytes=version.stat().st_size,
        seconds=time.monotonic() - started,
    )


def write_copy(
    con: duckdb.DuckDBPyConnection, tables: Sequence[Table], target: Path
) -> dict[str, int]:
    """Write a verified copy of the tables to a new file, flushed to the disk.

    Returns:
        The number of rows of each table.

    Raises:
        SnapshotFailed: The copy differs from its source.
    """
    whole = _may_be_copied_as_it_is(con, tables)
    rows = (_copy_file if whole else _copy_tables)(con, tables, target)
    _sync(target)
    return rows


def point(path: Path, version: Path, link: Callable[[str, Path], None] = os.symlink) -> None:
    """Make `path` lead to `version` in one step: whoever opens it finds the old one or the new one.

    Args:
        path: Where analysts look.
        version: A file in the folder beside it.
        link: Makes a symlink; where the file system has none, the version is copied instead.
    """
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    try:
        link(str(version.relative_to(path.parent)), fresh)
    except OSError as error:
        if error.errno not in _NO_SYMLINKS:
            raise
        _log.warning(
            "No symlinks can be made in %s (%s): the snapshot %s is a copy, and a reader who opens"
            " it at the very moment of publishing may have to open it again",
            path.parent,
            error.strerror,
            path,
        )
        shutil.copyfile(version, fresh)
        _sync(fresh)
    fresh.replace(path)
    sync_folder(path.parent)


def _require_fresh(con: duckdb.DuckDBPyConnection, tables: Sequence[Table]) -> None:
    stale = queries.stale_marts(con, tables)
    if stale:
        named = "; ".join(f"{table}: {', '.join(names)}" for table, names in stale.items())
        raise StaleMarts(
            "The raw tables have moved on since the marts were derived, so nothing was published"
            f" and the last snapshot stays ({named}). Derive the marts again, then publish"
        )


def _require_free(path: Path, folder: Path) -> None:
    """Check that `path` is a symlink, nothing at all, or a copy of one of our own versions."""
    if path.is_symlink() or not path.exists():
        return
    ours = path.is_file() and any(
        filecmp.cmp(path, version, shallow=False) for version in folder.glob("*.duckdb")
    )
    if not ours:
        raise SnapshotFailed(
            f"{path} is there already and was not published by booking-assets: move it away, or"
            " name another place with BOOKING_SNAPSHOT"
        )


def _may_be_copied_as_it_is(con: duckdb.DuckDBPyConnection, tables: Sequence[Table]) -> bool:
    """Whether the warehouse's file is what a snapshot should be: whole, compact, nothing more.

    A file with a log is not whole, nor is one shorter than its blocks. A third of free blocks is
    worth the slower copy. What is doubtful goes table by table, and so is read.
    """
    (size,) = con.execute(
        "SELECT total_blocks, free_blocks, block_size FROM pragma_database_size()"
        f" WHERE database_name = '{WAREHOUSE}'"
    ).fetchall()
    total, free, block = size
    file = _file_of(con)
    return (
        not log_of(file).exists()
        and file.stat().st_size >= total * block
        and 3 * free <= total
        and ddl.stored_tables(con) == {table.name for table in tables}
        and all(ddl.is_current(con, table) for table in tables)
    )


def _copy_file(
    con: duckdb.DuckDBPyConnection, tables: Sequence[Table], target: Path
) -> dict[str, int]:
    """Copy the warehouse's file, byte by byte: ten times as fast as table by table.

    Returns:
        The rows of each table.

    Raises:
        SnapshotFailed: The copy differs from its source.
    """
    source = _file_of(con)
    expected = {table.name: _count(con, table, WAREHOUSE) for table in tables}
    shutil.copyfile(source, target)
    # Closing the source gave up DuckDB's lock on it: a foreign writer would show here.
    if not filecmp.cmp(source, target, shallow=False):
        raise SnapshotFailed(f"{source} changed while it was copied: the last snapshot stays")
    con.execute(f"ATTACH ? AS {COPY} (READ_ONLY)", [str(target)])
    try:
        rows = {table.name: _count(con, table, COPY) for table in tables}
    finally:
        con.execute(f"DETACH {COPY}")
    if rows != expected:
        raise SnapshotFailed(
            f"The copy of {source} holds {rows} rows instead of {expected}: the last snapshot stays"
        )
    return rows


def _file_of(con: duckdb.DuckDBPyConnection) -> Path:
    (row,) = con.execute(
        f"SELECT path FROM duckdb_databases() WHERE database_name = '{WAREHOUSE}'"
    ).fetchall()
    return Path(row[0])


def _count(con: duckdb.DuckDBPyConnection, table: Table, database: str) -> int:
    (row,) = con.execute(f"SELECT count(*) FROM {qualified(table, database)}").fetchall()
    return int(row[0])


def _copy_tables(
    con: duckdb.DuckDBPyConnection, tables: Sequence[Table], target: Path
) -> dict[str, int]:
    """Write the tables to a new file, compact and with their comments, and close it.

    Returns:
        The rows of each table.
    """
    lists = {table: ddl.selection(con, table, table.column_names) for table in tables}
    # Each thread writes the row groups that it read: faster, and a stored table has no order.
    con.execute("SET preserve_insertion_order = false")
    con.execute(f"ATTACH ? AS {COPY} ({STORAGE})", [str(target)])
    con.execute(f"USE {COPY}")
    try:
        with transaction(con):
            for table, columns in lists.items():
                ddl.create(con, table)
                con.execute(
                    f"INSERT INTO {qualified(table, COPY)} BY NAME"
                    f" SELECT {columns} FROM {qualified(table, WAREHOUSE)}"
                )
        con.execute(f"CHECKPOINT {COPY}")
        rows = {table.name: _compare(con, table, columns) for table, columns in lists.items()}
    except BaseException:
        # A full disk is the error to show, not that the copy cannot be closed either.
        with suppress(duckdb.Error):
            _detach(con)
        raise
    _detach(con)
    return rows


def _detach(con: duckdb.DuckDBPyConnection) -> None:
    """Close the copy: only then its log is gone and the file is whole by itself."""
    con.execute(f"USE {WAREHOUSE}")
    con.execute(f"DETACH {COPY}")


def _compare(con: duckdb.DuckDBPyConnection, table: Table, columns: str) -> int:
    """Check that a table and its copy hold the same rows.

    The row count and the sum of the rows' hashes do not depend on the order; reading both sides
    whole costs a fifth of the copy.

    Returns:
        How many rows.

    Raises:
        SnapshotFailed: They do not.
    """
    source = _fingerprint(con, table, WAREHOUSE, columns)
    copied = _fingerprint(con, table, COPY, columns)
    if source != copied:
        raise SnapshotFailed(
            f"The copy of {table.name} differs from its source ({copied[0]} rows against"
            f" {source[0]}): the last snapshot stays. Publish again; if it happens again, the disk"
            " or the memory of this machine is not to be trusted"
        )
    return source[0]


def _fingerprint(
    con: duckdb.DuckDBPyConnection, table: Table, database: str, columns: str
) -> tuple[int, int]:
    names = ", ".join(quoted(name) for name in table.column_names)
    source = qualified(table, database)
    (row,) = con.execute(
        f"""
        SELECT count(*), sum(CAST(hash({names}) AS HUGEINT)) FROM (SELECT {columns} FROM {source})
        """
    ).fetchall()
    return row[0], row[1] or 0


def _sync(file: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())


def _remove_partial(folder: Path) -> None:
    """Remove what a failed or killed publisher left: nobody else publishes, the lock is ours."""
    for leftover in folder.glob(f"*{PARTIAL}*"):
        leftover.unlink(missing_ok=True)


def _prune(folder: Path, current: Path, keep: int) -> None:
    """Remove all but the newest versions, never the current one; who has one open keeps it."""
    older = sorted(version for version in folder.glob("*.duckdb") if version != current)
    for version in older[: max(len(older) - (keep - 1), 0)]:
        version.unlink(missing_ok=True)
