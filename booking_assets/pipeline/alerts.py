"""What is said of a run to those who are told, if anything: one message for all that changed.

It is decided from `raw.collections` and from what was said before, so a failure that lasts is told
when it begins and when it has lasted for `alerts.failing_hours`. `defs.alerts` sends it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from booking_assets.pipeline.results import CollectionResult, RunReport

MAX_LINES = 20
MAX_CHARACTERS = 1_000
"""Characters of a line: some services refuse long messages."""


@dataclass(frozen=True)
class Alert:
    """A message: a title, and lines of text."""

    title: str
    body: str
    is_failure: bool = True


def alert_of(
    report: RunReport,
    failing_before: Iterable[Mapping[str, Any]],
    *,
    untold: Collection[str],
    failing_hours: float,
    failures: Sequence[str],
    recovered: Sequence[str],
) -> Alert | None:
    """Decide what is said of runs that have ended; None where nothing changed.

    Args:
        report: what became of each organization.
        failing_before: rows of `Warehouse.failing_before`.
        untold: runs of which nobody was told: their failures are new.
        failing_hours: how long an organization fails until it is told once more.
        failures: what else failed, and was not told before.
        recovered: the jobs that failed before, and do not any more.
    """
    before = {(row["organization"], row["resource"]): row for row in failing_before}
    limit = timedelta(hours=failing_hours)
    new, lasting, working = [], [], []
    for result in report.results:
        was = before.get((result.organization, result.resource))
        if not result.has_failed:
            working += [result] if was else []
        elif was is None or was["run_id"] in untold:
            new.append(result)
        elif _passes(limit, was, result):
            lasting.append(result)
    hours = f"{failing_hours:g} hours"
    parts = {
        f"{_number(new)} failed": new,
        "not everything was published": failures,
        f"{_number(lasting)} failing for {hours}": lasting,
        f"{_number(working)} working again": working,
        f"{', '.join(recovered)} working again": recovered,
    }
    lines = [
        *RunReport(tuple(new)).explanations,
        *failures,
        *(f"Failing for {hours}: {line}" for line in RunReport(tuple(lasting)).explanations),
        *([f"Working again: {', '.join(_slugs(working))}"] if working else []),
        *([f"Derived and published again ({', '.join(recovered)})"] if recovered else []),
    ]
    if not lines:
        return None
    shown = [line[:MAX_CHARACTERS] for line in lines[:MAX_LINES]]
    if len(lines) > MAX_LINES:
        shown.append(f"and {len(lines) - MAX_LINES} more: see marts.organization_freshness")
    title = ", ".join(text for text, of in parts.items() if of)
    return Alert(f"Booking assets: {title}", "\n".join(shown), bool(new or failures or lasting))


def _passes(limit: timedelta, was: Mapping[str, Any], result: CollectionResult) -> bool:
    """Whether this failure, and none before it, comes after the limit."""
    since = was["failing_since"]
    return bool(was["failed_at"] - since < limit <= result.log_row["started_at"] - since)


def _slugs(results: Iterable[CollectionResult]) -> list[str]:
    return sorted({one.organization for one in results})


def _number(results: Sequence[CollectionResult]) -> str:
    number = len(_slugs(results))
    return f"{number} organization{'' if number == 1 else 's'}"
