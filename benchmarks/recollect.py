"""Refreshes a folder's warehouse again and again in one process, without Dagster, to age it.

`python -m benchmarks.recollect TIMES SERVER`, in a folder with a `booking.toml`. Before each
refresh, an hour passes in the process SERVER, `hourly`.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from dotenv import load_dotenv

from booking_assets.defs.sandbox import open_configured_api
from booking_assets.pipeline.collector import Collector
from booking_assets.pipeline.connections import open_warehouse
from booking_assets.pipeline.progress import SILENT
from booking_assets.pipeline.refresh import refresh
from booking_assets.settings import load_settings


def main() -> None:
    """Refresh as often as the command line says."""
    load_dotenv(Path(".env"))
    settings = load_settings(environment={}, folder=Path.cwd())
    with open_configured_api(settings) as connect:
        times, server = map(int, sys.argv[1:])
        for _ in range(times):
            os.kill(server, signal.SIGUSR1)
            collector = Collector(
                connect=connect,
                warehouse=open_warehouse(settings),
                settings=settings,
                progress=SILENT,
                clock=lambda: datetime.now(UTC),
            )
            report = refresh(collector)
            if report.failed_organizations:
                raise SystemExit("; ".join(report.explanations))


if __name__ == "__main__":
    main()
