"""What loading, deriving and publishing cost the one writer, from landings in an object store.

Each stage is a process of its own, over the same folder: `stages`. The requests to the store are
counted by a proxy in this process.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.growth import summary
from benchmarks.measure import Measurement, run
from benchmarks.sandbox import Case
from benchmarks.throttle import Request, Throttle, throttled
from booking_assets_tests.storage.seaweed import BUCKET, Seaweed

STAGES = ("make", "load", "derive", "publish")
_UNLIMITED = 1e12


@dataclass(frozen=True)
class Stage:
    """A stage over a case; `make` writes the landings that the next ones work on.

    Attributes:
        counts: what the stage printed: landings, their bytes, the rows that were loaded.
        requests: to the object store, by kind: `PUT`, `LIST` and so on.
        mib: the size of the warehouse afterwards.
    """

    case: Case
    name: str
    measured: Measurement
    counts: Mapping[str, int]
    requests: Counter[str]
    mib: float


def stages(cases: Sequence[Case], home: Path, say: Callable[[str], None]) -> Iterator[Stage]:
    """Measure every stage of each case."""
    for case in cases:
        with _store(home / "storing") as (folder, store, link):
            for name in STAGES:
                arguments = (case.text, f"s3://{BUCKET}/landings") if name == "make" else ()
                link.requests.clear()
                command = (sys.executable, "-m", "benchmarks.scale.stages", name, *arguments)
                measured = run(command, folder, store.process)
                requests = Counter(_kind(one) for one in link.requests)
                warehouse = folder / "data/booking.duckdb"
                mib = warehouse.stat().st_size / 2**20 if warehouse.exists() else 0
                counts = json.loads(measured.output.splitlines()[-1])
                found = Stage(case, name, measured, counts, requests, mib)
                say(f"{case}: {name}: {summary(measured)}, {counts}, {dict(requests)}")
                yield found


def _kind(request: Request) -> str:
    """The kind that a store bills: a list is a GET of the bucket."""
    is_list = request.method == "GET" and "list-type=" in request.path
    return "LIST" if is_list else request.method


@contextmanager
def _store(home: Path) -> Iterator[tuple[Path, Seaweed, Throttle]]:
    """An empty folder, and an empty object store that programs find behind a counting proxy."""
    shutil.rmtree(home, ignore_errors=True)
    folder, files = home / "run", home / "store"
    folder.mkdir(parents=True)
    files.mkdir()
    store, former = Seaweed(files), dict(os.environ)
    try:
        store.start()
        endpoint = store.environment["AWS_ENDPOINT_URL"]
        with throttled(endpoint, _UNLIMITED, keeps_bodies=False) as link:
            os.environ.update({**store.environment, "AWS_ENDPOINT_URL": link.base_url})
            yield folder, store, link
    finally:
        os.environ.clear()
        os.environ.update(former)
        store.kill()
        shutil.rmtree(home)
