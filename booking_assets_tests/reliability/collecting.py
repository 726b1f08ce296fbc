"""A collection without Dagster, in this process or as one that dies, runs full or is held up.

Dagster adds seconds to a process and nothing to these promises: the collector, the warehouse and
the publisher are the ones that its assets call.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import FrameType
from typing import Any
from uuid import uuid4

from booking_assets.api.retry import RetryPolicy
from booking_assets.collect.stats import Mode
from booking_assets.defs.sandbox import open_configured_api
from booking_assets.pipeline.collector import Collector
from booking_assets.pipeline.connections import open_warehouse
from booking_assets.pipeline.derivation import derive_all
from booking_assets.pipeline.landings import load_landings
from booking_assets.pipeline.progress import NoProgress
from booking_assets.pipeline.results import RunReport
from booking_assets.settings import Settings, load_settings
from booking_assets.tables.catalog import RAW_TABLES

READY = "ready"


def collected(
    settings: Settings,
    retry: RetryPolicy,
    slugs: Sequence[str] = (),
    *,
    mode: Mode = "full",
    allow_shrink: bool = False,
) -> RunReport:
    """Collects and stores the organizations (all of them, without slugs)."""
    with open_configured_api(settings, retry) as connect:
        collector = Collector(
            connect=connect,
            warehouse=open_warehouse(settings),
            settings=settings,
            progress=NoProgress(),
            clock=lambda: datetime.now(UTC),
        )
        wanted = slugs or [one.slug for one in settings.organizations]
        return collector.collect(wanted, uuid4().hex, mode=mode, allow_shrink=allow_shrink)


def published(settings: Settings) -> None:
    """The raw tables as a snapshot."""
    open_warehouse(settings).publish(RAW_TABLES)


def call_of(function: Callable[..., Any]) -> str:
    """The moment at which a function is called, for `--dies-at`."""
    return f"call {function.__module__}.{function.__qualname__}"


def return_of(function: Callable[..., Any]) -> str:
    """The moment at which a function returns, for `--dies-at`."""
    return f"return {function.__module__}.{function.__qualname__}"


def _die_at(moment: str) -> None:
    """Kills this process, as a power cut would, when it calls a function or returns from one."""
    happening, _, function = moment.partition(" ")

    def watch(frame: FrameType, event: str, _: Any) -> None:
        # Of every call of the process, so that most must end with the first comparison.
        if event == happening and function.endswith(frame.f_code.co_qualname):
            name = f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}"
            if name == function:
                os.kill(os.getpid(), signal.SIGKILL)

    threading.setprofile(watch)
    sys.setprofile(watch)


def main() -> None:
    """Says that it is ready, does its work, and tells what was refused as one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--dies-at", help="a moment, as `call_of` and `return_of` write it")
    parser.add_argument("--largest-file", type=int, help="bytes: as if the disk were full")
    parser.add_argument("--only", choices=["collect", "load", "publish", "derive"])
    asked = parser.parse_args()
    settings = load_settings()
    # Not reaching the function at all must be seen: then the process ends by itself.
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()
    if asked.largest_file:
        # Python 3.11 would leave truncated bytecode of what is imported from here on.
        sys.dont_write_bytecode = True
        resource.setrlimit(resource.RLIMIT_FSIZE, (asked.largest_file, asked.largest_file))
    if asked.dies_at:
        _die_at(asked.dies_at)
    report = RunReport()
    if asked.only == "load":
        load_landings(open_warehouse(settings), settings)
    if asked.only == "derive":
        derive_all(open_warehouse(settings), settings)
    if asked.only in (None, "collect"):
        report = collected(settings, RetryPolicy())
    if asked.only in (None, "publish"):
        published(settings)
    refused = {one.organization: one.message for one in report.failed}
    refused |= report.unrecorded
    sys.stdout.write(f"{json.dumps(refused)}\n")


if __name__ == "__main__":
    main()
