"""Measures where a refresh spends its time, with a clock around its parts.

Parts that run in threads overlap with each other and with the part that waits for them in the main
thread. What happens inside a part is better seen with a sampling profiler, such as py-spy.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from inspect import getmembers, isfunction, isgenerator
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from benchmarks.outcome import stopwatch, tell
from benchmarks.target import target

_TRANSFORMS = "booking_assets.transforms"
PARTS = (
    ("Dagster: definitions", "booking_assets.cli.refresh:build_definitions"),
    ("Dagster: open the instance", "dagster:DagsterInstance.from_config"),
    ("collect: wait for organizations", "booking_assets.pipeline.collector:collect_concurrently"),
    ("collect: requests", "booking_assets.api.transport:Transport.send"),
    ("collect: decode", "booking_assets.collect.decoding:Decoder.__call__"),
    ("collect: staging", "booking_assets.collect.staging:StagingWriter.add"),
    ("collect: land", "booking_assets.collect.staging:StagingWriter.land"),
    ("transforms", f"{_TRANSFORMS}.capacity:capacity_by_event"),
    ("transforms", f"{_TRANSFORMS}.capacity:capacity_utilization"),
    ("transforms", f"{_TRANSFORMS}.conflicts:room_conflicts"),
    ("transforms", f"{_TRANSFORMS}.distribution:distribution_by_event"),
    ("transforms", f"{_TRANSFORMS}.distribution:distribution_status"),
    ("transforms", f"{_TRANSFORMS}.freshness:organization_freshness"),
    ("transforms", f"{_TRANSFORMS}.history:changed_versions"),
    ("transforms", f"{_TRANSFORMS}.rooms:room_utilization"),
)
"""Each part's name, and where callers look its function up."""
WAREHOUSE = "booking_assets.warehouse.warehouse:Warehouse"
"""Each of its public methods is a part."""


_called: list[float] = []
"""For each running part of the main thread, innermost last: the seconds of the parts it called."""


@dataclass
class Clock:
    """The cost of one part: calls, seconds of all threads, and of the main thread alone.

    The main thread's seconds add up to its time: those of a part that another one calls count once.
    """

    calls: int = 0
    seconds: float = 0
    cpu_seconds: float = 0
    main_seconds: float = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Measure the block."""
        started, cpu_started = time.perf_counter(), time.thread_time()
        on_main = threading.current_thread() is threading.main_thread()
        if on_main:
            _called.append(0)
        try:
            yield
        finally:
            seconds = time.perf_counter() - started
            with self.lock:
                self.calls += 1
                self.seconds += seconds
                self.cpu_seconds += time.thread_time() - cpu_started
            if on_main:
                self.main_seconds += seconds - _called.pop()
                if _called:
                    _called[-1] += seconds


def main() -> None:
    """Refresh once, and print the cost of each part."""
    aim = target()
    elapsed = stopwatch()
    parts = [*PARTS, *_methods(WAREHOUSE)]
    clocks = {name: Clock() for name, _ in parts}
    for name, place in parts:
        _put_clock(place, clocks[name])
    from booking_assets.cli.main import main as command  # noqa: PLC0415 - its import is a part

    imported = elapsed()
    _refresh(command, aim.folder)
    seconds = elapsed()
    in_parts = sum(clock.main_seconds for clock in clocks.values())
    tell(
        seconds,
        parts=[
            {"part": "imports", "calls": 1, "seconds": imported, "main_seconds": imported},
            *(_row(name, clock) for name, clock in clocks.items() if clock.calls),
            {
                "part": "Dagster, and all else",
                "calls": 1,
                "seconds": seconds - imported - in_parts,
                "main_seconds": seconds - imported - in_parts,
            },
        ],
    )


def _refresh(command: Callable[..., Any], folder: Path) -> None:
    try:
        command(["refresh"], standalone_mode=False)
    except SystemExit as end:
        if end.code:
            raise RuntimeError(f"the refresh in {folder} failed with {end.code}") from end


def _row(name: str, clock: Clock) -> dict[str, Any]:
    return {
        "part": name,
        "calls": clock.calls,
        "seconds": clock.seconds,
        "cpu_seconds": clock.cpu_seconds,
        "main_seconds": clock.main_seconds,
    }


def _methods(place: str) -> list[tuple[str, str]]:
    """The public methods of a class as parts."""
    return [
        (f"warehouse: {name}", f"{place}.{name}")
        for name, _ in getmembers(resolve_name(place), isfunction)
        if not name.startswith("_")
    ]


def _put_clock(place: str, clock: Clock) -> None:
    """Wrap a function with a clock."""
    separator = "." if "." in place.partition(":")[2] else ":"
    owner, _, name = place.rpartition(separator)
    setattr(resolve_name(owner), name, _timed(resolve_name(place), clock))


def _timed(function: Callable[..., Any], clock: Clock) -> Callable[..., Any]:
    @wraps(function)
    def timed(*args: Any, **kwargs: Any) -> Any:
        with clock.running():
            result = function(*args, **kwargs)
        return _timed_items(result, clock) if isgenerator(result) else result

    return timed


def _timed_items(items: Iterator[Any], clock: Clock) -> Iterator[Any]:
    """Measure the wait for each item of a generator, not its use."""
    nothing = object()
    while True:
        with clock.running():
            item = next(items, nothing)
        if item is nothing:
            return
        yield item


if __name__ == "__main__":
    main()
