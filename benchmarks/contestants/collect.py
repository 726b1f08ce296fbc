"""Ours without Dagster's runs: every organization collected, verified and stored.

What lives here: one pass of the collector into an empty warehouse, as an asset does it.
What must not: marts, snapshots, runs (`booking-assets refresh` has them).
Read more: `docs/reliability.md`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from dotenv import load_dotenv

from benchmarks.outcome import stopwatch, tell
from benchmarks.target import target
from booking_assets.collect.collection import NoProgress
from booking_assets.collect.concurrency import Failed
from booking_assets.defs.resources import booking_api, warehouse
from booking_assets.pipeline.collector import Collector
from booking_assets.settings import Settings, load_settings
from booking_assets.tables.raw import EVENTS


def main() -> None:
    """Collects once."""
    settings = configured(target().folder)
    elapsed = stopwatch()
    collect(settings)
    seconds = elapsed()
    tell(seconds, rows=sum(warehouse(settings).row_counts(EVENTS).values()))


def configured(folder: Path) -> Settings:
    """The folder's settings; its secrets are in the environment afterwards."""
    load_dotenv(folder / ".env")
    return load_settings(environment={}, folder=folder)


def collect(settings: Settings) -> None:
    """Collects every organization and stores it.

    Raises:
        BookingError, CollectionFailed, WarehouseError: An organization was refused.
    """
    with booking_api(settings) as api:
        collector = Collector(
            connect=api.connect,
            warehouse=warehouse(settings),
            settings=settings,
            progress=NoProgress(),
            clock=lambda: datetime.now(UTC),
        )
        slugs = [one.slug for one in settings.organizations]
        for batch in collector.collect(slugs, uuid4().hex, mode="full", allow_shrink=False):
            for outcome in batch:
                if isinstance(outcome, Failed):
                    raise outcome.error


if __name__ == "__main__":
    main()
