"""Publishes the snapshot of an existing warehouse; nothing is derived."""

from __future__ import annotations

from benchmarks.contestants.collect import configured
from benchmarks.outcome import stopwatch, tell
from benchmarks.target import target
from booking_assets.pipeline.connections import open_warehouse


def main() -> None:
    """Publish once."""
    settings = configured(target().folder)
    elapsed = stopwatch()
    published = open_warehouse(settings).publish()
    tell(elapsed(), bytes=published.bytes, rows=sum(published.rows.values()))


if __name__ == "__main__":
    main()
