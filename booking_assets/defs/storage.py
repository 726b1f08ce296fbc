"""Dagster's SQLite storage, with an event log that keeps its connections open.

Both `dagster.yaml` files name `PooledSqliteStorage`, and any other may; its files are those of
Dagster's own storage. It halves a run of 200 organizations: `docs/decisions/0006-event-log.md`.

`storage.sql` has the tables of Dagster's databases; its test writes what the file must say.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import sqlalchemy
from dagster._core.events import ASSET_EVENTS, DagsterEventType
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.sql import ScriptDirectory  # type: ignore[attr-defined]
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData

from booking_assets.files import sync

# Else Alembic reads its 80 scripts 12 times a run to find the newest: 18 ms of CPU each time.
ScriptDirectory.from_config = cache(ScriptDirectory.from_config)  # type: ignore[method-assign]

# Dagster hands over the events of an asset's partitions together; by default, one by one.
os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "1000")

SHARDS_OPEN = 8
"""How many databases stay open: the index, the run that writes, and a few that somebody reads."""

STORED_TOGETHER = {*ASSET_EVENTS, DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED}
"""The events of assets, and the checks that a run plans: their order does not matter."""


@cache
def _schemas() -> dict[str, str]:
    """The parts of `storage.sql` by their names."""
    parts = Path(__file__).with_name("storage.sql").read_text(encoding="utf-8").split("-- ")[1:]
    return dict(part.split("\n", 1) for part in parts)


def _create(database: Path, *parts: str) -> None:
    """Create a database with its tables, whole or not at all, unless it exists.

    Dagster's own way, each table in a transaction of its own, takes a fifteenth of the CPU seconds
    of a small refresh. Where a file cannot be linked, Dagster creates the database.
    """
    if database.exists():
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    fresh = database.with_name(f"{database.name}.{uuid4().hex}.new")
    script = "".join(_schemas()[part] for part in parts)
    try:
        with closing(sqlite3.connect(fresh)) as connection:
            # Flushed to the disk as a whole; the file keeps that it has a write-ahead log.
            connection.executescript(
                f"PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL; BEGIN; {script} COMMIT"
            )
        sync(fresh)
        # Another process may have been quicker.
        with suppress(OSError):
            os.link(fresh, database)
    finally:
        fresh.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Database:
    """A database that is open, and the file that it was opened from."""

    engine: sqlalchemy.Engine
    file: tuple[int, int] | None


class PooledSqliteEventLogStorage(SqliteEventLogStorage):
    """Dagster's event log in SQLite, a database a run, each with one connection that stays open.

    Dagster's own opens a database for every event and closes it again, which makes SQLite write its
    log back into the database each time, and SQLAlchemy compile each statement anew.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._databases: dict[str, _Database] = {}
        self._migrations: set[str] = set()
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """The storage that `dagster.yaml` configures."""
        return cls(inst_data=inst_data, **config_value)

    def has_table(self, table_name: str) -> bool:
        """Whether the index has a table; Dagster asks for each event."""
        return self._is_migrated(table_name, super().has_table)

    def has_secondary_index(self, name: str) -> bool:
        """Whether the index has summaries of its events; Dagster asks for each asset of a step."""
        return self._is_migrated(name, super().has_secondary_index)

    def _has_asset_key_col_on_connection(
        self, conn: sqlalchemy.Connection, column_name: str
    ) -> bool:
        """Whether the index has a column; Dagster asks for each event of an asset."""
        ask = super()._has_asset_key_col_on_connection
        return self._is_migrated(column_name, partial(ask, conn))

    def _is_migrated(self, name: str, ask: Callable[[str], bool]) -> bool:
        """Whether the index has what a migration of Dagster's adds; it stays, so ask until then."""
        if name not in self._migrations and ask(name):
            self._migrations.add(name)
        return name in self._migrations

    def store_event(self, event: EventLogEntry) -> None:
        """Stores one event.

        Whoever watches a run, such as its page, waits for the run's file to change; a database that
        is open changes in its `-wal` file alone.
        """
        try:
            super().store_event(event)
        finally:
            self._touch(event.run_id)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Stores STORED_TOGETHER in a transaction of each database, the others one by one.

        Dagster's own stores all one by one: 1 ms of CPU each.
        """
        of_assets: dict[str, list[EventLogEntry]] = {}
        for event in events:
            if event.is_dagster_event and event.dagster_event_type in STORED_TOGETHER:
                of_assets.setdefault(event.run_id, []).append(event)
            else:
                self.store_event(event)
        for run_id, together in of_assets.items():
            self._store_together(run_id, together)

    def _store_together(self, run_id: str, events: Sequence[EventLogEntry]) -> None:
        rows = [self._event_to_row(event) for event in events]
        with self.run_connection(run_id) as connection:
            connection.execute(SqlEventLogStorageTable.insert(), rows)
        with self.index_transaction() as connection:
            connection.execute(SqlEventLogStorageTable.insert(), rows)
            # Whoever writes holds the database alone: the identifiers follow each other.
            newest = sqlalchemy.select(sqlalchemy.func.max(SqlEventLogStorageTable.c.id))
            last = connection.execute(newest).scalar_one()
            ids = range(last - len(rows) + 1, last + 1)
            self._store_asset_event_tags(connection, events, ids)
            # An asset shows its newest event of a kind; earlier ones would be overwritten.
            shown = {
                (event.get_dagster_event().asset_key, event.dagster_event_type): (event, event_id)
                for event, event_id in zip(events, ids, strict=True)
                if event.dagster_event_type in ASSET_EVENTS
            }
            for event, event_id in shown.values():
                self._store_asset_event(connection, event, event_id)
        for event, event_id in zip(events, ids, strict=True):
            if event.dagster_event_type not in ASSET_EVENTS:
                self.store_asset_check_event(event, event_id)
        self._touch(run_id)

    def _touch(self, run_id: str) -> None:
        # Wiped meanwhile, it is watched by nobody.
        with suppress(FileNotFoundError):
            os.utime(self.path_for_shard(run_id))

    def delete_events(self, run_id: str) -> None:
        """Deletes a run's events, its database, and its evaluations of checks.

        Dagster's own leaves an empty file and the evaluations: 70 KB for each run of 40
        organizations. The newest evaluation of each check stays, as in the UI.
        """
        super().delete_events(run_id)
        evaluations, newer = AssetCheckExecutionsTable, AssetCheckExecutionsTable.alias()
        with self.index_connection() as connection:
            connection.execute(
                evaluations.delete().where(
                    evaluations.c.run_id == run_id,
                    sqlalchemy.exists().where(
                        newer.c.asset_key == evaluations.c.asset_key,
                        newer.c.check_name == evaluations.c.check_name,
                        newer.c.partition.is_not_distinct_from(evaluations.c.partition),
                        newer.c.id > evaluations.c.id,
                    ),
                )
            )
        with self._db_lock:
            database = self._databases.pop(run_id, None)
            if database is not None:
                database.engine.dispose()
            self._initialized_dbs.discard(run_id)
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.path_for_shard(run_id)}{suffix}").unlink(missing_ok=True)

    def wipe(self) -> None:
        """Removes all events; the databases of the runs are deleted."""
        self._close()
        super().wipe()

    def dispose(self) -> None:
        """Ends whoever watches, who may read to the last, and closes the databases."""
        super().dispose()
        self._close()

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sqlalchemy.Connection]:
        """A transaction in one database; Dagster's own method, but for the engine."""
        with self._db_lock:
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.begin() as connection:
                yield connection

    def _engine(self, shard: str) -> sqlalchemy.Engine:
        """The shard's engine; those that were not used for longest are closed."""
        database = self._databases.pop(shard, None)
        if database is not None and database.file != self._file(shard):
            # Deleted, or another took its place: nobody else would see what is written to it.
            database.engine.dispose()
            self._initialized_dbs.discard(shard)
            database = None
        if database is None:
            database = self._opened(shard)
        self._databases[shard] = database
        while len(self._databases) > SHARDS_OPEN:
            self._databases.pop(next(iter(self._databases))).engine.dispose()
        return database.engine

    def _opened(self, shard: str) -> _Database:
        _create(Path(self.path_for_shard(shard)), "events")
        engine = sqlalchemy.create_engine(
            self.conn_string_for_shard(shard),
            pool_size=1,
            connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS},
        )
        # A commit waits for no disk: after a power failure, the last events may be missing.
        sqlalchemy.event.listen(
            engine, "connect", lambda sqlite, _: sqlite.execute("PRAGMA synchronous = NORMAL")
        )
        engine.connect().close()
        return _Database(engine, self._file(shard))

    def _file(self, shard: str) -> tuple[int, int] | None:
        """What tells the shard's file from any other; None where there is none."""
        try:
            status = Path(self.path_for_shard(shard)).stat()
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino

    def _close(self) -> None:
        with self._db_lock:
            while self._databases:
                self._databases.popitem()[1].engine.dispose()


class PooledSqliteStorage(DagsterSqliteStorage):
    """Dagster's storage in SQLite: the same files below `base_dir`, the event log pooled."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        history = Path(base_dir, "history")
        _create(history / "runs.db", "runs")
        _create(history / "runs" / "index.db", "events", "index")
        _create(Path(base_dir, "schedules", "schedules.db"), "schedules")
        super().__init__(base_dir, inst_data)
        self._event_log_storage = PooledSqliteEventLogStorage(str(history / "runs"))

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]
    ) -> Self:
        """The storage that `dagster.yaml` configures."""
        return cls.from_local(inst_data=inst_data, **config_value)
