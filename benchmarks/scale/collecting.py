"""How much faster more workers collect: the same round by clusters of 1, 2, 4 and 8 workers.

Each response of the sandbox starts late, and a worker has few requests in flight, so that one
uses a small part of a core: the workers wait as on a network, and not for this machine.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from booking_assets.pipeline.landings import open_landings
from booking_assets.settings import load_settings
from booking_assets_tests.cluster.loopback import NEVER, Loopback
from booking_assets_tests.storage.seaweed import BUCKET

WORKERS, SANDBOX, OBJECT_STORE, OTHER_PROGRAMS = "workers", "sandbox", "store", "other programs"
REQUESTS_AT_ONCE = 1
"""`[api] max_concurrency`: of each organization."""
RUNS_A_WORKER = 2
"""Runs of each worker of the largest cluster; the others' runs are as large, and more."""
_STORAGE = f"s3://{BUCKET}/scale"
_COLLECTORS = "collector-"
_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Round:
    """A round of a cluster.

    Attributes:
        at_once: Organizations that a worker collects at once.
        seconds: From the first run's start to the last one's end, as Dagster recorded them.
        cpu_seconds: Of each part of the cluster, from the submission to the end; `WORKERS` are all
            that collect, `OTHER_PROGRAMS` all that does not belong to the cluster.
        landed: Bytes of each landing in the object store.
    """

    case: Case
    workers: int
    at_once: int
    runs: int
    seconds: float
    cpu_seconds: Mapping[str, float]
    landed: Sequence[int]

    @property
    def cores_a_worker(self) -> float:
        """The share of a core that a worker used, the start of its runs included."""
        return self.cpu_seconds[WORKERS] / self.seconds / self.workers

    @property
    def cores(self) -> float:
        """The cores that all parts of the cluster used."""
        return (sum(self.cpu_seconds.values()) - self.cpu_seconds[OTHER_PROGRAMS]) / self.seconds


class RoundFailed(Exception):
    """Runs failed, or landings are missing."""


def rounds(
    case: Case,
    workers: Sequence[int],
    latency: float,
    at_once: int,
    home: Path,
    page_size: int,
    say: Callable[[str], None],
) -> Iterator[Round]:
    """Collect the case by clusters of so many workers.

    Args:
        case: what is collected.
        workers: the sizes of the clusters.
        latency: seconds before each response.
        at_once: organizations that a worker collects at once.
        home: the folder of the sandbox's configuration.
        page_size: rows a request.
        say: prints a line.
    """
    a_run = math.ceil(case.organizations / (RUNS_A_WORKER * max(workers)))
    slow = (*STILL, "--fault", f"latency={latency:g}")
    with serving(case, home / "collecting", page_size, slow) as server:
        for number in workers:
            with _running(server, number, at_once, a_run) as cluster:
                found = _round(cluster, server, case, number, at_once)
            used = ", ".join(f"{part} {cpu:.1f}" for part, cpu in found.cpu_seconds.items())
            say(
                f"{number} workers: {found.seconds:.1f} s, a worker {found.cores_a_worker:.3f}"
                f" cores, all {found.cores:.2f}; CPU s: {used}"
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
def _running(server: Server, workers: int, at_once: int, a_run: int) -> Iterator[_Cluster]:
    settings = (
        f'\n[storage]\nurl = "{_STORAGE}"\n'
        f"\n[collect]\nmax_organizations = {at_once}\n"
        f"\n[schedules]\nenabled = true\norganizations_a_run = {a_run}\n"
        + "".join(f'{key} = "{NEVER}"\n' for key in ("hourly", "nightly", "retention"))
    )
    with TemporaryDirectory(prefix="booking-scale-") as name, ExitStack() as stack:
        # PostgreSQL's user has to reach its own folder.
        Path(name).chmod(0o711)
        cluster = _Cluster(Path(name), workers, settings=settings, home=server.home)
        stack.callback(cluster.stop_all)
        cluster.start_all(ui=False)
        yield cluster


def _used(cluster: Loopback, server: Server) -> dict[str, float]:
    """CPU seconds until now, as in `Round`; of other programs, those of the whole machine."""
    used = dict.fromkeys((WORKERS, SANDBOX, OBJECT_STORE), 0.0)
    for name, process in cluster.processes.items():
        part = WORKERS if name.startswith(_COLLECTORS) else name
        used[part] = used.get(part, 0.0) + cpu_of_tree(process.pid)
    used[SANDBOX] = cpu_of_tree(server.process)
    if cluster.store:
        used[OBJECT_STORE] = cpu_of_tree(cluster.store.process)
    return used | {OTHER_PROGRAMS: busy_seconds()}


def _round(cluster: Loopback, server: Server, case: Case, workers: int, at_once: int) -> Round:
    before = _used(cluster, server)
    submitted = re.search(r"Submitted (\S+):", cluster.command("refresh", "--submit"))
    assert submitted
    with cluster.instance() as instance:
        records = _ended(instance, submitted[1])
        used = {part: cpu - before[part] for part, cpu in _used(cluster, server).items()}
        # The credentials of the object store are in the environment here.
        with open_landings(load_settings(environment={}, folder=cluster.folder)) as landings:
            assert isinstance(landings, ObjectLandings)
            found = landings.listing()
    resources = 4 if case.registrations else 3
    failed = sum(not one.dagster_run.is_success for one in records)
    if failed or len(found.whole) != resources * case.organizations or found.failures:
        raise RoundFailed(f"{failed} of {len(records)} runs failed; {len(found.whole)} landings")
    used[OTHER_PROGRAMS] = max(0.0, 2 * used[OTHER_PROGRAMS] - sum(used.values()))
    return Round(
        case=case,
        workers=workers,
        at_once=at_once,
        runs=len(records),
        seconds=max(one.end_time or 0 for one in records)
        - min(one.start_time or math.inf for one in records),
        cpu_seconds=used,
        landed=[*found.whole.values()],
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
