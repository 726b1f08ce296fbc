"""Collects repeatedly into one warehouse and records its size after each collection."""

from __future__ import annotations

import sys

from benchmarks.contestants.collect import collect, configured
from benchmarks.outcome import stopwatch, tell
from benchmarks.target import target
from booking_assets.pipeline.connections import open_warehouse


def main() -> None:
    """Collect as often as the command line says, then publish: that copy is compact."""
    settings = configured(target().folder)
    elapsed = stopwatch()
    sizes = []
    for _ in range(int(sys.argv[2])):
        collect(settings)
        sizes.append(settings.warehouse_path.stat().st_size)
    seconds = elapsed()
    tell(seconds, bytes=sizes, compact_bytes=open_warehouse(settings).publish().bytes)


if __name__ == "__main__":
    main()
