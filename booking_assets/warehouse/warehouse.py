"""The warehouse as the rest of the project sees it.

What lives here: `Warehouse`, the only way to read, store, replace, log and publish.
What must not: SQL beyond a line (`slices`, `queries`, `snapshot`), rules about meaning.
Read more: `docs/architecture.md`, "Warehouse".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl

from booking_assets.tables.catalog import RAW_TABLES, TABLES
from booking_assets.tables.contract import Table
from booking_assets.tables.raw import COLLECTIONS, EVENTS, REGISTRATIONS
from booking_assets.warehouse import batches, ddl, frames, queries, snapshot, versions
from booking_assets.warehouse import loads as slice_loads
from booking_assets.warehouse.connection import DatabaseFile
from booking_assets.warehouse.loads import SliceLoad
from booking_assets.warehouse.queries import ContractBreaches
from booking_assets.warehouse.snapshot import Snapshot

REBUILD_BATCH = 50
"""Organizations stored in one transaction while a warehouse is rebuilt."""

SHOWN = 50
"""Rows of a replaced table that are handed back to be shown."""


@dataclass(frozen=True)
class Replaced:
    """What a table was replaced by: how many rows, and the first of them."""

    rows: int
    first: pl.DataFrame


@dataclass(frozen=True)
class Warehouse:
    """One DuckDB file that only this project opens, and the snapshot that is published from it.

    Each method opens the file for itself, waits for others in bounded time, and closes it. All
    raise `WarehouseBusy` when the time is up, `WarehouseUnreadable` when the file is damaged and
    `WarehouseOutOfMemory` when `memory_limit` is too low.

    Attributes:
        path: The warehouse; written when first needed, with its folder.
        snapshot: Where analysts find the published copy: a symlink into `<snapshot>.d/`.
        memory_limit: Bound on DuckDB's buffers; beyond it, DuckDB spills to disk.
        threads: DuckDB's threads.
        busy_timeout_seconds: How long to wait for other users of the warehouse.
        snapshots_kept: How many published versions to keep.
        batch_rows: How many rows a derivation gets at once, on average.
        clock: Seconds, monotonic.
        sleep: Waits for some seconds.
        _connection: An open connection; see `session` and `replace`.
    """

    path: Path
    snapshot: Path
    memory_limit: str = "512MB"
    threads: int = 2
    busy_timeout_seconds: float = 60
    snapshots_kept: int = 3
    batch_rows: int = batches.BATCH_ROWS
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    _connection: duckdb.DuckDBPyConnection | None = field(default=None, repr=False)

    @contextmanager
    def session(self) -> Iterator[Warehouse]:
        """The same warehouse for several queries over one connection: 20 ms less for each.

        Nothing is stored meanwhile, so the answers fit each other, and who would store waits: do
        not write in the block, and do not stay long.

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
            loads: What is complete.
            refused: Rows of `raw.collections` about what is not, logged in the same transaction.

        Returns:
            By organization and resource, how many stored rows the new slice lacks.

        Raises:
            SliceLoadFailed: A slice is not what its load promises; the error has the organization.
            SchemaMismatch: A stored table cannot be brought to its contract by adding columns.
        """
        with self._file.writing() as con:
            # Else DuckDB holds many small files in memory to keep their order.
            con.execute("SET preserve_insertion_order = false")
            # A second thread compresses row groups of its own: 50 MiB more, for 0.2 s less at
            # 100,000 events.
            con.execute("SET threads = 1")
            return slice_loads.store(con, loads, refused)

    def log(self, collections: pl.DataFrame, event_counts: pl.DataFrame | None = None) -> None:
        """Append refused collections to the log, and replace these organizations' counts.

        Raises:
            FrameMismatch: A frame does not fit its contract.
            SliceLoadFailed: The log holds one of the collections already.
        """
        with self._file.writing() as con:
            ddl.create_missing(con, RAW_TABLES)
            slice_loads.log(con, collections)
            if event_counts is not None:
                slice_loads.replace_counts(con, event_counts)

    def replace(
        self, table: Table, derive: Callable[[Warehouse], Iterable[pl.DataFrame]]
    ) -> Replaced:
        """Put what is derived in place of a whole table: read and written in one transaction.

        Nobody sees a part of it, and a process that is killed leaves the former table. Others wait
        meanwhile.

        Args:
            table: What to replace.
            derive: Makes its rows of the warehouse that it is given, frame after frame: each is
                stored, and let go, before the next one is asked for.

        Returns:
            What is stored now.

        Raises:
            FrameMismatch: A frame does not fit the contract, or two share a key; the stored table
                is unchanged.
        """
        with self._file.writing() as con:
            ddl.create(con, table)
            for frame in derive(replace(self, _connection=con)):
                frames.append(con, table, frame)
                # Else it would be there while the next one is made.
                del frame
            if repeated := queries.duplicates(con, table):
                fault = f"{repeated} rows share their {', '.join(table.grain)} with another frame"
                raise frames.refusal(table, [fault])
            return Replaced(
                rows=queries.row_count(con, table),
                first=batches.read(con, table, table.column_names, limit=SHOWN),
            )

    def read(self, table: Table, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """A stored table, or some of its columns, typed as its contract says.

        Identifiers are lower-case text, instants microseconds in UTC. Rows come in no order.

        Raises:
            TableNotFound: The table does not exist: a table without rows does.
            SchemaMismatch: The stored columns do not fit the contract.
        """
        names = table.column_names if columns is None else columns
        with self._reading() as con:
            return batches.read(con, table, names)

    def read_batches(
        self, key: Sequence[str], columns: Mapping[Table, Sequence[str]]
    ) -> Iterator[list[pl.DataFrame]]:
        """Some columns of stored tables in batches: each row once, those that agree together.

        Args:
            key: The columns that rows which belong together agree in, in each of the tables; see
                `Batch`.
            columns: The columns to read of each table.

        Returns:
            A frame for each table, batch by batch, each typed as by `read`. A small table is
            one batch.

        Raises:
            TableNotFound: One of the tables does not exist.
            SchemaMismatch: Stored columns do not fit the contract.
        """
        with self._reading() as con:
            rows = max(queries.row_count(con, table) for table in columns)
            for batch in batches.batches(key, rows, self.batch_rows):
                yield [batches.read(con, table, names, batch) for table, names in columns.items()]

    def row_counts(self, table: Table) -> Mapping[str, int]:
        """How many rows each organization has; empty where nothing was ever written."""
        return self.rows_by_table([table])[table]

    def rows_by_table(self, tables: Sequence[Table]) -> Mapping[Table, Mapping[str, int]]:
        """The same of several tables, over one connection."""
        if not self.path.exists():
            return {table: {} for table in tables}
        with self._reading() as con:
            return {
                table: queries.row_counts(con, table) if queries.is_stored(con, table) else {}
                for table in tables
            }

    def newest_collections(self, resource: str = "events") -> pl.DataFrame:
        """Each organization's newest complete collection: its row of `raw.collections`.

        `started_at` is the `as_of` of marts. An organization that was never complete has no row.

        Raises:
            TableNotFound: Nothing was ever collected.
        """
        with self._reading() as con:
            return queries.newest_collections(con, resource)

    def logged(self, run_ids: Collection[str]) -> pl.DataFrame:
        """The rows of `raw.collections` that some runs wrote; none where nothing was ever logged.

        Raises:
            SchemaMismatch: The stored columns do not fit the contract.
        """
        if not self.path.exists():
            return COLLECTIONS.empty()
        with self._reading() as con:
            if not queries.is_stored(con, COLLECTIONS):
                return COLLECTIONS.empty()
            return queries.logged(con, run_ids)

    def extend_history(self, members: Sequence[str], changed: versions.Changed) -> tuple[int, int]:
        """Close versions of events and add others: read, decided and written in one transaction.

        Two that extend it at once do so one after the other: neither decides from what the other
        is about to change. It is decided in batches of events, and written at once.

        Args:
            members: The columns that two rows must agree in to be the same version.
            changed: Decides which versions end and which begin, among some of the events.

        Returns:
            How many were closed and how many added.

        Raises:
            TableNotFound: No events were ever stored.
        """
        with self._file.writing() as con:
            ddl.require_stored(con, EVENTS)
            return versions.extend(con, members, changed, self.batch_rows)

    def known_organizations(self, resource: str) -> Sequence[str]:
        """The organizations whose newest answer about a resource is not that it may not be read.

        Raises:
            TableNotFound: Nothing was ever collected.
        """
        with self._reading() as con:
            return queries.known_organizations(con, resource)

    def unmatched_registrations(self) -> Mapping[str, int]:
        """Registrations of events that are not stored, by organization.

        Raises:
            TableNotFound: Nothing was ever stored.
        """
        with self._asking(REGISTRATIONS) as con:
            return queries.unmatched_registrations(con)

    def publish(self, tables: Sequence[Table] = TABLES) -> Snapshot:
        """Publish the stored tables for analysts, as a new file behind the symlink.

        Raises:
            TableNotFound: There is nothing to publish.
            SnapshotFailed: The snapshot's place is taken, or the copy differs from its source.
            StaleMarts: A mart is not derived from what the raw tables hold.
        """
        with self._file.reading(alone=True) as con:
            return snapshot.publish(con, tables, self.snapshot.absolute(), keep=self.snapshots_kept)

    def rebuild(self, loads: Sequence[SliceLoad], collections: pl.DataFrame) -> Path | None:
        """Put a new warehouse, made of loads alone, in place of whatever stands there.

        Args:
            loads: The newest landing of each organization and resource.
            collections: Rows of `raw.collections` that no load carries.

        Returns:
            Where the former file was moved; None where there was none. Marts are not rebuilt:
            derive them.

        Raises:
            SliceLoadFailed: A landing is not what it promises; the former warehouse is untouched.
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
        """Where a stored table departs from its contract; falsy where nowhere.

        Raises:
            TableNotFound: The table does not exist.
        """
        with self._asking(table) as con:
            return queries.breaches(con, table)

    def foreign_rows(self) -> Mapping[str, int]:
        """Events that carry another identifier than their organization's count, by organization.

        Raises:
            TableNotFound: No events were ever stored.
        """
        with self._asking(EVENTS) as con:
            return queries.foreign_rows(con)

    def unknown_members(self) -> Mapping[str, Sequence[str]]:
        """The members of events that the contract does not know, by organization.

        Raises:
            TableNotFound: No events were ever stored.
        """
        with self._asking(EVENTS) as con:
            return queries.unknown_members(con)

    def reconciliation(self, table: Table = EVENTS) -> pl.DataFrame:
        """What is stored of a resource beside what the log of its newest complete collection says.

        Returns:
            organization, stored_loaded, stored_rejected, count_before, count_after, rows_received,
            rows_loaded, rows_rejected, duplicates_dropped; null where the log has no such row.

        Raises:
            TableNotFound: The table does not exist.
        """
        with self._asking(table) as con:
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
        """The held connection, or one for the block."""
        if self._connection is not None:
            yield self._connection
            return
        with self._file.reading() as con:
            yield con

    @contextmanager
    def _asking(self, table: Table) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open for a question about a table that must be stored."""
        with self._reading() as con:
            ddl.require_stored(con, table)
            yield con
