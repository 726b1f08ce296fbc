"""Where a refresh spends its time: the command itself, with a clock around its parts.

What lives here: which functions are timed, and the sums. Parts that run in threads overlap with
each other and with the part of the main thread that waits for them.
What must not: a sampling profiler; py-spy is better at what happens inside a part.
Read more: `benchmarks/README.md`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from inspect import isfunction, isgenerator
from pathlib import Path
from typing import Any

from benchmarks.outcome import stopwatch, tell
from benchmarks.target import target

_called: list[float] = []
"""Seconds of the parts that each running part of the main thread has called, innermost last."""


@dataclass
class Clock:
    """What one part cost: calls, seconds of all threads, and of the main thread alone.

    The main thread's seconds add up to its time: a part that another one calls counts by itself.
    """

    calls: int = 0
    seconds: float = 0
    cpu_seconds: float = 0
    main_seconds: float = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Counts what happens within."""
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


@dataclass(frozen=True)
class Part:
    """A function, and the module or class where it is looked up when it is called."""

    name: str
    owner: object
    function: Callable[..., Any]


def parts() -> list[Part]:
    """The parts of a refresh; each public method of the warehouse is a part of its own.

    Imports are a part too, so they are not at the head of this module.
    """
    import dagster as dg  # noqa: PLC0415

    from booking_assets.api.transport import Transport  # noqa: PLC0415
    from booking_assets.cli import refresh  # noqa: PLC0415
    from booking_assets.collect.concurrency import collect_concurrently  # noqa: PLC0415
    from booking_assets.collect.decoding import Decoder  # noqa: PLC0415
    from booking_assets.collect.staging import StagingWriter  # noqa: PLC0415
    from booking_assets.definitions import build_definitions  # noqa: PLC0415
    from booking_assets.pipeline import collector  # noqa: PLC0415
    from booking_assets.transforms import (  # noqa: PLC0415
        capacity,
        conflicts,
        distribution,
        freshness,
        history,
        rooms,
    )
    from booking_assets.warehouse.warehouse import Warehouse  # noqa: PLC0415

    return [
        Part("Dagster: definitions", refresh, build_definitions),
        Part("Dagster: open the instance", dg.DagsterInstance, dg.DagsterInstance.from_config),
        Part("collect: wait for organizations", collector, collect_concurrently),
        Part("collect: requests", Transport, Transport.send),
        Part("collect: decode", Decoder, Decoder.__call__),
        Part("collect: staging", StagingWriter, StagingWriter.add),
        Part("collect: land", StagingWriter, StagingWriter.land),
        Part("transforms", capacity, capacity.capacity_by_event),
        Part("transforms", capacity, capacity.capacity_utilization),
        Part("transforms", conflicts, conflicts.room_conflicts),
        Part("transforms", conflicts, conflicts.conflict_frames),
        Part("transforms", distribution, distribution.distribution_by_event),
        Part("transforms", distribution, distribution.distribution_status),
        Part("transforms", freshness, freshness.organization_freshness),
        Part("transforms", history, history.changed_versions),
        Part("transforms", rooms, rooms.room_utilization),
        *(
            Part(f"warehouse: {name}", Warehouse, method)
            for name, method in vars(Warehouse).items()
            if isfunction(method) and not name.startswith("_")
        ),
    ]


def main() -> None:
    """Refreshes once, and tells what each part cost."""
    aim = target()
    elapsed = stopwatch()
    timed = parts()
    clocks = {part.name: Clock() for part in timed}
    for part in timed:
        _put_clock(part, clocks[part.name])
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


def _put_clock(part: Part, clock: Clock) -> None:
    """Replaces a function by itself with a clock around it."""
    name = part.function.__name__
    if getattr(part.owner, name) is not part.function:
        raise RuntimeError(f"{part.owner} does not call {name} by this name: it was not timed")
    setattr(part.owner, name, _timed(part.function, clock))


def _timed(function: Callable[..., Any], clock: Clock) -> Callable[..., Any]:
    @wraps(function)
    def timed(*args: Any, **kwargs: Any) -> Any:
        with clock.running():
            result = function(*args, **kwargs)
        return _timed_items(result, clock) if isgenerator(result) else result

    return timed


def _timed_items(items: Iterator[Any], clock: Clock) -> Iterator[Any]:
    """The items of a generator; waiting for each of them counts, using it does not."""
    nothing = object()
    while True:
        with clock.running():
            item = next(items, nothing)
        if item is nothing:
            return
        yield item


if __name__ == "__main__":
    main()
