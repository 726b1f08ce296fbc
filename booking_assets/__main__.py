"""Starts the command line: `booking-assets`, or `python -m booking_assets`.

Commands are in `booking_assets.cli`; here is what must happen before it is imported.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import os
import sys
from contextlib import suppress

from booking_assets.system import unsupported_system

UNUSABLE = 2
"""The exit code for settings, and for a system, with which no command can work."""

GARBAGE_COLLECTION_THRESHOLD = 100_000
"""Allocations between two collections of garbage. Python's 700 to 2,000 visit all that Dagster
imports again and again: a refresh of the default sandbox takes 9 % less CPU time with this."""

_M_ARENA_MAX = -8
"""The C library's number for how many heaps threads share. With one, a refresh of the default
sandbox takes 10 MiB less, and no more CPU time: DuckDB and polars have allocators of their own."""


def main() -> None:
    """Runs a command, or says why no command can run on this system."""
    if reason := unsupported_system():
        sys.stderr.write(f"{reason}\n")
        sys.exit(UNUSABLE)
    _replace_closed_streams()
    gc.set_threshold(GARBAGE_COLLECTION_THRESHOLD)
    with suppress(AttributeError):  # has the GNU C library alone
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
    # numpy starts a thread for each further core as it is imported, for algebra that nobody does.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from booking_assets.cli import main as cli  # noqa: PLC0415 - needs a known system

    cli.receive_signals()
    try:
        cli.main()
    except SystemExit as end:
        _end_process(end.code)
        raise


def _end_process(code: object) -> None:
    """Ends the process without freeing its objects one by one: a tenth of a refresh of the sandbox.

    Returns where Python has something to say first: a text as the code, or a closed stdout.
    """
    if isinstance(code, int):
        atexit._run_exitfuncs()  # noqa: SLF001 - has no public name
        with suppress(OSError):
            sys.stdout.flush()
            os._exit(code)


def _replace_closed_streams() -> None:
    """Opens /dev/null where stdin, stdout or stderr is closed, as by `>&-`.

    Else a database file would get the number of the descriptor, and what is printed.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


if __name__ == "__main__":
    main()
