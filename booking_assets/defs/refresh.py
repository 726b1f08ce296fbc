"""One refresh in this process: collect, derive, publish, as Dagster runs.

What lives here: the order of the runs, and what became of each organization.
What must not: printing (`cli`), what the runs do (`raw`, `marts`, `snapshot`).
Read more: `docs/decisions/0004-two-jobs.md`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from dagster._core.execution.plan.objects import StepFailureData

from booking_assets.collect.collection import Progress
from booking_assets.collect.stats import Mode
from booking_assets.defs.jobs import COLLECT, DERIVE
from booking_assets.defs.partitions import contiguous, range_tags
from booking_assets.defs.raw import run_config
from booking_assets.defs.resources import warehouse
from booking_assets.defs.sensors import SKIP_DERIVE_TAG
from booking_assets.settings import Settings
from booking_assets.tables.catalog import TABLES
from booking_assets.warehouse.errors import StaleMarts, WarehouseError

_logger = logging.getLogger(__name__)

DERIVE_ATTEMPTS = 3
# What a person should see is printed from the outcome; Dagster's own lines are in its UI.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass
class CollectionResult:
    """Keeps what became of each organization, and passes on what it is told."""

    watcher: Progress
    stored: dict[tuple[str, str], int] = field(default_factory=dict)
    refused: dict[tuple[str, str], Exception] = field(default_factory=dict)

    def received(self, organization: str, resource: str, rows: int, expected: int) -> None:
        """Passes it on."""
        self.watcher.received(organization, resource, rows, expected)

    def ended(self, organization: str, resource: str, rows: int, error: Exception | None) -> None:
        """Remembers it and passes it on."""
        if error is None:
            self.stored[organization, resource] = rows
        else:
            self.refused[organization, resource] = error
        self.watcher.ended(organization, resource, rows, error)


@dataclass(frozen=True)
class Refreshed:
    """What a refresh came to: rows stored, or why not, by organization and resource."""

    stored: dict[tuple[str, str], int]
    refused: dict[tuple[str, str], Exception]
    failures: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every organization is stored and everything is published."""
        return not self.refused and not self.failures


def refresh(
    build: Callable[[Progress], dg.Definitions],
    settings: Settings,
    wanted: Sequence[str],
    watcher: Progress,
    *,
    mode: Mode,
    allow_shrink: bool,
    instance: dg.DagsterInstance,
) -> Refreshed:
    """Collects the wanted organizations, then derives and publishes whatever is stored.

    Args:
        build: makes the code location for a watcher.
        settings: the organizations, in the order of their partitions.
        wanted: slugs.
        watcher: is told as it goes.
        mode: read every event, or those that changed.
        allow_shrink: store slices that lost more rows than the settings allow.
        instance: where the runs are recorded.
    """
    outcomes = CollectionResult(watcher)
    definitions = build(outcomes)
    config = run_config(mode, allow_shrink=allow_shrink)
    failures = []
    for run in contiguous([one.slug for one in settings.organizations], wanted):
        tags = range_tags(run[0], run[-1]) | {SKIP_DERIVE_TAG: "true"}
        known = set(outcomes.refused)
        failed = _run(_unchecked(definitions, COLLECT), instance, config, tags)
        if failed and not outcomes.refused.keys() - known:
            failures.append(failed.reason)
    if outcomes.stored:
        failures += derive(definitions, instance)
    return Refreshed(outcomes.stored, outcomes.refused, tuple(failures))


def rows_stored(settings: Settings) -> dict[str, Mapping[str, int]]:
    """What the warehouse holds: rows by table and organization; nothing where it cannot be read."""
    store = warehouse(settings)
    try:
        return {table.short_name: rows for table, rows in store.rows_by_table(TABLES).items()}
    except WarehouseError as error:
        _logger.warning("The rows stored cannot be counted: %s", error)
        return {}


def derive(definitions: dg.Definitions, instance: dg.DagsterInstance) -> list[str]:
    """Derives and publishes; again where another run stored something meanwhile."""
    failed = None
    for _ in range(DERIVE_ATTEMPTS):
        failed = _run(definitions.resolve_job_def(DERIVE), instance, {}, {})
        if failed is None or StaleMarts.__name__ not in failed.errors:
            break
    return [failed.reason] if failed else []


@dataclass(frozen=True)
class _Failed:
    """A run that failed: why, for a person, and the names of the errors raised."""

    reason: str
    errors: frozenset[str]


def _unchecked(definitions: dg.Definitions, name: str) -> dg.JobDefinition:
    """A job without its checks: the derivation makes them next, and each costs 30 ms.

    A refresh that is killed in between leaves rows to the next derivation, marts and checks alike.
    """
    job = definitions.resolve_job_def(name)
    assets = frozenset(job.asset_layer.selected_asset_keys)
    return job.get_subset(asset_selection=assets, asset_check_selection=frozenset())


def _run(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    config: dict[str, Any],
    tags: dict[str, str],
) -> _Failed | None:
    """Runs a job in this process."""
    result = job.execute_in_process(
        run_config=config | _QUIET, instance=instance, tags=tags, raise_on_error=False
    )
    if result.success:
        return None
    steps = [event.step_failure_data for event in result.get_step_failure_events()]
    reasons = [_reason(step) for step in steps] or ["see the Dagster UI"]
    return _Failed(
        reason=f"{job.name} run {result.run_id} failed: {'; '.join(reasons)}",
        errors=frozenset(_raised(step)[0] for step in steps),
    )


def _raised(step: StepFailureData) -> tuple[str, str]:
    """The name of what was raised and its message, without Dagster's wrapping."""
    if step.error is None:
        return "", step.error_display_string
    error = step.error.cause or step.error
    return error.cls_name or "", error.message.strip()


def _reason(step: StepFailureData) -> str:
    """Why a step failed, in a sentence: the stack is in the UI."""
    if step.user_failure_data and step.user_failure_data.description:
        return step.user_failure_data.description
    return _raised(step)[1]
