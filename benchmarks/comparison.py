"""Our refresh beside the peer's job, and beside its own requests on a slow network."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks import contestants
from benchmarks.growth import summary
from benchmarks.measure import Measurement, run
from benchmarks.sandbox import STILL, Case, Server, serving
from benchmarks.throttle import Request, throttled
from booking_assets.settings import load_settings

OURS, PEER, IDLE, REQUESTS = "ours", "peer", "Dagster alone", "requests alone"


@dataclass(frozen=True)
class Compared:
    """The runs of programs on a case, in turn; ours first, the peer's or the replay's second."""

    case: Case
    runs: dict[str, list[Measurement]]
    rows: dict[str, tuple[object, ...]]
    operations: Counter[tuple[str, str]]
    peer_workers: int = 1

    def of(self, name: str, figure: str) -> float:
        """The median of a figure of a program's runs."""
        return float(median(getattr(one, figure) for one in self.runs[name]))

    def ratio(self, figure: str) -> float:
        """The second program's median over ours."""
        ours, other, *_ = (self.of(name, figure) for name in self.runs)
        return other / ours


def beside_peer(
    cases: Sequence[Case], repeats: int, home: Path, page_size: int, say: Callable[[str], None]
) -> Iterator[Compared]:
    """Run both in turn, `repeats` times after pairs that fill the caches and choose a setup.

    After each pair, Dagster alone: a program on Dagster takes as long, whatever it does.

    The peer normalizes in one process or one a core, in which it was faster then.

    Raises:
        ValueError: Their rows, sums or fingerprints are not equal.
    """
    python = contestants.peer_python(home)
    for case in cases:
        runs: dict[str, list[Measurement]] = {OURS: [], PEER: [], IDLE: []}
        with serving(case, home, page_size) as server:
            tried = {}
            for workers in (1, os.cpu_count() or 1):
                pair = _pair(server, case, contestants.Peer(python, page_size, workers), say)
                tried[workers] = pair.peer.seconds
            best = min(tried, key=tried.__getitem__)
            for _ in range(repeats):
                pair = _pair(server, case, contestants.Peer(python, page_size, best), say)
                runs[OURS].append(pair.ours)
                runs[PEER].append(pair.peer)
                with server.fresh_folder() as folder:
                    runs[IDLE].append(run(contestants.IDLE, folder, server.process))
        yield Compared(case, runs, pair.rows, Counter(), best)


class _Pair(NamedTuple):
    ours: Measurement
    peer: Measurement
    rows: contestants.Answers


def _pair(server: Server, case: Case, setup: contestants.Peer, say: Callable[[str], None]) -> _Pair:
    with server.fresh_folder() as folder:
        ours = run(contestants.REFRESH, folder, server.process)
        rows = contestants.our_answers(folder, case)
    with server.fresh_folder() as folder:
        peer = run(contestants.prepare_peer(folder, case, setup), folder, server.process)
        contestants.require_equal(rows, contestants.peer_answers(folder, case), case)
    say(f"{case}: {summary(ours)}; peer {summary(peer)}")
    return _Pair(ours, peer, rows)


@dataclass(frozen=True)
class Network:
    """A slow network: seconds before each response, bytes a second of all of them."""

    latency: float
    bytes_a_second: float


def beside_requests(
    cases: Sequence[Case],
    network: Network,
    repeats: int,
    home: Path,
    page_size: int,
    say: Callable[[str], None],
) -> Iterator[Compared]:
    """Refresh on a slow network, then send the same requests alone; in turn, `repeats` times."""
    slow = (*STILL, "--fault", f"latency={network.latency:g}")
    for case in cases:
        runs: dict[str, list[Measurement]] = {OURS: [], REQUESTS: []}
        with serving(case, home, page_size, slow) as server:
            for repeat in range(repeats + 1):
                with (
                    throttled(server.base_url, network.bytes_a_second) as link,
                    server.fresh_folder(link.base_url) as folder,
                ):
                    ours = run(contestants.REFRESH, folder, server.process)
                    rows = contestants.our_answers(folder, case)
                    sent = list(link.requests)
                    replay = _replay(folder, link.base_url, sent)
                    alone = run(replay, folder, server.process)
                alone = replace(alone, seconds=float(alone.output))
                say(f"{case}, pair {repeat}: {summary(ours)}; {REQUESTS} {alone.seconds:.2f} s")
                if repeat:
                    runs[OURS].append(ours)
                    runs[REQUESTS].append(alone)
        yield Compared(case, runs, rows, Counter(one.operation for one in sent))


def _replay(folder: Path, base_url: str, sent: Sequence[Request]) -> tuple[str, ...]:
    settings = load_settings(environment={}, folder=folder)
    assert settings.api is not None
    (folder / "requests.json").write_text(json.dumps([asdict(one) for one in sent]))
    limits = (str(settings.api.max_concurrency), str(settings.collect.max_organizations))
    return (sys.executable, "-m", "benchmarks.replay", "requests.json", base_url, *limits)
