"""What a refresh costs as events, organizations, registrations and history grow.

Each point is one refresh, the whole process; those of `history` share one warehouse, which
`recollect` ages between them.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contestants import REFRESH
from benchmarks.measure import Measurement, run
from benchmarks.sandbox import Case, serving
from booking_assets.settings import load_settings

EVENTS_AN_ORGANIZATION = 20
REGISTRATIONS_AN_EVENT = 6.4
"""About; the sandbox draws them. The exact number is the sum that the warehouse holds."""
HISTORY_CASE = Case(1, 400, registrations=True)


@dataclass(frozen=True)
class Point:
    """A refresh where the axis has this size; `mib` is the size of the warehouse afterwards."""

    axis: str
    size: int
    measured: Measurement
    mib: float


def _case(axis: str, size: int) -> Case:
    if axis == "organizations":
        return Case(size, EVENTS_AN_ORGANIZATION, registrations=True)
    if axis == "registrations":
        return Case(1, round(size / REGISTRATIONS_AN_EVENT), registrations=True)
    return Case(1, size, registrations=False)


def points(
    axes: dict[str, Sequence[int]], home: Path, page_size: int, say: Callable[[str], None]
) -> Iterator[Point]:
    """Measure every size of every axis, in order."""
    for axis, sizes in axes.items():
        found = (
            _history(sizes, home, page_size)
            if axis == "collections"
            else (_alone(axis, size, home, page_size) for size in sizes)
        )
        for point in found:
            say(f"{axis} {point.size:,}: {summary(point.measured)}, {point.mib:.0f} MiB stored")
            yield point


def _alone(axis: str, size: int, home: Path, page_size: int) -> Point:
    with (
        serving(_case(axis, size), home, page_size) as server,
        server.fresh_folder() as folder,
    ):
        return Point(axis, size, run(REFRESH, folder, server.process), _stored_mib(folder))


def _history(sizes: Sequence[int], home: Path, page_size: int) -> Iterator[Point]:
    """The refresh after so many collections of a sandbox whose events change with the clock."""
    again = (sys.executable, "-m", "benchmarks.recollect")
    done = 0
    with (
        serving(
            HISTORY_CASE, home, page_size, (sys.executable, "-m", "benchmarks.hourly")
        ) as server,
        server.fresh_folder() as folder,
    ):
        for size in sorted(sizes):
            if times := size - 1 - done:
                run((*again, str(times), str(server.process)), folder, server.process)
            os.kill(server.process, signal.SIGUSR1)
            yield Point(
                "collections", size, run(REFRESH, folder, server.process), _stored_mib(folder)
            )
            done = size


def _stored_mib(folder: Path) -> float:
    return load_settings(environment={}, folder=folder).warehouse_path.stat().st_size / 2**20


def summary(measured: Measurement) -> str:
    """One line for the terminal."""
    return (
        f"{measured.seconds:.2f} s, {measured.cpu_seconds:.2f} CPU s, {measured.peak_mib:.0f} MiB"
        f" (sandbox {measured.server_cpu_seconds:.2f} CPU s, other load"
        f" {measured.other_load:.2f} cores)"
    )
