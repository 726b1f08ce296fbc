"""The interface of the warehouse: read, store, replace, log and publish.

SQL is in `loads`, `queries`, `versions` and `snapshot`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl

from booking_assets.tables.catalog import RAW_TABLES, TABLES
from booking_assets.tables.contract import Table
from booking_assets.tables.raw import EVENTS, REGISTRATIONS
from booking_assets.warehouse import batches, ddl, frames, queries, snapshot, versions
from booking_assets.warehouse import loads as slice_loads
from booking_assets.warehouse.connection import DatabaseFile
from booking_assets.warehouse.loads import SliceLoad
from booking_assets.warehouse.queries import ContractBreaches
from booking_assets.warehouse.snapshot import Snapshot

REBUILD_BATCH = 50
"""Loads stored in one transaction while a warehouse is rebuilt."""

SHOWN = 50
"""Rows of a replaced table that are returned for a preview."""


@dataclass(frozen=True)
class Replaced:
    """The new content of a replaced table: the number of rows, and the first of them."""

    rows: int
    first: pl.DataFrame


@dataclass(frozen=True)
class Warehouse:
    """The DuckDB file of the project, and the snapshot that is published from it.

    Each method opens the file, waiting up to `busy_timeout_seconds` for its lock, and closes it.
    All raise `WarehouseBusy` when it stays locked, `WarehouseUnreadable` when it is damaged and
    `WarehouseOutOfMemory` when `memory_limit` is too low.

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
    _connection: duckdb.DuckDBPyConnection | None = field(default=None, repr=False)

    @contextmanager
    def session(self) -> Iterator[Warehouse]:
        """This warehouse over one connection for several reads, which saves 20 ms for each.

        The reads are consistent: writers wait until the block ends. Do not write in the block.

        Raises:
            TableNotFound: There is no warehouse.
        """
        with self._file.reading() as con:
            yield replace(self, _connection=con)

    def store(
        self, loads: Sequence[SliceLoad], refused: pl.DataFrame | None = None
    ) -> Mapping[tuple[str, str], int]:
        """Replace the slices of these organizations, all in one transaction or none.

        Args:
            loads: The complete collections.
            refused: Rows of `raw.collections` for the others, logged in the same transaction.

        Returns:
            The number of deleted rows, by organization and resource.

        Raises:
            SliceLoadFailed: A slice fails its verification; the error has the organization.
            SchemaMismatch: A stored table cannot be migrated to its contract.
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
            ddl.create_missing(con, RAW_TABLES)
            slice_loads.log(con, collections)
            if event_counts is not None:
                slice_loads.replace_counts(con, event_counts)

    def replace(
        self, table: Table, derive: Callable[[Warehouse], Iterable[pl.DataFrame]]
    ) -> Replaced:
        """Replace a whole table by derived rows: read and written in one transaction.

        Args:
            table: The table to replace.
            derive: Yields its rows in frames, read from the warehouse that it is given; each
                frame is stored and released before the next is requested.

        Returns:
            The new rows.

        Raises:
            FrameMismatch: A frame does not fit the contract, or a key is repeated; the stored
                table is unchanged.
        """
        with self._file.writing() as con:
            ddl.create(con, table)
            for frame in derive(replace(self, _connection=con)):
                frames.append(con, table, frame)
                # Released before the next frame is made.
                del frame
            if repeated := queries.duplicates(con, table):
                fault = f"{repeated} rows repeat a key ({', '.join(table.grain)})"
                raise frames.frame_mismatch(table, fault)
            return Replaced(
                rows=queries.row_count(con, table),
                first=batches.read(con, table, table.column_names, limit=SHOWN),
            )

    def read(self, table: Table, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """A stored table, or some of its columns, typed by its contract, unordered.

        Identifiers are lower-case text, instants microseconds in UTC.

        Raises:
            TableNotFound: The table was never written; an empty table was.
            SchemaMismatch: The stored columns do not fit the contract.
        """
        names = table.column_names if columns is None else columns
        with self._reading() as con:
            return batches.read(con, table, names)

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
        with self._reading() as con:
            rows = max(queries.row_count(con, table) for table in columns)
            for batch in batches.batches(key, rows, self.batch_rows):
                yield [batches.read(con, table, names, batch) for table, names in columns.items()]

    def row_counts(self, table: Table) -> Mapping[str, int]:
        """The number of rows of each organization; empty where the table was never written."""
        return self.rows_by_table([table])[table]

    def rows_by_table(self, tables: Sequence[Table]) -> Mapping[Table, Mapping[str, int]]:
        """`row_counts` of several tables, over one connection."""
        if not self.path.exists():
            return {table: {} for table in tables}
        with self._reading() as con:
            return {
                table: queries.row_counts(con, table) if queries.is_stored(con, table) else {}
                for table in tables
            }

    def newest_collections(self, resource: str = "events") -> pl.DataFrame:
        """Each organization's newest complete collection: its row of `raw.collections`.

        `started_at` is the `as_of` of marts. An organization without one has no row.

        Raises:
            TableNotFound: Nothing was ever collected.
        """
        with self._reading() as con:
            return queries.newest_collections(con, resource)

    def extend_history(self, members: Sequence[str], changed: versions.Changed) -> tuple[int, int]:
        """Extend `marts.event_history`: read, decided and written in one exclusive transaction.

        Args:
            members: The columns whose values make a version.
            changed: Decides which versions end and which begin, for a batch of events.

        Returns:
            The number of closed and of added versions.

        Raises:
            TableNotFound: No events were ever stored.
        """
        with self._file.writing() as con:
            ddl.require_stored(con, EVENTS)
            return versions.extend(con, members, changed, self.batch_rows)

    def known_organizations(self, resource: str) -> Sequence[str]:
        """The organizations whose newest collection, failed ones aside, is complete.

        Raises:
            TableNotFound: Nothing was ever collected.
        """
        with self._reading() as con:
            return queries.known_organizations(con, resource)

    def unmatched_registrations(self) -> Mapping[str, int]:
        """The number of registrations of events that are not stored, by organization.

        Raises:
            TableNotFound: Nothing was ever stored.
        """
        with self._reading_table(REGISTRATIONS) as con:
            return queries.unmatched_registrations(con)

    def publish(self, tables: Sequence[Table] = TABLES) -> Snapshot:
        """Publish the stored tables for analysts, as a new file behind the symlink.

        Raises:
            TableNotFound: There is nothing to publish.
            SnapshotFailed: The snapshot's path is taken, or the copy differs from its source.
            StaleMarts: A mart is not derived from the stored raw tables.
        """
        with self._file.reading(alone=True) as con:
            return snapshot.publish(con, tables, self.snapshot.absolute(), keep=self.snapshots_kept)

    def rebuild(self, loads: Sequence[SliceLoad], collections: pl.DataFrame) -> Path | None:
        """Replace the warehouse by a new one made from loads; the former file is kept.

        Args:
            loads: The newest landing of each organization and resource.
            collections: Further rows of `raw.collections`.

        Returns:
            The path of the former file; None where there was none. Marts are not rebuilt: derive
            them.

        Raises:
            SliceLoadFailed: A slice fails its verification; the former warehouse is unchanged.
        """
        aside = f".replaced-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        existed = self.path.exists()
        with self._file.replacing(aside) as path:
            fresh = replace(self, path=path)
            fresh.log(collections)
            for start in range(0, len(loads), REBUILD_BATCH):
                fresh.store(loads[start : start + REBUILD_BATCH])
        return self.path.with_name(f"{self.path.name}{aside}") if existed else None

    def contract_breaches(self, table: Table) -> ContractBreaches:
        """The differences between a stored table and its contract; falsy where there is none.

        Raises:
            TableNotFound: The table does not exist.
        """
        with self._reading_table(table) as con:
            return queries.breaches(con, table)

    def foreign_rows(self) -> Mapping[str, int]:
        """The number of events with another owner than raw.event_counts has, by organization.

        Raises:
            TableNotFound: No events were ever stored.
        """
        with self._reading_table(EVENTS) as con:
            return queries.foreign_rows(con)

    def rows_with_extra(self) -> Mapping[str, int]:
        """The number of events with members that are not in the contract, by organization.

        Raises:
            TableNotFound: No events were ever stored.
        """
        with self._reading_table(EVENTS) as con:
            return queries.rows_with_extra(con)

    def reconciliation(self, table: Table = EVENTS) -> pl.DataFrame:
        """The stored rows of a resource beside the log of its newest complete collection.

        Returns:
            organization, stored_loaded, stored_rejected, count_before, count_after, rows_received,
            rows_loaded, rows_rejected, duplicates_dropped; null where the log has no such row.

        Raises:
            TableNotFound: The table does not exist.
        """
        with self._reading_table(table) as con:
            return queries.reconciliation(con, table)

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
    def _reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The session's connection, or one for the block."""
        if self._connection is not None:
            yield self._connection
            return
        with self._file.reading() as con:
            yield con

    @contextmanager
    def _reading_table(self, table: Table) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to query a table that must exist."""
        with self._reading() as con:
            ddl.require_stored(con, table)
            yield con
