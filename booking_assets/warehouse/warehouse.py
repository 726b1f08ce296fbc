"""Stores, logs, replaces, publishes and maintains the warehouse; reading is in `reader`.

SQL is in `loads`, `versions`, `snapshot` and `maintenance`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import polars as pl

from booking_assets.tables.catalog import TABLES
from booking_assets.tables.contract import Table
from booking_assets.tables.raw import COLLECTIONS, EVENTS
from booking_assets.warehouse import (
    batches,
    collections_log,
    ddl,
    frames,
    maintenance,
    queries,
    snapshot,
    versions,
)
from booking_assets.warehouse import loads as slice_loads
from booking_assets.warehouse.loads import SliceLoad
from booking_assets.warehouse.reader import WarehouseReader
from booking_assets.warehouse.snapshot import Snapshot
from booking_assets.warehouse.view import View

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
class Warehouse(WarehouseReader):
    """The DuckDB file of the project, and the snapshot that is published from it.

    Methods that write raise `WarehouseUnwritable` where the disk is full or write-protected, and
    leave what was stored before.
    """

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
            slice_loads.log(con, collections, event_counts)

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
            view = View(con)
            if repeated := queries.duplicates(view, table):
                fault = f"{repeated} rows repeat a key ({', '.join(table.grain)})"
                raise frames.frame_mismatch(table, fault)
            return Replaced(
                rows=queries.row_count(view, table),
                first=batches.read(view, table, table.column_names, limit=SHOWN),
            )

    def extend_history(self, members: Sequence[str], changed: versions.Changed) -> tuple[int, int]:
        """Extend `marts.event_history`: read, decided and written in one exclusive transaction.

        Args:
            members: The columns whose values make a version.
            changed: Decides which versions end and which begin, for a batch of events.

        Returns:
            The number of closed and of added versions.
        """
        with self._file.writing() as con:
            view = View(con, self.organizations)
            view.require_stored(EVENTS)
            return versions.extend(view, members, changed, self.batch_rows)

    def publish(self, tables: Sequence[Table] = TABLES) -> Snapshot:
        """Publish the stored tables for analysts, as a new file behind the symlink.

        Raises:
            TableNotFound: There is nothing to publish.
            SnapshotFailed: The snapshot's path is taken, or the copy differs from its source.
            StaleMarts: A mart is not derived from the stored raw tables.
        """
        with self._file.reading(alone=True) as con:
            view = View(con, self.organizations)
            return snapshot.publish(
                view, tables, self.snapshot.absolute(), keep=self.snapshots_kept
            )

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
        aside = maintenance.replaced_name(datetime.now(UTC))
        existed = self.path.exists()
        with self._file.replacing(aside) as path:
            fresh = replace(self, path=path)
            fresh.log(collections)
            for start in range(0, len(loads), REBUILD_BATCH):
                fresh.store(loads[start : start + REBUILD_BATCH])
        return self.path.with_name(f"{self.path.name}{aside}") if existed else None

    def rename_organizations(self, configured: Mapping[str, UUID]) -> Mapping[str, str]:
        """Move the rows and history of organizations whose slug has changed to the new slug.

        Args:
            configured: The identifier of each organization in the settings, by slug.

        Returns:
            The new slug of each renamed organization, by the former one.

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
        """Delete old rows of `raw.collections`; the newest of each organization always stay.

        Args:
            now: The present instant.
            keep: The age at which rows are deleted.
            keep_unchanged: The same for incremental collections that changed no event.

        Returns:
            The number of deleted rows.
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
