"""What publishing is held against: a plain copy of the warehouse file, synced to disk.

What lives here: one copy, timed, then removed. What must not: DuckDB.
Read more: `man 2 fsync`.
"""

from __future__ import annotations

import os
import shutil

from benchmarks.contestants.collect import configured
from benchmarks.outcome import stopwatch, tell
from benchmarks.target import target


def main() -> None:
    """Copies once."""
    source = configured(target().folder).warehouse_path
    copy = source.with_name("copy.duckdb")
    elapsed = stopwatch()
    shutil.copyfile(source, copy)
    with copy.open("rb") as written:
        os.fsync(written.fileno())
    tell(elapsed(), bytes=copy.stat().st_size)
    copy.unlink()


if __name__ == "__main__":
    main()
