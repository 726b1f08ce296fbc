"""Durable files and file locks: fsync, and `flock` with a bounded wait. Standard library alone.

Which file is locked and what a timeout means is decided by the caller (`collect`, `warehouse`).
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

FIRST_PAUSE_SECONDS = 0.01
LONGEST_PAUSE_SECONDS = 0.5
_LOCK = ".lock"


class LockTimeout(Exception):
    """The lock stayed with another process; `holder` is its process id where the file names it."""

    def __init__(self, path: Path, holder: str) -> None:
        self.path = path
        self.holder = holder
        super().__init__(f"{path} is locked by {holder}")


def sync(path: Path) -> None:
    """Flush a file or a folder to the disk; a rename lasts once its folder is flushed."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def pauses(
    seconds: float, clock: Callable[[], float], sleep: Callable[[float], None]
) -> Iterator[bool]:
    """Sleep a growing pause and yield True at each step, until `seconds` have passed.

    The time counts from the first step. `next(pauses, False)` reads "waited, try again".
    """
    deadline = clock() + seconds
    pause = FIRST_PAUSE_SECONDS
    while (left := deadline - clock()) > 0:
        sleep(min(pause, left))
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        yield True


@contextmanager
def locked(path: Path, *, exclusive: bool = True, waiting: Iterator[bool]) -> Iterator[None]:
    """Hold the kernel's lock on a file, which is created where it is missing and stays.

    The kernel releases the lock when the process dies, however it dies. The file is opened for
    writing, because NFS refuses an exclusive lock otherwise, and names its exclusive holder.

    Args:
        path: the lock file; never a folder, and never a file that is renamed.
        exclusive: alone, or together with other shared holders.
        waiting: the pauses between two tries, such as `pauses`; an empty iterator tries once.

    Raises:
        LockTimeout: `waiting` ended before the lock was free.
        OSError: the file cannot be created or locked.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while not _acquired(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH):
            if not next(waiting, False):
                holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
                raise LockTimeout(path, f"process {holder}" if holder else "another process")
        # Else the file would name the last exclusive holder while others share the lock.
        os.ftruncate(descriptor, 0)
        if exclusive:
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def scratch_folder(root: Path) -> Iterator[Path]:
    """A private folder of this process in `root`, removed in the end with all that is in it.

    Those of processes that were killed are removed first: their locks are free.

    Raises:
        OSError: it cannot be created.
    """
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    for leftover in root.glob("[!.]*"):
        with suppress(LockTimeout, OSError), locked(leftover / _LOCK, waiting=iter(())):
            shutil.rmtree(leftover, ignore_errors=True)
    name = uuid4().hex
    # Locked under a name that nobody removes.
    fresh, folder = root / f".{name}", root / name
    fresh.mkdir(mode=0o700)
    with locked(fresh / _LOCK, waiting=iter(())):
        fresh.rename(folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _acquired(descriptor: int, mode: int) -> bool:
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
