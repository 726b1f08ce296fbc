"""What many collections do to the size of the warehouse.

What lives here: one collection after another into one warehouse, its size after each.
What must not: time; the other contestants measure that.
Read more: `docs/architecture.md`, "Warehouse".
"""

from __future__ import annotations

import sys

from benchmarks.contestants.collect import collect, configured
from benchmarks.outcome import stopwatch, tell
from benchmarks.target import target
from booking_assets.pipeline.connections import open_warehouse


def main() -> None:
    """Collects as often as the command line says, then publishes: that copy is compact."""
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
