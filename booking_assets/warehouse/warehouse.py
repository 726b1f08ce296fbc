"""`Warehouse`: reads, stores, logs, replaces, publishes and maintains the DuckDB file.

SQL is in `queries`, `collections_log`, `loads`, `versions`, `snapshot` and `maintenance`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, Self, TypeVar, cast
from uuid import UUID

import duckdb
import polars as pl

from booking_assets.tables.catalog import HISTORY_TABLES, TABLES
from booking_assets.tables.contract import History, Table
from booking_assets.tables.raw import COLLECTIONS
from booking_assets.warehouse import (
    collections_log,
    ddl,
    figures,
    frames,
    maintenance,
    queries,
    snapshot,
    versions,
)
from booking_assets.warehouse import loads as slice_loads
from booking_assets.warehouse.connection import DatabaseFile, transaction
from booking_assets.warehouse.errors import SchemaMismatch, TableNotFound, WarehouseUnreadable
from booking_assets.warehouse.loads import SliceLoad
from booking_assets.warehouse.paths import remove_database
from booking_assets.warehouse.snapshot import Snapshot
from booking_assets.warehouse.view import BATCH_ROWS, View, batches

P = ParamSpec("P")
T = TypeVar("T")

REBUILD_BATCH = 50
"""Loads stored in one transaction while a warehouse is rebuilt."""


def _reads(
    query: Callable[Concatenate[View, P], T],
    absent: Callable[[], T] | None = None,
    *,
    once: bool = False,
) -> Callable[Concatenate[Warehouse, P], T]:
    """A method that opens the warehouse and runs a query, with its signature and docstring.

    Where a table was never written, it returns what `absent` makes, or raises without it. Of raw
    tables, which no session changes, it may read `once` a session.
    """

    @wraps(query)
    def method(self: Warehouse, /, *args: P.args, **kwargs: P.kwargs) -> T:
        answers = self._answers if once and self._answers is not None else {}
        asked = (query, self.organizations, args, *kwargs.items()) if once else None
        try:
            if asked not in answers:
                with self._reading() as view:
                    answers[asked] = query(view, *args, **kwargs)
            return cast("T", answers[asked])
        except TableNotFound:
            if absent is None:
                raise
            return absent()

    return method


@dataclass(frozen=True)
class Warehouse:
    """The DuckDB file of the project, and the snapshot that is published from it.

    Each method opens the file, waiting up to `busy_timeout_seconds` for its lock, and closes it.
    All raise `WarehouseBusy` when it stays locked, `WarehouseUnreadable` when it is damaged and
    `WarehouseOutOfMemory` when `memory_limit` is too low. Those that read raise `TableNotFound`
    when a table was never written, and `SchemaMismatch` when its columns do not fit the contract.
    Those that write raise `WarehouseUnwritable` where the disk is full or write-protected, and
    leave what was stored before.

    Attributes:
        path: The DuckDB file; created at the first write, with its folder.
        snapshot: The path that analysts open: a symlink into `<snapshot>.d/`.
        memory_limit: DuckDB's bound on its buffers, such as `192MB`; beyond it, it spills to disk.
        threads: DuckDB's threads.
        busy_timeout_seconds: How long to wait for the locks, ours and DuckDB's together.
        snapshots_kept: The number of published versions to keep.
        readers_group: The group of the published files; the process's own by default.
        batch_rows: The rows of a batch in `read_batches`, on average.
        clock: Seconds, monotonic.
        sleep: Waits for a number of seconds.
        organizations: The organizations to read, derive and publish, see `only`; None: all.
        _view: The open warehouse; see `session` and `replace`.
        _connection: That of `writing_session`.
        _answers: Of a session, what it read `once`.
    """

    path: Path
    snapshot: Path
    memory_limit: str
    threads: int = 1
    busy_timeout_seconds: float = 60
    snapshots_kept: int = 3
    readers_group: str | None = None
    batch_rows: int = BATCH_ROWS
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    organizations: frozenset[str] | None = None
    _view: View | None = field(default=None, repr=False)
    _connection: duckdb.DuckDBPyConnection | None = field(default=None, repr=False)
    _answers: dict[object, object] | None = field(default=None, repr=False, hash=False)

    def only(self, organizations: Iterable[str]) -> Self:
        """This warehouse, but rows of other organizations are not read, derived or published.

        For derived marts and the snapshot: organizations that are no longer configured, or that
        fail a check, are left out. Storing, logging and pruning are for all organizations.
        """
        return replace(self, organizations=frozenset(organizations))

    @contextmanager
    def session(self) -> Iterator[Self]:
        """This warehouse over one connection for several reads, which saves 20 ms for each.

        The reads are consistent: writers wait until the block ends. Do not write in the block.
        """
        with self._file.reading() as con:
            yield replace(self, _view=View(con, self.organizations), _answers={})

    @contextmanager
    def writing_session(self) -> Iterator[Self]:
        """This warehouse over one connection, for which others wait; a write is a transaction."""
        with self._file.writing(begins=False) as con:
            yield replace(self, _connection=con, _answers={})

    def read(self, table: Table, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """A stored table, or some of its columns, typed by its contract, unordered.

        Identifiers are lower-case text, instants microseconds in UTC.
        """
        with self._reading() as view:
            return view.read(table, table.column_names if columns is None else columns)

    def read_batches(
        self, key: Sequence[str], columns: Mapping[Table, Sequence[str]]
    ) -> Iterator[list[pl.DataFrame]]:
        """Columns of stored tables in batches; rows with equal keys are in one batch.

        Args:
            key: Columns of each of the tables; see `Batch`.
            columns: The columns to read of each table.

        Returns:
            A frame for each table, batch by batch, each typed as by `read`. Small tables are one
            batch.
        """
        with self._reading() as view:
            rows = max(queries.row_count(view, table) for table in columns)
            yield from view.read_batches(columns, [*batches(key, rows, self.batch_rows)])

    def row_counts(self, table: Table) -> Mapping[str, int]:
        """The number of rows of each organization; empty where the table was never written."""
        return self.rows_by_table([table])[table]

    def rows_by_table(self, tables: Sequence[Table]) -> Mapping[Table, Mapping[str, int]]:
        """`row_counts` of several tables, over one connection."""
        if not self.path.exists():
            return {table: {} for table in tables}
        with self._reading() as view:
            return {
                table: queries.row_counts(view, table) if view.is_stored(table) else {}
                for table in tables
            }

    collections_of_runs = _reads(collections_log.collections_of_runs, COLLECTIONS.empty)
    newest_sequences = _reads(collections_log.newest_sequences, dict)
    stored_identifiers = _reads(queries.stored_identifiers, dict)
    newest_collections = _reads(collections_log.newest_collections, once=True)
    attempts = _reads(collections_log.attempts, once=True)
    unlogged = _reads(collections_log.unlogged)
    readable_as_of = _reads(collections_log.readable_as_of, once=True)
    failing_before = _reads(collections_log.failing_before)
    seats_as_of = _reads(collections_log.seats_as_of, once=True)
    events_without_registrations = _reads(collections_log.events_without_registrations, once=True)
    unmatched_registrations = _reads(queries.unmatched_registrations)
    contract_breaches = _reads(queries.contract_breaches)
    foreign_rows = _reads(queries.foreign_rows)
    referred_rows = _reads(queries.referred_rows)
    unknown_members = _reads(queries.unknown_members)
    reconciliation = _reads(queries.reconciliation, once=True)

    def store(
        self, loads: Sequence[SliceLoad], refused: pl.DataFrame | None = None
    ) -> Mapping[tuple[str, str], int]:
        """Replace the slices of these organizations, all in one transaction or none.

        Args:
            loads: The complete collections.
            refused: Rows of `raw.collections` for the others, logged in the same transaction.

        Returns:
            The number of deleted rows, by organization and resource, of the stored loads. One that
            precedes the stored collection is logged as overtaken instead.

        Raises:
            SliceLoadFailed: A slice fails its verification; the error has the organization.
        """
        with self._file.writing() as con:
            # With order preserved, DuckDB buffers many small files in memory.
            con.execute("SET preserve_insertion_order = false")
            # A second thread takes 50 MiB more, and saves 0.2 s at 100,000 events.
            con.execute("SET threads = 1")
            return slice_loads.store(con, loads, refused)

    def log(self, collections: pl.DataFrame, event_counts: pl.DataFrame | None = None) -> None:
        """Append collections to the log, and replace organizations' counts.

        Raises:
            FrameMismatch: A frame does not fit its contract.
            SliceLoadFailed: A collection is in the log already.
        """
        with self._file.writing() as con:
            slice_loads.log(con, collections, event_counts)

    def replace(
        self, table: Table, derive: Callable[[Warehouse], Iterable[pl.DataFrame]]
    ) -> figures.Replaced:
        """Replace a whole table by derived rows: read and written in one transaction.

        Args:
            table: The table to replace.
            derive: Yields its rows in frames, read from the warehouse that it is given; each
                frame is stored and released before the next is requested.

        Raises:
            FrameMismatch: A frame does not fit the contract, or a key is repeated; the stored
                table is unchanged.
        """
        with self._writing() as con:
            ddl.create(con, table)
            view = View(con, self.organizations)
            for frame in derive(replace(self, _view=view)):
                frames.append(con, table, frame)
                # Released before the next frame is made.
                del frame
            if repeated := queries.duplicates(view, table):
                fault = f"{repeated} rows repeat a key ({', '.join(table.grain)})"
                raise frames.frame_mismatch(table, fault)
            return figures.replaced(view, table)

    def extend_history(self, history: History, changed: versions.Changed) -> tuple[int, int]:
        """Extend a history and its changes: read, decided and written in one transaction.

        See `versions.extend` for the arguments and the returned numbers.
        """
        with self._writing() as con:
            view = View(con, self.organizations)
            return versions.extend(view, history, changed, self.batch_rows)

    def publish(
        self, tables: Sequence[Table] = TABLES, hidden: Iterable[tuple[str, str]] = ()
    ) -> Snapshot:
        """Publish the stored tables for analysts, as a new file behind the symlink.

        Args:
            tables: The tables to publish.
            hidden: Organizations and resources whose raw rows are left out.

        Raises:
            SnapshotFailed: The snapshot's path is taken, or the copy differs from its source.
            GroupUnusable: The published files cannot be given to `readers_group`.
            StaleMarts: A mart is not derived from the stored raw tables.
        """
        path = self.snapshot.absolute()
        with self._file.reading(alone=True) as con:
            view = View(con, self.organizations, frozenset(hidden))
            return snapshot.publish(
                view, tables, path, keep=self.snapshots_kept, group=self.readers_group
            )

    def rebuild(
        self, loads: Sequence[SliceLoad], collections: pl.DataFrame
    ) -> tuple[Path | None, str | None]:
        """Replace the warehouse by a new one made from loads; the former file is kept.

        The histories are copied from the former file. Other marts are not rebuilt: derive them.

        Args:
            loads: The newest landing of each organization and resource.
            collections: Further rows of `raw.collections`.

        Returns:
            The path of the former file; None where there was none. Why its histories could not be
            copied, all of them; None where they were.

        Raises:
            SliceLoadFailed: A slice fails its verification; the former warehouse is unchanged.
        """
        aside = maintenance.replaced_name(datetime.now(UTC))
        existed = self.path.exists()
        with self._file.replacing(aside) as path:
            fault = self._copy_histories(path) if existed else f"there was no file {self.path}"
            fresh = replace(self, path=path)
            fresh.log(collections)
            for start in range(0, len(loads), REBUILD_BATCH):
                fresh.store(loads[start : start + REBUILD_BATCH])
        return self.path.with_name(f"{self.path.name}{aside}") if existed else None, fault

    def _copy_histories(self, target: Path) -> str | None:
        """Copy the histories to a new file; returns why they cannot be read, None where copied."""
        try:
            with self._file.reading_former() as con:
                view = View(con)
                stored = [table for table in HISTORY_TABLES if view.is_stored(table)]
                snapshot.copy_tables(con, {table: view.select(table) for table in stored}, target)
        except (WarehouseUnreadable, SchemaMismatch, duckdb.Error) as error:
            remove_database(target)
            # The sentences after the first are remedies, such as to run a rebuild.
            return str(error.__cause__ or error).partition("\n")[0].partition(". ")[0]
        return None

    def rename_organizations(self, configured: Mapping[str, UUID]) -> Mapping[str, str]:
        """Move the rows and history of organizations whose slug has changed to the new slug.

        `configured` has the identifier of each organization in the settings, by slug. Returns the
        new slug of each renamed organization, by the former one.

        Raises:
            OrganizationConflict: Another organization is stored under a new slug.
        """
        renamed = maintenance.renames(self.stored_identifiers(), configured)
        if renamed:
            with self._file.writing() as con:
                maintenance.rename(con, renamed)
        return renamed

    def forget(self, slug: str) -> Mapping[str, int]:
        """Remove an organization's rows from every table, in a new file without former blocks.

        Published versions are not changed: publish again, with `snapshots_kept=1`.

        Returns:
            The number of removed rows, by table.
        """
        if not self.path.exists():
            return {}
        with self._file.rewriting() as (con, fresh):
            view = View(con)
            sources = maintenance.without(view, slug)
            before = {table.name: queries.row_count(view, table) for table in sources}
            kept = snapshot.copy_tables(con, sources, fresh)
        return {name: rows - kept[name] for name, rows in before.items() if rows > kept[name]}

    def prune_collections(self, now: datetime, keep: timedelta, keep_unchanged: timedelta) -> int:
        """Delete rows of `raw.collections` older than `keep`; returns their number.

        Incremental collections that changed no event are deleted after `keep_unchanged`. The newest
        of each organization always stay.
        """
        if not self.path.exists():
            return 0
        with self._file.writing() as con:
            ddl.prepare(con, [COLLECTIONS])
            return collections_log.prune(View(con), now - keep, now - keep_unchanged)

    def prune_replaced(self, now: datetime, keep: timedelta) -> Sequence[Path]:
        """Remove warehouses that `rebuild` replaced before `now - keep`; returns their paths."""
        files = maintenance.former_files(self.path, now - keep)
        for file in files:
            file.unlink(missing_ok=True)
        return files

    @property
    def _file(self) -> DatabaseFile:
        opened = (self.path.absolute(), self.snapshot, self.memory_limit, self.threads)
        return DatabaseFile(*opened, self.busy_timeout_seconds, self.clock, self.sleep)

    @contextmanager
    def _reading(self) -> Iterator[View]:
        """The session's connection, or one for the block."""
        view = self._view or (View(self._connection) if self._connection else None)
        if view is not None:
            same = view.organizations == self.organizations
            yield view if same else View(view.con, self.organizations)
            return
        with self._file.reading() as con:
            yield View(con, self.organizations)

    def _writing(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A transaction: over the session's connection, or over one that is opened for it."""
        return transaction(self._connection) if self._connection else self._file.writing()
