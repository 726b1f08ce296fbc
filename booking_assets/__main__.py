"""Starts the command line: `booking-assets`, or `python -m booking_assets`.

Commands are in `booking_assets.cli`; here is what must happen before it is imported.
"""

from __future__ import annotations

import atexit
import gc
import sys

from booking_assets.system import unsupported_system

UNUSABLE = 2
"""The exit code for settings, and for a system, with which no command can work."""


def main() -> None:
    """Runs a command, without garbage collection of what it imports.

    Imported modules stay until the process ends, so the garbage collector need not visit them:
    a refresh of the default sandbox takes 5 % less CPU time. They are unfrozen at exit because
    extension modules (nanobind in DuckDB 2.0.0) report what the interpreter cannot free as leaks.
    """
    if reason := unsupported_system():
        sys.stderr.write(f"{reason}\n")
        sys.exit(UNUSABLE)
    gc.disable()
    from booking_assets.cli.main import main as command  # noqa: PLC0415 - after the lines above

    gc.freeze()
    atexit.register(gc.unfreeze)
    gc.enable()
    command()


if __name__ == "__main__":
    main()
