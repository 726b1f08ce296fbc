"""Exclusion among our own processes and threads: a kernel lock on a file beside the warehouse.

What lives here: the lock, shared for reads and exclusive for writes, and how long it is waited for.
What must not: DuckDB. The kernel releases the lock when its holder dies, however it dies.
Read more: `man 2 flock`.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from booking_assets.warehouse.errors import WarehouseBusy

FIRST_PAUSE_SECONDS = 0.01
LONGEST_PAUSE_SECONDS = 0.5


def waits(
    seconds: float, clock: Callable[[], float], sleep: Callable[[float], None]
) -> Iterator[bool]:
    """Sleep a growing pause and yield True at each step, until `seconds` have passed.

    The time counts from the first step. `next(waits, False)` reads "waited, try again".
    """
    deadline = clock() + seconds
    pause = FIRST_PAUSE_SECONDS
    while (left := deadline - clock()) > 0:
        sleep(min(pause, left))
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        yield True


def lock_path(warehouse: Path) -> Path:
    """The file that carries the lock of a warehouse; it stays, its presence means nothing."""
    return warehouse.with_name(f"{warehouse.name}.lock")


@contextmanager
def locked(warehouse: Path, *, exclusive: bool, waiting: Iterator[bool]) -> Iterator[None]:
    """Hold the warehouse's lock: alone (`exclusive`), or together with other readers.

    Raises:
        WarehouseBusy: `waiting` ended before the lock was free.
    """
    descriptor = os.open(lock_path(warehouse), os.O_RDONLY | os.O_CREAT, 0o666)
    try:
        mode = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
        while not _acquired(descriptor, mode):
            if not next(waiting, False):
                raise WarehouseBusy(
                    f"Another run of booking-assets is using the warehouse {warehouse}, and was"
                    f" waited for in vain (lock file {lock_path(warehouse)}). Nothing was changed;"
                    " try again when that run has ended"
                )
        yield
    finally:
        os.close(descriptor)


def _acquired(descriptor: int, mode: int) -> bool:
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
