"""This project without Dagster, marts and snapshot: collects and stores every organization.

The whole command is the contestant `refresh` of `suite`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from dotenv import load_dotenv

from benchmarks.outcome import stopwatch, tell
from benchmarks.target import target
from booking_assets.defs.sandbox import open_configured_api
from booking_assets.pipeline.collector import Collector
from booking_assets.pipeline.connections import open_warehouse
from booking_assets.pipeline.progress import NoProgress
from booking_assets.settings import Settings, load_settings
from booking_assets.tables.raw import EVENTS


def main() -> None:
    """Collect once."""
    settings = configured(target().folder)
    elapsed = stopwatch()
    collect(settings)
    seconds = elapsed()
    tell(seconds, rows=sum(open_warehouse(settings).row_counts(EVENTS).values()))


def configured(folder: Path) -> Settings:
    """Read the folder's settings, and load its secrets into the environment."""
    load_dotenv(folder / ".env")
    return load_settings(environment={}, folder=folder)


def collect(settings: Settings) -> None:
    """Collect and store every organization.

    Raises:
        SystemExit: An organization failed.
    """
    with open_configured_api(settings) as connect:
        collector = Collector(
            connect=connect,
            warehouse=open_warehouse(settings),
            settings=settings,
            progress=NoProgress(),
            clock=lambda: datetime.now(UTC),
        )
        slugs = [one.slug for one in settings.organizations]
        report = collector.collect(slugs, uuid4().hex)
        if report.failed_organizations:
            raise SystemExit("; ".join(report.explanations))


if __name__ == "__main__":
    main()
