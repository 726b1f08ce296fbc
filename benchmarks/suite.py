"""Which programs run on which cases, how often and in which order.

Measuring is in `measure`, tables and plot in `report` and `plot`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.measure import Measurement, run
from benchmarks.sandbox import COMMAND, Case, fresh_folder, serving

MIB = 2**20
ONCE_FROM = 300_000
"""Cases from this number of events on run once: noise of a second matters little there."""
COMPLETE = 0.99
"""The sandbox leaves about one slot in 5,000 empty: fewer rows than this are a fault."""


@dataclass(frozen=True)
class Contestant:
    """A program to measure.

    Attributes:
        name: Its name in tables.
        command: The command, run in the case's folder.
        events_at_most: Larger cases are skipped unless `--no-limits` is given.
        organizations_at_most: Cases of more organizations are skipped, too.
    """

    name: str
    command: tuple[str, ...]
    events_at_most: int = sys.maxsize
    organizations_at_most: int = sys.maxsize

    def takes(self, case: Case) -> bool:
        """Whether the case is within its limits."""
        within = case.organizations <= self.organizations_at_most
        return within and case.events <= self.events_at_most

    def run(self, folder: Path) -> Measurement:
        """Run it once."""
        return run(self.command, folder, self.name)


def module(name: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs a module of `benchmarks.contestants`."""
    return (sys.executable, "-m", f"benchmarks.contestants.{name}", ".", *arguments)


FLOOR = Contestant("floor", module("floor"))
COLLECT = Contestant("collect", module("collect"))
REFRESH = Contestant("refresh", (COMMAND, "refresh"))
_PEER_ORGANIZATIONS = 500
"""With a resource for each of 1,000 organizations, dlt 1.31 ends in a RecursionError."""
PEERS = (
    Contestant("dlt", module("dlt_rest", "tuned"), 100_000, _PEER_ORGANIZATIONS),
    Contestant("dlt, parallel", module("dlt_rest", "parallel"), 100_000, _PEER_ORGANIZATIONS),
    Contestant("dlt, defaults", module("dlt_rest", "default"), 10_000, _PEER_ORGANIZATIONS),
)
NAIVE = Contestant("naive script", module("naive"), events_at_most=10_000)
CONTESTANTS = (FLOOR, COLLECT, REFRESH, *PEERS, NAIVE)


@dataclass(frozen=True)
class Result:
    """All runs of one contestant on one case."""

    case: Case
    contestant: str
    runs: tuple[Measurement, ...]

    @property
    def rows(self) -> int:
        """Rows stored, or fetched."""
        return int(self.runs[0].outcome.get("rows", self.case.events))

    @property
    def seconds(self) -> float:
        """The median of all runs."""
        return median(one.seconds for one in self.runs)

    @property
    def process_seconds(self) -> float:
        """The median, from the start of the process to its end."""
        return median(one.process_seconds for one in self.runs)

    @property
    def cpu_seconds(self) -> float:
        """The median of all runs."""
        return median(one.cpu_seconds for one in self.runs)

    @property
    def peak_mib(self) -> float:
        """The largest of all runs."""
        return max(one.peak_mib for one in self.runs)


def compared(
    case: Case,
    contestants: Sequence[Contestant],
    repeats: int,
    home: Path,
    say: Callable[[str], None],
) -> Iterator[Result]:
    """Run the contestants in turn, `repeats` times, so that noise affects all of them."""
    runs: dict[str, list[Measurement]] = {one.name: [] for one in contestants}
    with serving(case, home):
        for _ in range(1 if case.events >= ONCE_FROM else repeats):
            for contestant in contestants:
                with fresh_folder(home, "run") as folder:
                    measured = contestant.run(folder)
                _require_rows(case, contestant, measured)
                runs[contestant.name].append(measured)
                say(f"{case}: {contestant.name}: {_summary(measured)}")
    for name, measurements in runs.items():
        yield Result(case, name, tuple(measurements))


@dataclass(frozen=True)
class Published:
    """The runs of publishing and of copying the warehouse file."""

    case: Case
    publish: tuple[Measurement, ...]
    copy: tuple[Measurement, ...]

    @property
    def ratio(self) -> float:
        """The median seconds of publishing over those of copying."""
        return self.publish_seconds / self.copy_seconds

    @property
    def publish_seconds(self) -> float:
        """The median of all runs."""
        return median(one.seconds for one in self.publish)

    @property
    def copy_seconds(self) -> float:
        """The median of all runs."""
        return median(one.seconds for one in self.copy)


def published(case: Case, repeats: int, home: Path, say: Callable[[str], None]) -> Published:
    """Refresh once, then publish and copy that warehouse in turn."""
    programs = {name: Contestant(name, module(name)) for name in ("publish", "copy")}
    runs: dict[str, list[Measurement]] = {name: [] for name in programs}
    with serving(case, home), fresh_folder(home, "run") as folder:
        REFRESH.run(folder)
        for _ in range(repeats):
            for name, program in programs.items():
                measured = program.run(folder)
                runs[name].append(measured)
                say(f"{case}: {name}: {_summary(measured)}")
    return Published(case, tuple(runs["publish"]), tuple(runs["copy"]))


@dataclass(frozen=True)
class Grown:
    """The warehouse's size in MiB after each collection, and the size of a compact copy."""

    case: Case
    mib: tuple[float, ...]
    compact_mib: float

    @property
    def ratio(self) -> float:
        """The largest size over the compact size."""
        return max(self.mib) / self.compact_mib


def grown(case: Case, collections: int, home: Path, say: Callable[[str], None]) -> Grown:
    """Collect the same case repeatedly into one warehouse."""
    program = Contestant("recollect", module("recollect", str(collections)))
    with serving(case, home), fresh_folder(home, "run") as folder:
        outcome = program.run(folder).outcome
    growth = Grown(
        case, tuple(size / MIB for size in outcome["bytes"]), outcome["compact_bytes"] / MIB
    )
    say(f"{case}: {collections} collections: at most {growth.ratio:.2f} compact sizes")
    return growth


@dataclass(frozen=True)
class Profiled:
    """One refresh, with the parts that the program measured."""

    case: Case
    measured: Measurement


def profiled(case: Case, home: Path, say: Callable[[str], None]) -> Profiled:
    """Refresh once with a clock around every part."""
    program = Contestant("stages", module("stages"))
    with serving(case, home), fresh_folder(home, "run") as folder:
        measured = program.run(folder)
    say(f"{case}: refresh by its parts: {_summary(measured)}")
    return Profiled(case, measured)


def _require_rows(case: Case, contestant: Contestant, measured: Measurement) -> None:
    """Raise where rows are missing; a command that prints no rows checks them itself."""
    rows = measured.outcome.get("rows", case.events)
    if not case.events * COMPLETE <= rows <= case.events:
        raise RuntimeError(f"{contestant.name} came to {rows} rows of {case}")


def _summary(measured: Measurement) -> str:
    return (
        f"{measured.seconds:.2f} s ({measured.process_seconds:.2f} s the process,"
        f" {measured.cpu_seconds:.2f} s CPU, {measured.peak_mib:.0f} MiB)"
    )
