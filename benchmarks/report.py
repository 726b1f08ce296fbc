"""Writes `RESULTS.md`: the tables, the bounds, the machine, the command.

What is measured is in `suite`, the plot in `plot`.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from benchmarks.sandbox import Case
from benchmarks.suite import COLLECT, FLOOR, PEERS, REFRESH, Grown, Profiled, Published, Result

PICTURE = "cost.svg"
_PACKAGES = ("booking-assets", "dagster", "duckdb", "polars", "httpx", "msgspec", "dlt", "pyarrow")
_COLUMNS = (
    *("events", "organizations", "page size", "contestant", "runs"),
    *("seconds", "x floor", "peer x", "rows/s", "CPU s", "peak MiB"),
)
_SPEED_EVENTS = 100_000
_PEAK_MIB = {100_000: 400, 1_000_000: 600}
PEER_NAMES = frozenset(one.name for one in PEERS)


@dataclass(frozen=True)
class Peer:
    """A peer's seconds on a case, measured there or extrapolated."""

    seconds: float
    is_measured: bool

    def times(self, result: Result) -> str:
        """The peer's seconds over the result's, marked where extrapolated."""
        return f"{'' if self.is_measured else '~'}{self.seconds / result.seconds:.1f}"


@dataclass
class Findings:
    """The results of one run of the benchmarks, in order."""

    command: str
    note: str = ""
    load: tuple[float, float, float] = field(default_factory=os.getloadavg)
    results: list[Result] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    grown: list[Grown] = field(default_factory=list)
    profiled: list[Profiled] = field(default_factory=list)

    def of(self, contestant: str, case: Case) -> Result | None:
        """The contestant's result on the case."""
        found = (one for one in self.results if (one.contestant, one.case) == (contestant, case))
        return next(found, None)

    def peer(self, case: Case, names: Collection[str] = PEER_NAMES) -> Peer | None:
        """The fastest of these peers on the case.

        Where none of them ran, extrapolated by rows from the largest smaller case.
        """
        runs = [
            one
            for one in self.results
            if one.contestant in names
            and one.case.organizations == case.organizations
            and one.case.events <= case.events
        ]
        largest = max((one.case.events for one in runs), default=0)
        seconds = [one.seconds / one.rows for one in runs if one.case.events == largest]
        if not seconds:
            return None
        return Peer(min(seconds) * case.events, is_measured=largest == case.events)


def written(findings: Findings) -> str:
    """The whole document."""
    blocks = [
        "# What it costs",
        "Written by `python -m benchmarks`; what is measured, and how: [README.md](README.md).",
        findings.note,
        *_comparison(findings),
        *_promises(findings),
        *_parts(findings),
        *_machine(findings),
    ]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _comparison(findings: Findings) -> Iterator[str]:
    if not findings.results:
        return
    yield "## Floor, ours, peer"
    yield (
        "Seconds are the median's, memory the hungriest run's. `x floor`: times the floor's"
        " seconds, though the refresh's have interpreter and imports in them and the floor's not."
        " `peer x`: how many times as long the fastest dlt takes; `~` where dlt did not run and"
        " its cost is extrapolated, row by row, from the largest smaller case."
    )
    yield _table(
        _COLUMNS,
        (_comparison_row(findings, one) for one in findings.results),
    )
    yield f"![Seconds by events and by organizations]({PICTURE})"


def _comparison_row(findings: Findings, result: Result) -> tuple[str, ...]:
    case = result.case
    floor, peer = findings.of(FLOOR.name, case), findings.peer(case)
    seconds = [one.seconds for one in result.runs]
    spread = f" ({min(seconds):.2f} to {max(seconds):.2f})" if len(seconds) > 1 else ""
    return (
        f"{case.events:,}",
        f"{case.organizations:,}",
        f"{case.page_size:,}",
        result.contestant,
        str(len(seconds)),
        f"{result.seconds:.2f}{spread}",
        f"{result.seconds / floor.seconds:.1f}" if floor else "",
        peer.times(result) if peer and result.contestant != FLOOR.name else "",
        f"{result.rows / result.seconds:,.0f}",
        f"{result.cpu_seconds:.1f}",
        f"{result.peak_mib:.0f}",
    )


@dataclass(frozen=True)
class _Promise:
    """A bound and the value measured, in the same unit."""

    text: str
    bound: float
    found: float
    unit: str
    at_least: bool = False

    def row(self) -> tuple[str, ...]:
        held = self.found >= self.bound if self.at_least else self.found <= self.bound
        sign = "at least" if self.at_least else "at most"
        return (
            self.text,
            f"{sign} {self.bound:g} {self.unit}",
            f"{self.found:.1f} {self.unit}",
            "held" if held else "**missed**",
        )


def _promises(findings: Findings) -> Iterator[str]:
    promises = [
        *_speed_and_memory(findings),
        *_many_organizations(findings),
        *(
            _Promise(f"publishing {one.case}, against a synced copy", 3, one.ratio, "x")
            for one in findings.published
        ),
        *(
            _Promise(f"size after {len(one.mib)} collections of {one.case}", 2, one.ratio, "x")
            for one in findings.grown
        ),
    ]
    if promises:
        yield "## What was promised"
        yield _table(("promise", "bound", "found", ""), (one.row() for one in promises))
    for one in findings.published:
        yield (
            f"Publishing took {one.publish_seconds:.2f} s, the copy {one.copy_seconds:.2f} s"
            f" ({one.copy[0].outcome['bytes'] / 2**20:.0f} MiB)."
        )
    for growth in findings.grown:
        yield (
            f"The warehouse held {growth.mib[0]:.1f} MiB after the first collection,"
            f" {max(growth.mib):.1f} at most, {growth.mib[-1]:.1f} after the last;"
            f" a compact copy {growth.compact_mib:.1f}."
        )


def _speed_and_memory(findings: Findings) -> Iterator[_Promise]:
    for case in dict.fromkeys(one.case for one in findings.results if one.case.organizations == 1):
        floor, ours = findings.of(FLOOR.name, case), findings.of(COLLECT.name, case)
        refresh = findings.of(REFRESH.name, case)
        where = f"{case}, page size {case.page_size:,}"
        if ours and case.events in _PEAK_MIB:
            text, bound = f"peak of collecting {where}", _PEAK_MIB[case.events]
            yield _Promise(text, bound, ours.peak_mib, "MiB")
        if case.events != _SPEED_EVENTS:
            continue
        if floor and ours:
            ratio = ours.seconds / floor.seconds
            yield _Promise(f"collecting {where}, against the floor", 4, ratio, "x")
        if floor and refresh:
            ratio = refresh.seconds / floor.seconds
            yield _Promise(f"refreshing {where}, against the floor", 12, ratio, "x")
            ratio = refresh.process_seconds / floor.process_seconds
            yield _Promise("the same, whole process against whole process", 12, ratio, "x")
        if ours:
            yield from _against_peers(findings, ours)


def _against_peers(findings: Findings, ours: Result) -> Iterator[_Promise]:
    for one in PEERS:
        peer = findings.peer(ours.case, {one.name})
        if peer:
            extrapolated = "" if peer.is_measured else ", extrapolated"
            text = f"collecting {ours.case} is faster than `{one.name}`{extrapolated}"
            yield _Promise(text, 50, peer.seconds / ours.seconds, "x", at_least=True)


def _many_organizations(findings: Findings) -> Iterator[_Promise]:
    """The cost of each further organization that shares the same events, without its requests."""
    for case in dict.fromkeys(one.case for one in findings.results if one.case.organizations > 1):
        alone = Case(case.events, 1, case.page_size)
        found = [findings.of(name, at) for at in (case, alone) for name in ("refresh", "floor")]
        if all(found):
            many, many_floor, one, one_floor = (each.seconds for each in found if each)
            further = (many - many_floor - one + one_floor) / (case.organizations - 1)
            text = f"a further organization beyond its requests, {case}"
            yield _Promise(text, 60, further * 1000, "ms")


def _parts(findings: Findings) -> Iterator[str]:
    for profile in findings.profiled:
        yield f"## Where a refresh of {profile.case} spends its time"
        yield (
            f"{profile.measured.seconds:.2f} s in all. `main thread` adds up to that; the others"
            " run in threads meanwhile, and wait for each other and for the API."
        )
        yield _table(
            ("part", "calls", "main thread, s", "all threads, s", "their Python and C, CPU s"),
            (
                (
                    part["part"],
                    str(part["calls"]),
                    f"{part['main_seconds']:.2f}",
                    f"{part['seconds']:.2f}",
                    f"{part['cpu_seconds']:.2f}" if "cpu_seconds" in part else "",
                )
                for part in profile.measured.outcome["parts"]
            ),
        )


def _machine(findings: Findings) -> Iterator[str]:
    yield "## Machine and command"
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = ", ".join(f"{one:.1f}" for one in findings.load)
    yield "\n".join(
        (
            f"- `{findings.command}`",
            f"- {_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}"
            f" {platform.release()}; load before the run: {load}",
            f"- Python {platform.python_version()}; {versions}",
        )
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
