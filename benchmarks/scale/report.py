"""Writes `COLLECTING.md` and `STORING.md`: the tables of the parts of those names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import chain

from benchmarks.report import Findings, machine, table
from benchmarks.scale.collecting import REQUESTS_AT_ONCE, WORKERS, Round
from benchmarks.scale.storing import Stage

GOAL = 0.85
"""How many times as fast each further worker makes a round, at least."""
_REQUESTS = ("LIST", "GET", "PUT", "POST", "DELETE")
_ROWS = ("landings", "events", "registrations")


def collecting(findings: Findings) -> str:
    """The whole document of `python -m benchmarks collecting`."""
    blocks = _collecting(findings.rounds, findings.network.latency)
    return _document("How much faster more workers collect", "collecting", findings, blocks)


def storing(findings: Findings) -> str:
    """The whole document of `python -m benchmarks storing`."""
    title = "What loading, deriving and publishing cost the one writer"
    return _document(title, "storing", findings, _storing(findings.stages))


def _document(title: str, part: str, findings: Findings, blocks: Iterator[str]) -> str:
    source = (
        f"Written by `python -m benchmarks {part}`; what is measured: [README.md](README.md)."
        " What follows from it: [docs/scale.md](../docs/scale.md)."
    )
    blocks = chain([f"# {title}", source, findings.note], blocks, machine(findings))
    return "\n\n".join(filter(None, blocks)) + "\n"


def _collecting(rounds: Sequence[Round], latency: float) -> Iterator[str]:
    first, last = rounds[0], rounds[-1]
    yield (
        f"{first.case}, {len(first.landed):,} landings of {sum(first.landed) / 2**20:.1f} MiB, in"
        f" {first.runs} runs; each response starts after {latency * 1000:g} ms. A worker collects"
        f" {first.at_once} organizations at once, each with {REQUESTS_AT_ONCE} request in flight."
        " Seconds: from the start of the first run to the end of the last. `cores`: of all parts,"
        " which share this machine."
    )
    yield table(
        (
            *("workers", "runs", "seconds", "times as fast", "a worker", f"at least {GOAL}"),
            *("cores a worker", "cores", "workers' ms CPU an organization"),
            *(f"CPU s: {part}" for part in first.cpu_seconds),
        ),
        (
            (
                str(one.workers),
                str(one.runs),
                f"{one.seconds:.1f}",
                f"{_times_as_fast(first, one):.2f}",
                f"{_each(first, one):.2f}",
                "yes" if _each(first, one) >= GOAL else "no",
                f"{one.cores_a_worker:.3f}",
                f"{one.cores:.2f}",
                f"{1000 * one.cpu_seconds[WORKERS] / one.case.organizations:.0f}",
                *(f"{one.cpu_seconds[part]:.1f}" for part in first.cpu_seconds),
            )
            for one in rounds
        ),
    )
    full = (os.cpu_count() or 1) * last.workers / last.cores
    yield (
        f"By the cores of {last.workers} workers, this machine's {os.cpu_count()} cores are full"
        f" with {full:.1f} workers."
    )


def _times_as_fast(first: Round, one: Round) -> float:
    return first.seconds / one.seconds


def _each(first: Round, one: Round) -> float:
    """How many times as fast, for each time as many workers."""
    return _times_as_fast(first, one) * first.workers / one.workers


def _storing(stages: Sequence[Stage]) -> Iterator[str]:
    yield (
        "Each stage is a process of its own, the interpreter's start included, with the default"
        " limits of DuckDB, over the landings in an object store on this machine. `make` is the"
        " part of a collection that writes to the store: its landings are those of one collected"
        " organization under other identifiers. `load` is `load_landings` alone."
    )
    yield table(
        (
            *("case", "stage", *_ROWS, "seconds", "CPU s", "peak MiB"),
            *("landed MiB", "warehouse MiB", *_REQUESTS, "store CPU s", "other load, cores"),
        ),
        (
            (
                str(one.case),
                one.name,
                *(f"{one.counts[name]:,}" if name in one.counts else "" for name in _ROWS),
                f"{one.measured.seconds:.2f}",
                f"{one.measured.cpu_seconds:.2f}",
                f"{one.measured.peak_mib:.0f}",
                f"{one.counts['landed bytes'] / 2**20:.1f}" if "landed bytes" in one.counts else "",
                f"{one.mib:.1f}",
                *(f"{one.requests[kind]:,}" for kind in _REQUESTS),
                f"{one.measured.server_cpu_seconds:.2f}",
                f"{one.measured.other_load:.2f}",
            )
            for one in stages
        ),
    )
