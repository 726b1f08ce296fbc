"""How much faster more workers collect: the same round by clusters of 1, 2, 4 and 8 workers.

Each response of the sandbox starts late, and a worker has few requests in flight, so that one
uses a small part of a core: the workers wait as on a network, and not for this machine.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
from dotenv import dotenv_values

from benchmarks.measure import busy_seconds, cpu_of_tree
from benchmarks.sandbox import STILL, Case, Server, serving
from booking_assets.collect.object_landings import ObjectLandings
from booking_assets.defs.rounds import PART_TAG, ROUND_TAG
from booking_assets.objects import open_objects
from booking_assets_tests.cluster.loopback import NEVER, Loopback
from booking_assets_tests.storage.seaweed import BUCKET

ORGANIZATIONS_AT_ONCE, REQUESTS_AT_ONCE = 2, 1
"""`[collect] max_organizations`, and `[api] max_concurrency` of each of them."""
RUNS_A_WORKER = 2
"""Runs of each worker of the largest cluster; the others' runs are as large, and more."""
_STORAGE = f"s3://{BUCKET}/scale"
_COLLECTORS = "collector-"
_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Round:
    """A round of a cluster.

    Attributes:
        seconds: From the first run's start to the last one's end, as Dagster recorded them.
        worker_cpu_seconds: Of all workers that collect, from the submission to the end.
        sandbox_cpu_seconds: Of the API meanwhile.
        other_cpu_seconds: Of PostgreSQL, Redis, the object store, Dagster's daemon and code server.
        foreign_cpu_seconds: Of this machine's other programs.
        span: Seconds for which those of other programs were counted.
        landings: How many there are in the object store, as many as there must be.
    """

    case: Case
    workers: int
    runs: int
    seconds: float
    worker_cpu_seconds: float
    sandbox_cpu_seconds: float
    other_cpu_seconds: float
    foreign_cpu_seconds: float
    span: float
    landings: int
    landed_bytes: int

    @property
    def cores_a_worker(self) -> float:
        """The share of a core that a worker used, the start of its runs included."""
        return self.worker_cpu_seconds / self.seconds / self.workers

    @property
    def cores(self) -> float:
        """The cores that everything used that the round needs."""
        used = self.worker_cpu_seconds + self.sandbox_cpu_seconds + self.other_cpu_seconds
        return used / self.seconds


class RoundFailed(Exception):
    """Runs failed, or landings are missing."""


def rounds(
    case: Case,
    workers: Sequence[int],
    latency: float,
    home: Path,
    page_size: int,
    say: Callable[[str], None],
) -> Iterator[Round]:
    """Collect the case with so many workers each; `latency` is in seconds a request."""
    a_run = math.ceil(case.organizations / (RUNS_A_WORKER * max(workers)))
    slow = (*STILL, "--fault", f"latency={latency:g}")
    with serving(case, home / "collecting", page_size, slow) as server:
        for number in workers:
            with _running(server, number, a_run) as cluster:
                found = _round(cluster, server, case, number)
            say(
                f"{number} workers: {found.seconds:.1f} s, a worker {found.cores_a_worker:.3f}"
                f" cores, all {found.cores:.2f}, others {found.foreign_cpu_seconds:.0f} CPU s"
            )
            yield found


@dataclass
class _Cluster(Loopback):
    """A cluster whose API is a sandbox that runs already, in whose folder the configuration is."""

    home: Path = Path()

    def _start_sandbox(self) -> None:
        text = (self.home / "booking.toml").read_text("utf-8")
        text = text.replace("[api]\n", f"[api]\nmax_concurrency = {REQUESTS_AT_ONCE}\n")
        toml = self.folder / "booking.toml"
        toml.write_text(text + self.settings, "utf-8")
        tokens = dotenv_values(self.home / ".env")
        self.environment |= {name: value or "" for name, value in tokens.items()}
        self.environment["BOOKING_CONFIG"] = str(toml)


@contextmanager
def _running(server: Server, workers: int, organizations_a_run: int) -> Iterator[_Cluster]:
    settings = (
        f'\n[storage]\nurl = "{_STORAGE}"\n'
        f"\n[collect]\nmax_organizations = {ORGANIZATIONS_AT_ONCE}\n"
        f"\n[schedules]\nenabled = true\norganizations_a_run = {organizations_a_run}\n"
        + "".join(f'{key} = "{NEVER}"\n' for key in ("hourly", "nightly", "retention"))
    )
    with TemporaryDirectory(prefix="booking-scale-") as name, ExitStack() as stack:
        # PostgreSQL's user has to reach its own folder.
        Path(name).chmod(0o711)
        cluster = _Cluster(Path(name), workers, settings=settings, home=server.home)
        stack.callback(cluster.stop_all)
        cluster.start_all(ui=False)
        yield cluster


@dataclass(frozen=True)
class _Used:
    """CPU seconds until now."""

    at: float
    workers: float
    sandbox: float
    others: float
    machine: float


def _used(cluster: Loopback, server: Server) -> _Used:
    collectors, others = 0.0, 0.0
    for name, process in cluster.processes.items():
        cpu = cpu_of_tree(process.pid)
        if name.startswith(_COLLECTORS):
            collectors += cpu
        else:
            others += cpu
    if cluster.store:
        others += cpu_of_tree(cluster.store.process)
    sandbox = cpu_of_tree(server.process)
    return _Used(time.monotonic(), collectors, sandbox, others, busy_seconds())


def _round(cluster: Loopback, server: Server, case: Case, workers: int) -> Round:
    before = _used(cluster, server)
    submitted = re.search(r"Submitted (\S+):", cluster.command("refresh", "--submit"))
    assert submitted
    with cluster.instance() as instance:
        records = _ended(instance, submitted[1])
        after = _used(cluster, server)
        # What the round has in the object store: the credentials are in the environment here.
        landings = ObjectLandings(open_objects(_STORAGE), cluster.folder / "scratch").listing()
    resources = 4 if case.registrations else 3
    failed = [one for one in records if not one.dagster_run.is_success]
    if failed or len(landings.whole) != resources * case.organizations or landings.failures:
        raise RoundFailed(
            f"{len(failed)} of {len(records)} runs failed, {len(landings.whole)} landings"
        )
    worker, sandbox, others = (
        after.workers - before.workers,
        after.sandbox - before.sandbox,
        after.others - before.others,
    )
    return Round(
        case=case,
        workers=workers,
        runs=len(records),
        seconds=max(one.end_time or 0 for one in records)
        - min(one.start_time or math.inf for one in records),
        worker_cpu_seconds=worker,
        sandbox_cpu_seconds=sandbox,
        other_cpu_seconds=others,
        foreign_cpu_seconds=max(0.0, after.machine - before.machine - worker - sandbox - others),
        span=after.at - before.at,
        landings=len(landings.whole),
        landed_bytes=sum(landings.whole.values()),
    )


def _ended(instance: dg.DagsterInstance, name: str) -> Sequence[dg.RunRecord]:
    """The records of a round's runs, once all of them have ended."""
    while True:
        records = instance.get_run_records(dg.RunsFilter(tags={ROUND_TAG: name}))
        parts = {one.dagster_run.tags[PART_TAG] for one in records}
        expected = int(next(iter(parts)).partition("/")[2]) if parts else 1
        if len(parts) == expected and all(one.dagster_run.is_finished for one in records):
            return records
        time.sleep(_POLL_SECONDS)
