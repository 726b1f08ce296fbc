"""Opens the DuckDB file for one short read or one write transaction, and closes it.

Translates DuckDB's errors about locks, damage, memory and full disks. Tables are in `ddl`.
https://duckdb.org/docs/2.0/connect/concurrency
"""

from __future__ import annotations

import atexit
import glob
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import duckdb

from booking_assets.files import LockTimeout, locked, pauses, sync
from booking_assets.warehouse.ddl import literal
from booking_assets.warehouse.errors import (
    REBUILD,
    TableNotFound,
    WarehouseBusy,
    WarehouseOutOfMemory,
    WarehouseUnreadable,
    WarehouseUnwritable,
)
from booking_assets.warehouse.paths import lock_path, log_of, remove_database

WAREHOUSE = "warehouse"
"""The warehouse's catalog name in every connection."""

ROW_GROUPS = "ROW_GROUP_SIZE 32768"
"""Option of ATTACH: row groups small enough for two threads.

100,000 events are one group of the default size (122,880 rows), which one thread compresses at
commit: 1.9 s. In groups of 32,768 they take 0.7 s and 50 MiB less memory, in a file 10 % larger.
"""

PRIVATE = 0o600
"""The mode of the warehouse and its log: they hold personal data."""

SPILL = ".tmp-"
"""Between the warehouse's name and a session's id, in the names of DuckDB's spill folders."""

STORAGE = f"STORAGE_VERSION 'v1.2.0', {ROW_GROUPS}"
"""Options of ATTACH for a new file, which DuckDB 1.3 to 2.0 open."""

_HOLDER = re.compile(r"\(PID (\d+)\)")
_LOCKED = ("Could not set lock on file", "Unique file handle conflict")
_DAMAGED = (
    "not a valid DuckDB database file",
    "Corrupt database file",
    "Failure while replaying WAL",
)
_UNWRITABLE = ("Could not write file", "Could not write all bytes", "No space left on device")


@dataclass(frozen=True)
class _Instance:
    """A DuckDB in memory, for sessions on one file, one after another."""

    path: Path
    spill: Path
    root: duckdb.DuckDBPyConnection

    @classmethod
    def open(cls, path: Path) -> Self:
        # Two that spill into one folder would overwrite each other's files.
        spill = Path(f"{path}{SPILL}{uuid.uuid4().hex}")
        root = duckdb.connect(
            config={
                "temp_directory": str(spill),
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )
        root.execute("SET GLOBAL TimeZone = 'UTC'")
        return cls(path, spill, root)


_idle: list[_Instance] = []
"""The DuckDB of the last session; none while one is open, and none in a forked process."""


def _close_idle() -> None:
    while _idle:
        _idle.pop().root.close()


# A forked process does not have its threads.
os.register_at_fork(before=_close_idle)
atexit.register(_close_idle)


@dataclass(frozen=True)
class DatabaseFile:
    """The warehouse's file and how it is opened; for the attributes see `Warehouse`.

    Each method raises `WarehouseBusy` where it stays locked for `busy_timeout_seconds`,
    `WarehouseUnreadable` where it is damaged or no database, and `WarehouseOutOfMemory` where
    `memory_limit` is too low; those that write raise `WarehouseUnwritable` where the disk is full
    or may not be written.
    """

    path: Path
    snapshot: Path
    memory_limit: str
    threads: int
    busy_timeout_seconds: float
    clock: Callable[[], float]
    sleep: Callable[[float], None]

    @contextmanager
    def reading(self, *, alone: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open for reading, beside other readers, or `alone`: exclusive, but read-only.

        Raises:
            TableNotFound: There is no warehouse; none is created.
        """
        if not self.path.exists():
            raise TableNotFound(
                f"There is no warehouse at {self.path} yet: run `booking-assets refresh` first"
            )
        waiting = self._waiting()
        with (
            self._locked(waiting, exclusive=alone),
            self._connected(read_only=True, waiting=waiting) as con,
        ):
            yield con

    @contextmanager
    def writing(self, *, begins: bool = True) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open for writing, alone, in one transaction, committed when the body succeeds.

        Where this `begins` none, the body begins its own, and each commit ends with a checkpoint:
        else the blocks that it frees would not be used again until the file is closed.
        """
        waiting = self._waiting()
        with self._translate_write_failure(), self._locked(waiting):
            # Spill folders of killed processes: the lock is exclusive, so none is in use.
            for folder in self.path.parent.glob(f"{glob.escape(self.path.name)}{SPILL}*"):
                shutil.rmtree(folder, ignore_errors=True)
            try:
                with self._connected(read_only=False, waiting=waiting) as con:
                    if begins:
                        with transaction(con):
                            yield con
                    else:
                        con.execute("SET checkpoint_threshold = '1B'")
                        yield con
            finally:
                # DuckDB removes a log that it wrote, not one that it was only given.
                log = log_of(self.path)
                if log.exists() and not log.stat().st_size:
                    log.unlink()

    @contextmanager
    def replacing(self, aside: str) -> Iterator[Path]:
        """Lock the warehouse while the body writes a whole new one at the path it is given.

        When the body succeeds, the new file takes the warehouse's place, and the former one, with
        its log, gets `aside` appended to its name.
        """
        fresh = self.path.with_name(f"{self.path.name}.rebuilt")
        with self._translate_write_failure(), self._locked(self._waiting()):
            try:
                remove_database(fresh)
                yield fresh
                for former in (self.path, log_of(self.path)):
                    if former.exists():
                        former.rename(former.with_name(f"{former.name}{aside}"))
                fresh.rename(self.path)
                sync(self.path.parent)
            finally:
                remove_database(fresh)

    @contextmanager
    def reading_former(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open for reading within `replacing`, which has the lock."""
        with (
            self._translate_write_failure(),
            self._connected(read_only=True, waiting=self._waiting()) as con,
        ):
            yield con

    @contextmanager
    def rewriting(self) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
        """Open for reading, alone, and replace the file by the one that the body writes."""
        with self.writing():
            # Writes the log of a killed process into the file that is read.
            pass
        waiting = self._waiting()
        fresh = self.path.with_name(f"{self.path.name}.rebuilt")
        with self._translate_write_failure(), self._locked(waiting):
            try:
                remove_database(fresh)
                with self._connected(read_only=True, waiting=waiting) as con:
                    yield con, fresh
                fresh.chmod(PRIVATE)
                sync(fresh)
                fresh.replace(self.path)
                sync(self.path.parent)
            finally:
                remove_database(fresh)

    def _waiting(self) -> Iterator[bool]:
        return pauses(self.busy_timeout_seconds, self.clock, self.sleep)

    @contextmanager
    def _locked(self, waiting: Iterator[bool], *, exclusive: bool = True) -> Iterator[None]:
        try:
            with locked(lock_path(self.path), exclusive=exclusive, waiting=waiting):
                yield
        except LockTimeout as error:
            raise WarehouseBusy(
                f"Another run of booking-assets ({error.holder}) uses the warehouse {self.path},"
                f" still after {self.busy_timeout_seconds:g} s (lock file {error.path}). Nothing"
                " was changed; try again when that run has ended"
            ) from error

    def _create(self, con: duckdb.DuckDBPyConnection) -> None:
        """Create an empty database under another name, then rename it.

        A process killed while DuckDB initializes a file leaves one that nobody can open.
        """
        log = log_of(self.path)
        if log.exists():
            raise WarehouseUnreadable(
                f"The warehouse {self.path} is gone but its log {log} is there: put the file back,"
                f" or remove the log and run `{REBUILD}`"
            )
        fresh = self.path.with_name(f"{self.path.name}.new")
        fresh.unlink(missing_ok=True)
        con.execute(f"ATTACH ? AS fresh ({STORAGE})", [str(fresh)])
        con.execute("DETACH fresh")
        fresh.chmod(PRIVATE)
        fresh.replace(self.path)
        sync(self.path.parent)

    @contextmanager
    def _connected(
        self, *, read_only: bool, waiting: Iterator[bool]
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._session() as con, self._translate_read_failure():
            if not read_only and not self.path.exists():
                self._create(con)
            self._attach(con, read_only=read_only, waiting=waiting)
            if not read_only:
                # This session's log, too, is for the owner alone.
                self.path.chmod(PRIVATE)
                os.close(os.open(log_of(self.path), os.O_WRONLY | os.O_CREAT, PRIVATE))
            yield con

    @contextmanager
    def _session(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to a DuckDB in memory, to which files are attached.

        The process keeps the DuckDB of the last session that succeeded, without the files: opening
        and closing another takes 17 ms of CPU.
        """
        if not any(instance.path == self.path for instance in _idle):
            _close_idle()
        instance = _idle.pop() if _idle else _Instance.open(self.path)
        # DuckDB would create it readable by all.
        with suppress(OSError):
            instance.spill.mkdir(mode=0o700)
        limit = f"SET memory_limit = {literal(self.memory_limit)}"
        is_reusable = False
        con = instance.root.cursor()
        try:
            con.execute(f"{limit}; SET threads = {self.threads}")
            con.execute("SET preserve_insertion_order = true; RESET checkpoint_threshold")
            yield con
            # What is committed stays in the log where the disk is full: the next session reads it.
            with suppress(duckdb.Error):
                con.execute(f"USE memory; DETACH {WAREHOUSE}")
                is_reusable = True
        except RuntimeError as error:
            # DuckDB's words for the exception of a signal's handler.
            if str(error) != "Query interrupted":
                raise
            raise KeyboardInterrupt from error
        finally:
            con.close()
            if is_reusable:
                # Setting it returns the memory of this session to the system.
                instance.root.execute(limit)
                _close_idle()
                _idle.append(instance)
            else:
                instance.root.close()
            shutil.rmtree(instance.spill, ignore_errors=True)

    def _attach(
        self, con: duckdb.DuckDBPyConnection, *, read_only: bool, waiting: Iterator[bool]
    ) -> None:
        options = f"{ROW_GROUPS}, READ_ONLY" if read_only else ROW_GROUPS
        while True:
            try:
                con.execute(f"ATTACH ? AS {WAREHOUSE} ({options})", [str(self.path)])
            except (duckdb.IOException, duckdb.ResourceInUseException) as error:
                if not any(phrase in str(error) for phrase in _LOCKED):
                    raise
                if not next(waiting, False):
                    raise WarehouseBusy(
                        f"The warehouse {self.path} is locked by {_holder(str(error))}, still after"
                        f" {self.busy_timeout_seconds:g} s. Nothing was changed; close it there. To"
                        f" look at the data, open the snapshot {self.snapshot} instead"
                    ) from error
            else:
                con.execute(f"USE {WAREHOUSE}")
                return

    @contextmanager
    def _translate_read_failure(self) -> Iterator[None]:
        """Translate DuckDB's errors about memory and a damaged file; the new ones have a remedy."""
        try:
            yield
        except duckdb.OutOfMemoryException as error:
            # The lines after the first are advice about settings that users cannot reach here.
            reason = str(error).partition("\n")[0]
            raise WarehouseOutOfMemory(
                f"The warehouse {self.path} needs more memory than the {self.memory_limit} that"
                f" DuckDB may take ({reason}). Nothing was changed: raise memory_limit under"
                " [warehouse] in booking.toml, then run it again"
            ) from error
        except duckdb.Error as error:
            truncated = f'Could not read enough bytes from file "{self.path}"'
            if not any(phrase in str(error) for phrase in (*_DAMAGED, truncated)):
                raise
            raise WarehouseUnreadable(
                f"The warehouse {self.path} is damaged or no DuckDB database ({error}). It was not"
                f" changed: run `{REBUILD}`, which makes a new one from the landing files and keeps"
                " this one aside"
            ) from error

    @contextmanager
    def _translate_write_failure(self) -> Iterator[None]:
        """Create the folder; translate errors about a full or write-protected disk."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            yield
        except (duckdb.Error, OSError) as error:
            if not is_write_failure(error):
                raise
            raise WarehouseUnwritable(
                f"The warehouse {self.path} could not be written ({error}). Nothing of this was"
                " stored, the rows stored before are still there: make room on the disk, or let"
                " this user write there, then run it again"
            ) from error


def is_write_failure(error: OSError | duckdb.Error) -> bool:
    """Whether the error says that the disk is full or write-protected."""
    return isinstance(error, OSError) or any(phrase in str(error) for phrase in _UNWRITABLE)


@contextmanager
def transaction(con: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """Commit when the body succeeds, else roll back.

    Raises:
        duckdb.TransactionException: A statement failed and the body ignored the error; DuckDB's
            COMMIT would roll back without an error.
    """
    con.execute("BEGIN")
    try:
        yield con
        con.execute("SELECT 1").fetchall()
        con.execute("COMMIT")
    except BaseException:
        # After a failed COMMIT there is no transaction: raise the COMMIT's error.
        with suppress(duckdb.Error):
            con.execute("ROLLBACK")
        raise


def _holder(message: str) -> str:
    """The process that has locked the file, from DuckDB's message and the process table."""
    match = _HOLDER.search(message)
    if match is None:
        return "another connection of this process"
    pid = match.group(1)
    try:
        command = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        command = "a process"
    return f"{command} (pid {pid})"
