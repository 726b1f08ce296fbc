"""What a contestant tells the harness: one line of JSON, the last that it prints.

What lives here: writing and reading that line.
What must not: what is measured from outside (`measure`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any


def stopwatch() -> Callable[[], float]:
    """Starts now; each call gives the seconds since."""
    started = time.perf_counter()
    return lambda: time.perf_counter() - started


def tell(seconds: float, **more: Any) -> None:
    """Prints the outcome: the seconds that the work took, and what else is to be known."""
    print(json.dumps({"seconds": seconds, **more}), flush=True)


def told(output: str) -> dict[str, Any]:
    """The outcome in a program's output; empty where it tells none."""
    last = output.rstrip().rpartition("\n")[2]
    try:
        outcome = json.loads(last)
    except ValueError:
        return {}
    return outcome if isinstance(outcome, dict) else {}
