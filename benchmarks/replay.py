"""Sends the recorded requests of a refresh again and drops the answers: what the requests cost.

`python -m benchmarks.replay FILE BASE_URL CONCURRENCY ORGANIZATIONS`. An organization's resources
are asked for side by side, with at most CONCURRENCY requests in flight. Of a resource, pages are
requested concurrently; every other request waits for those before it and those after it for it.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from threading import Semaphore
from typing import Any

import httpx

_PAGED = ("collect", "search")


def main() -> None:
    """Replay and print the seconds that it took."""
    file, base_url, concurrency, at_once = sys.argv[1:]
    by_organization: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for request in json.loads(Path(file).read_text(encoding="utf-8")):
        resource = request["path"].rsplit("/", 2)[-2]
        by_organization[request["authorization"]][resource].append(request)
    with httpx.Client(base_url=base_url, timeout=300, limits=httpx.Limits()) as http:
        started = time.perf_counter()
        with ThreadPoolExecutor(int(at_once)) as pool:
            for _ in pool.map(
                lambda one: _organization(http, one, int(concurrency)), by_organization.values()
            ):
                pass
        print(time.perf_counter() - started)


def _organization(http: httpx.Client, resources: dict[str, list[Any]], concurrency: int) -> None:
    free = Semaphore(concurrency)

    def send(request: Any) -> None:
        with (
            free,
            http.stream(
                request["method"],
                http.base_url.join(request["path"]),
                content=request["body"],
                headers={
                    "Authorization": request["authorization"],
                    "Content-Type": "application/json",
                },
            ) as response,
        ):
            response.raise_for_status()
            for _ in response.iter_raw():
                pass

    def chain(requests: list[Any]) -> None:
        with ThreadPoolExecutor(concurrency) as pool:
            for paged, group in groupby(requests, lambda one: one["path"].endswith(_PAGED)):
                if paged:
                    list(pool.map(send, group))
                else:
                    for request in group:
                        send(request)

    with ThreadPoolExecutor(len(resources)) as pool:
        list(pool.map(chain, resources.values()))


if __name__ == "__main__":
    main()
