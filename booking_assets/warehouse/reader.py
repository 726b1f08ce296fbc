"""Reads the warehouse; writing and publishing are in `warehouse`.

SQL is in `queries`, `collections_log` and `batches`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self
from uuid import UUID

import duckdb
import polars as pl

from booking_assets.tables.contract import Table
from booking_assets.tables.raw import COLLECTIONS, EVENTS
from booking_assets.warehouse import batches, collections_log, queries
from booking_assets.warehouse.connection import DatabaseFile
from booking_assets.warehouse.queries import ContractBreaches
from booking_assets.warehouse.view import View


@dataclass(frozen=True)
class WarehouseReader:
    """The DuckDB file of the project, and the snapshot that is published from it.

    Each method opens the file, waiting up to `busy_timeout_seconds` for its lock, and closes it.
    All raise `WarehouseBusy` when it stays locked, `WarehouseUnreadable` when it is damaged and
    `WarehouseOutOfMemory` when `memory_limit` is too low. Those that read raise `TableNotFound`
    when a table was never written, and `SchemaMismatch` when its columns do not fit the contract.

    Attributes:
        path: The DuckDB file; created at the first write, with its folder.
        snapshot: The path that analysts open: a symlink into `<snapshot>.d/`.
        memory_limit: DuckDB's, such as `192MB`; beyond it, DuckDB spills to disk.
        threads: DuckDB's threads.
        busy_timeout_seconds: How long to wait for other processes that use the warehouse.
        snapshots_kept: The number of published versions to keep.
        batch_rows: The rows of a batch in `read_batches`, on average.
        clock: Seconds, monotonic.
        sleep: Waits for a number of seconds.
        organizations: The organizations to read, derive and publish, see `only`; None: all.
        _connection: An open connection; see `session` and `replace`.
    """

    path: Path
    snapshot: Path
    memory_limit: str
    threads: int = 2
    busy_timeout_seconds: float = 60
    snapshots_kept: int = 3
    batch_rows: int = batches.BATCH_ROWS
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    organizations: frozenset[str] | None = None
    _connection: duckdb.DuckDBPyConnection | None = field(default=None, repr=False)

    def only(self, organizations: Iterable[str]) -> Self:
        """This warehouse, but rows of other organizations are not read, derived or published.

        For derived marts and the snapshot: organizations that are no longer configured, or that
        break a promise, are left out. Storing, logging and pruning are for all organizations.
        """
        return replace(self, organizations=frozenset(organizations))

    @contextmanager
    def session(self) -> Iterator[Self]:
        """This warehouse over one connection for several reads, which saves 20 ms for each.

        The reads are consistent: writers wait until the block ends. Do not write in the block.
        """
        with self._file.reading() as con:
            yield replace(self, _connection=con)

    def read(self, table: Table, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """A stored table, or some of its columns, typed by its contract, unordered.

        Identifiers are lower-case text, instants microseconds in UTC.
        """
        names = table.column_names if columns is None else columns
        with self._reading() as view:
            return batches.read(view, table, names)

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

        Raises:
            TableNotFound: One of the tables does not exist.
            SchemaMismatch: Stored columns do not fit the contract.
        """
        with self._reading() as view:
            rows = max(queries.row_count(view, table) for table in columns)
            for batch in batches.batches(key, rows, self.batch_rows):
                yield [batches.read(view, table, names, batch) for table, names in columns.items()]

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

    def newest_collections(self, resource: str = "events", count: int = 1) -> pl.DataFrame:
        """The rows of `raw.collections` of each organization's newest complete collections.

        `started_at` of the newest is the `as_of` of marts. An organization without one has no row.

        Args:
            resource: `events` or `registrations`.
            count: How many of each organization; the newest is the first.
        """
        with self._reading() as view:
            return collections_log.newest_collections(view, resource, count)

    def collections_of_runs(self, run_ids: Collection[str]) -> pl.DataFrame:
        """The rows of `raw.collections` of some runs; none where nothing was ever collected."""
        if not self.path.exists():
            return COLLECTIONS.empty()
        with self._reading() as view:
            if not view.is_stored(COLLECTIONS):
                return COLLECTIONS.empty()
            return collections_log.collections_of_runs(view, run_ids)

    def newest_sequences(self) -> Mapping[str, int]:
        """The highest sequence in `raw.collections` of each organization."""
        if not self.path.exists():
            return {}
        with self._reading() as view:
            return collections_log.newest_sequences(view) if view.is_stored(COLLECTIONS) else {}

    def attempts(self) -> pl.DataFrame:
        """The newest collection, complete or not, of each organization and resource.

        Returns:
            organization, resource, complete_at, last_attempt_at, last_status, reason, remedy and
            failing_since; see `transforms.freshness`.
        """
        with self._reading() as view:
            return collections_log.attempts(view)

    def seats_as_of(self) -> pl.DataFrame:
        """The start of each organization's newest complete collection of registrations.

        Returns:
            organization and seats_as_of, without organizations whose registrations may not be read
            any more, as their newest answer says.
        """
        with self._reading() as view:
            return collections_log.seats_as_of(view)

    def events_without_registrations(self) -> pl.DataFrame:
        """The events that were first collected by a later run than the stored registrations.

        Returns:
            organization and event_identifier.
        """
        with self._reading() as view:
            return collections_log.events_without_registrations(view)

    def unmatched_registrations(self) -> Mapping[str, int]:
        """The number of registrations of events that are not stored, by organization."""
        with self._reading() as view:
            return queries.unmatched_registrations(view)

    def contract_breaches(self, table: Table) -> ContractBreaches:
        """The differences between a stored table and its contract; falsy where there is none."""
        with self._reading() as view:
            return queries.breaches(view, table)

    def foreign_rows(self, identifiers: Mapping[str, UUID] | None = None) -> Mapping[str, int]:
        """The number of events with another owner than their organization has, by organization.

        Args:
            identifiers: The configured organizations; those of raw.event_counts by default.
        """
        with self._reading() as view:
            return queries.foreign_rows(view, identifiers)

    def unknown_members(self) -> Mapping[str, Sequence[str]]:
        """The names of members of events that are not in the contract, by organization."""
        with self._reading() as view:
            return queries.unknown_members(view)

    def reconciliation(self, table: Table = EVENTS) -> pl.DataFrame:
        """The stored rows of a resource beside the log of its newest complete collection.

        Returns:
            organization, stored_loaded, stored_rejected, count_before, count_after, rows_received,
            rows_loaded, rows_rejected, duplicates_dropped; null where the log has no such row.
        """
        with self._reading() as view:
            return queries.reconciliation(view, table)

    def stored_identifiers(self) -> Mapping[str, UUID]:
        """The identifier of each stored organization, by slug; empty where there is none."""
        if not self.path.exists():
            return {}
        with self._reading() as view:
            return queries.stored_identifiers(view)

    @property
    def _file(self) -> DatabaseFile:
        return DatabaseFile(
            path=self.path.absolute(),
            snapshot=self.snapshot,
            memory_limit=self.memory_limit,
            threads=self.threads,
            busy_timeout_seconds=self.busy_timeout_seconds,
            clock=self.clock,
            sleep=self.sleep,
        )

    @contextmanager
    def _reading(self) -> Iterator[View]:
        """The session's connection, or one for the block."""
        if self._connection is not None:
            yield View(self._connection, self.organizations)
            return
        with self._file.reading() as con:
            yield View(con, self.organizations)
