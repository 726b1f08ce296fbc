"""Runs a program and measures it with `wait4`: wall and CPU seconds, peak resident memory.

Heavy imports do not belong here: Linux counts a parent's peak memory to the child that it starts.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.outcome import stopwatch, told

ROOT = Path(__file__).resolve().parent.parent
_KIB_A_MIB = 1024
_NOT_PASSED_ON = ("BOOKING_", "DAGSTER_", "PYTHONDONTWRITEBYTECODE")
"""Variables that are not passed on: other configuration, and what would recompile each import."""


@dataclass(frozen=True)
class Measurement:
    """One run of one program.

    Attributes:
        seconds: The work as the program timed it; else the whole process.
        process_seconds: From start to end, interpreter and imports included.
        cpu_seconds: User and system, of the process and of those that it waited for.
        peak_mib: Peak resident memory, of the largest process where there were several.
        outcome: The other values that the program printed.
    """

    seconds: float
    process_seconds: float
    cpu_seconds: float
    peak_mib: float
    outcome: dict[str, Any] = field(default_factory=dict)


class Failed(Exception):
    """A program ended with an error; the message has the end of its output."""


def run(command: Sequence[str], folder: Path, name: str) -> Measurement:
    """Run a program in a folder, with its output in `NAME.log` there.

    Raises:
        Failed: It ended with another code than 0.
    """
    log = folder / f"{name}.log"
    # Earlier writes must not be flushed during this program's time.
    os.sync()
    elapsed = stopwatch()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=_environment(), stdout=output, stderr=subprocess.STDOUT
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
    process_seconds = elapsed()
    process.returncode = os.waitstatus_to_exitcode(status)
    text = log.read_text(encoding="utf-8", errors="replace")
    if process.returncode:
        raise Failed(f"{name} ended with {process.returncode}:\n{text[-2000:]}")
    outcome = told(text)
    return Measurement(
        seconds=outcome.pop("seconds", process_seconds),
        process_seconds=process_seconds,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_mib=usage.ru_maxrss / _KIB_A_MIB,
        outcome=outcome,
    )


def _environment() -> dict[str, str]:
    """This process's environment with this package importable, without the project's variables."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED_ON)
    }
    path = os.pathsep.join(filter(None, (str(ROOT), kept.get("PYTHONPATH"))))
    return kept | {"PYTHONPATH": path}
