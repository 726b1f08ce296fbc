"""The reference for publishing: a copy of the warehouse file, flushed to disk."""

from __future__ import annotations

import os
import shutil

from benchmarks.contestants.collect import configured
from benchmarks.outcome import stopwatch, tell
from benchmarks.target import target


def main() -> None:
    """Copy once."""
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
