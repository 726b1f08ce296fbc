"""Writes `RESULTS.md`: the tables, the machine, its load, the command."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.comparison import OURS, PEER, REQUESTS, Compared, Network
from benchmarks.growth import EVENTS_AN_ORGANIZATION, HISTORY_CASE, Point
from benchmarks.waiting import FULL, INCREMENTAL, NO_ASSETS

if TYPE_CHECKING:
    from benchmarks.scale.collecting import Round
    from benchmarks.scale.storing import Stage

_PACKAGES = ("booking-assets", "dagster", "duckdb", "polars", "httpx", "msgspec")
_REQUIREMENTS = Path(__file__).resolve().parent / "peer" / "requirements.txt"
_FIGURES = ("seconds", "cpu_seconds", "peak_mib")
WHY = {
    "count": "before the pages, which follow from it, and after several: was it all?",
    "collect": "the pages of rows",
    "search": "every identifier, where the rows took several pages: they may have moved between",
}
"""Why an operation is requested."""


@dataclass
class Findings:
    """The results of one run of the benchmarks, in order."""

    command: str
    network: Network
    note: str = ""
    load: tuple[float, float, float] = field(default_factory=os.getloadavg)
    compared: list[Compared] = field(default_factory=list)
    on_network: list[Compared] = field(default_factory=list)
    unchanged: list[Compared] = field(default_factory=list)
    ui: Compared | None = None
    points: list[Point] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)

    @property
    def is_of_refresh(self) -> bool:
        """Whether there are any of a refresh: they share a document."""
        return bool(self.compared or self.on_network or self.unchanged or self.ui or self.points)

    def by_axis(self) -> dict[str, list[Point]]:
        """The points of each axis of growth."""
        return {
            axis: list(points) for axis, points in groupby(self.points, lambda point: point.axis)
        }


def written(findings: Findings) -> str:
    """The whole document."""
    blocks = [
        "# What a refresh costs",
        "Written by `python -m benchmarks`; what is measured, and how: [README.md](README.md).",
        findings.note,
        *_beside_peer(findings),
        *_on_network(findings),
        *_unchanged(findings),
        *_ui(findings),
        *_growth(findings),
        *machine(findings),
    ]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _beside_peer(findings: Findings) -> Iterator[str]:
    if not findings.compared:
        return
    yield "## Beside the peer"
    yield (
        "Whole process against whole process, in turn; medians, in brackets the lowest and the"
        " highest. Rows, sums and fingerprints of both were equal in every pair."
    )
    yield table(_RUN_COLUMNS, _run_rows(findings.compared))
    yield "How many times as much the peer takes:"
    yield table(
        (
            *("case", "seconds", "CPU seconds", "peak memory", *_COUNTED),
            "processes in which the peer normalizes",
        ),
        (
            (
                str(one.case),
                *(f"{one.ratio(figure):.1f}" for figure in _FIGURES),
                *(f"{one.rows[name][0]:,}" if name in one.rows else "0" for name in _COUNTED),
                str(one.peer_workers),
            )
            for one in findings.compared
        ),
    )


_COUNTED = ("events", "registrations")
_RUN_COLUMNS = (
    *("case", "program", "runs", "seconds", "CPU s", "peak MiB"),
    *("sandbox CPU s", "other load, cores"),
)


def _run_rows(compared: Iterable[Compared]) -> Iterator[tuple[str, ...]]:
    for one in compared:
        for name, runs in one.runs.items():
            seconds = [run.seconds for run in runs]
            yield (
                str(one.case),
                name,
                str(len(runs)),
                f"{one.of(name, 'seconds'):.2f} ({min(seconds):.2f} to {max(seconds):.2f})",
                f"{one.of(name, 'cpu_seconds'):.2f}",
                f"{one.of(name, 'peak_mib'):.0f}",
                f"{one.of(name, 'server_cpu_seconds'):.2f}",
                f"{one.of(name, 'other_load'):.2f}",
            )


def _on_network(findings: Findings) -> Iterator[str]:
    if not findings.on_network:
        return
    network = findings.network
    yield "## On a slow network"
    yield (
        f"Each response starts after {network.latency * 1000:g} ms, and all of them share"
        f" {network.bytes_a_second / 1e6:g} MB/s. `{REQUESTS}`: the same requests at the same"
        " concurrency, the answers dropped, without the start of the interpreter."
    )
    yield table(_RUN_COLUMNS, _run_rows(findings.on_network))
    for one in findings.on_network:
        yield (
            f"{one.case}: the refresh takes {1 / one.ratio('seconds'):.2f} times as long as its"
            f" {sum(one.operations.values()):,} requests alone:"
        )
        yield table(
            ("resource", "operation", "requests", "why"),
            (
                (resource, operation, f"{number:,}", WHY.get(operation, "a row that moved"))
                for (resource, operation), number in sorted(one.operations.items())
            ),
        )


def _unchanged(findings: Findings) -> Iterator[str]:
    if not findings.unchanged:
        return
    yield "## When nothing changed"
    yield (
        f"`{FULL}` into an empty warehouse, then `{INCREMENTAL}`, before which nothing changed:"
        " changed events are asked for, registrations are read in full and compared, marts are"
        " derived as of the new instant, the report is drawn."
    )
    yield table(_RUN_COLUMNS, _run_rows(findings.unchanged))


def _ui(findings: Findings) -> Iterator[str]:
    if findings.ui is None:
        return
    yield "## The UI"
    yield (
        f"Seconds until `booking-assets ui` answers for its code location after a refresh;"
        f" `{NO_ASSETS}`: Dagster's own UI, without this project. CPU seconds until it has ended."
    )
    yield table(_RUN_COLUMNS, _run_rows([findings.ui]))


def _growth(findings: Findings) -> Iterator[str]:
    if not findings.points:
        return
    yield "## Growth"
    yield (
        "A refresh each, the whole process, into an empty warehouse. `events`: of one organization"
        f" without registrations. `organizations`: of {EVENTS_AN_ORGANIZATION} events with"
        " registrations. `registrations`: about so many, of one organization. `collections`: the"
        f" last of so many into one warehouse, of {HISTORY_CASE}; between two, an hour of changes."
    )
    for axis, points in findings.by_axis().items():
        yield f"### {axis.capitalize()}"
        yield table(
            (
                *(axis, "seconds", "CPU s", "peak MiB", "stored MiB"),
                *("sandbox CPU s", "other load, cores", "ms for each further"),
            ),
            (
                (
                    f"{point.size:,}",
                    f"{point.measured.seconds:.2f}",
                    f"{point.measured.cpu_seconds:.2f}",
                    f"{point.measured.peak_mib:.0f}",
                    f"{point.mib:.1f}",
                    f"{point.measured.server_cpu_seconds:.2f}",
                    f"{point.measured.other_load:.2f}",
                    _each_further(before, point),
                )
                for before, point in zip([None, *points], points, strict=False)
            ),
        )
        yield f"![What a refresh costs by {axis}]({picture(axis)})"


def picture(axis: str) -> str:
    """The file name of an axis's plot."""
    return f"growth-{axis}.svg"


def _each_further(before: Point | None, point: Point) -> str:
    if before is None:
        return ""
    seconds = point.measured.seconds - before.measured.seconds
    return f"{1000 * seconds / (point.size - before.size):.3g}"


def machine(findings: Findings) -> Iterator[str]:
    """The machine, its load, the command, the versions."""
    yield "## Machine and command"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    peer = ", ".join(
        line.replace("==", " ")
        for line in _REQUIREMENTS.read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    )
    yield "\n".join(
        (
            f"- `{findings.command}`",
            f"- {_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}"
            f" {platform.release()}; load average before the run:"
            f" {', '.join(f'{one:.1f}' for one in findings.load)}",
            f"- {OURS}: Python {platform.python_version()};"
            f" {', '.join(f'{name} {version(name)}' for name in _PACKAGES)}",
            f"- {PEER}: Python 3.11; {peer}",
        )
    )


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
