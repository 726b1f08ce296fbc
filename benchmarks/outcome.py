"""Writes and reads a program's outcome: one line of JSON, the last that it prints.

What is measured from outside is in `measure`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any


def stopwatch() -> Callable[[], float]:
    """Start a clock; each call returns the seconds since."""
    started = time.perf_counter()
    return lambda: time.perf_counter() - started


def tell(seconds: float, **more: Any) -> None:
    """Print the outcome: the seconds that the work took, and other values."""
    print(json.dumps({"seconds": seconds, **more}), flush=True)


def told(output: str) -> dict[str, Any]:
    """Parse the outcome from a program's output; empty where there is none."""
    last = output.rstrip().rpartition("\n")[2]
    try:
        outcome = json.loads(last)
    except ValueError:
        return {}
    return outcome if isinstance(outcome, dict) else {}
