"""An organization whose events change between collections, for the tests of incremental ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl

from booking_assets.collect.collection import Collection
from booking_assets.collect.contracts import EVENT_ROWS
from booking_assets.collect.landing import Landing
from booking_assets.collect.landings import Landings
from booking_assets.collect.stats import CollectionStats, Mode
from booking_assets.settings import Collect
from booking_assets_tests.collect.booking import Booking
from booking_assets_tests.collect.events import event

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
OVERLAP = timedelta(minutes=Collect().overlap_minutes)


@dataclass
class Site:
    """An organization's server whose events the test changes, and collections of it.

    `ours` is the collecting computer's clock less the server's.
    """

    booking: Booking
    make: Callable[..., Collection]
    folder: Path
    ours: timedelta = timedelta(0)

    @property
    def now(self) -> datetime:
        assert self.booking.now is not None
        return self.booking.now

    def put(self, number: int, changed: datetime | None, title: str = "") -> None:
        """Inserts or changes an event; `changed` is its change time."""
        stamp = changed.isoformat(timespec="microseconds") if changed else None
        self.booking.rows[number] = event(number, EventTitle=title, LastChangeTime=stamp)

    def collect(self, mode: Mode, folder: str = "landing", **plan: Any) -> tuple[Landing, Any]:
        collection = self.make(
            self.booking,
            run_id=uuid4().hex,
            landings=Landings(self.folder / folder),
            allow_shrink=True,
            mode=mode,
            overlap=OVERLAP,
            clock=lambda: (self.booking.now or NOW) + self.ours,
            **{"page_size": 7 if mode == "incremental" else 100} | plan,
        )
        stats = collection.begin()
        return collection.run(stats).landing, stats

    def assert_as_full(self, *, mode: Mode | None = "incremental", **plan: Any) -> CollectionStats:
        """An incremental collection equals a full collection; its stats."""
        landing, stats = self.collect("incremental", **plan)
        full, _ = self.collect("full", "full")
        assert rows(landing).equals(rows(full))
        if mode:
            assert stats.mode == mode
        assert stats.rows_loaded + stats.rows_rejected == stats.count_after
        assert stats.duplicates_dropped >= 0
        assert isinstance(stats, CollectionStats)
        return stats


def rows(landing: Landing) -> pl.DataFrame:
    if not landing.rows:
        return EVENT_ROWS.table.empty().drop("collected_at")
    files = [pl.read_parquet(path, glob=False) for path in landing.rows]
    return pl.concat(files).drop("collected_at").sort("event_identifier")


def change_350(site: Site) -> None:
    """350 of 2,000 events change, half a minute apart."""
    site.booking.now = NOW + 3 * HOUR
    for number in range(350):
        site.put(5 * number, site.now - timedelta(seconds=30 * number), "changed")
