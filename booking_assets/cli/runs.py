"""What `booking-assets refresh` does with Dagster, which takes as long to import as to run.

The command imports this module when its first requests are under way.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg

# What the instance imports by name, with all of SQLAlchemy: here, no garbage is searched for in it.
import booking_assets.defs.storage  # noqa: F401
from booking_assets.definitions import build_definitions
from booking_assets.defs.processes import process_lock
from booking_assets.defs.rounds import round_parts, submit_round
from booking_assets.defs.runs import RefreshResult, run_refresh
from booking_assets.settings import Settings

__all__ = ["refresh", "round_parts", "submit"]


def refresh(home: Path, settings: Settings, *arguments: Any, **options: Any) -> RefreshResult:
    """`run_refresh` with these arguments, on the instance of DAGSTER_HOME."""
    definitions = build_definitions(settings)
    with dg.DagsterInstance.from_config(str(home)) as instance, process_lock(instance) as tags:
        return run_refresh(
            definitions, settings, *arguments, **options, instance=instance, tags=tags
        )


def submit(home: Path, slugs: Sequence[str], *, mode: Any, allow_shrink: bool) -> str:
    """Submit a round to the daemon of DAGSTER_HOME; gives its name."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        return submit_round(instance, mode, slugs, allow_shrink=allow_shrink)
