"""Runs of this process: `booking-assets refresh` and `rebuild` as Dagster runs on the instance.

What a run does is in the assets; what became of each organization is read from `raw.collections`
by `pipeline.results`. Why there are two jobs: `docs/decisions/0004-two-jobs.md`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from booking_assets.collect.collection import Progress
from booking_assets.collect.stats import Mode
from booking_assets.defs.alerts import alert_after_runs, starter_tags, step_failure
from booking_assets.defs.jobs import COLLECT, DERIVE
from booking_assets.defs.partitions import contiguous, range_tags
from booking_assets.defs.raw import run_config
from booking_assets.defs.retention import apply_retention
from booking_assets.defs.sensors import SKIP_DERIVE_TAG
from booking_assets.pipeline.connections import open_warehouse
from booking_assets.pipeline.organizations import withheld_failures
from booking_assets.pipeline.results import RunReport, report_run
from booking_assets.settings import Settings
from booking_assets.warehouse.errors import WarehouseError

_logger = logging.getLogger(__name__)

# What a person should see is printed from the report; Dagster's own lines are in its UI.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class RefreshResult:
    """A refresh: the report of its collections, and the runs that failed for another reason.

    `is_interrupted` says that a person ended it: then nothing else was begun.
    """

    report: RunReport
    failures: tuple[str, ...]
    is_interrupted: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether every organization is stored and everything is published."""
        return not self.report.failed_organizations and not self.failures


@dataclass(frozen=True)
class _Run:
    """A run that has ended: why it failed where it did, and whether a person ended it.

    `alert` is the failure without the texts of unknown errors, which may quote rows.
    """

    run_id: str
    failure: str | None
    alert: str = ""
    is_interrupted: bool = False


def run_refresh(
    definitions: dg.Definitions,
    settings: Settings,
    slugs: Sequence[str],
    progress: Progress,
    *,
    mode: Mode,
    allow_shrink: bool,
    instance: dg.DagsterInstance,
    tags: Mapping[str, str],
) -> RefreshResult:
    """Collect the organizations, then derive and publish what is stored.

    Args:
        definitions: the code location.
        settings: the organizations, in the order of their partitions.
        slugs: which of them.
        progress: is told as it goes.
        mode: read every event, or those that changed.
        allow_shrink: store slices that lost more rows than the settings allow.
        instance: where the runs are recorded.
        tags: of every run, such as those of `process_lock`.
    """
    config = run_config(mode, allow_shrink=allow_shrink)
    tags = {**tags, **starter_tags(settings)}
    job = _without_checks(definitions, COLLECT)
    runs: list[_Run] = []
    for part in contiguous(settings.slugs, slugs):
        part_tags = {**tags, **range_tags(part[0], part[-1]), SKIP_DERIVE_TAG: "true"}
        runs.append(_execute(job, instance, config, part_tags, {"progress": progress}))
        if runs[-1].is_interrupted:
            break
    try:
        report = report_run(open_warehouse(settings), [run.run_id for run in runs], slugs)
    except WarehouseError as error:
        report = RunReport(unrecorded=dict.fromkeys(slugs, str(error)))
    if runs and runs[-1].is_interrupted:
        return RefreshResult(report, (), is_interrupted=True)
    explained = {one.log_row["run_id"] for one in report.failed} if not report.unrecorded else set()
    unexplained = [run for run in runs if run.failure and run.run_id not in explained]
    failures = [str(run.failure) for run in unexplained]
    told = {run.run_id: [run.alert] if run in unexplained else [] for run in runs}
    if report.complete:
        run = _execute(definitions.resolve_job_def(DERIVE), instance, {}, tags, {})
        if run.is_interrupted:
            return RefreshResult(report, (*failures, str(run.failure)), is_interrupted=True)
        withheld = [] if run.failure else withheld_failures(open_warehouse(settings), settings)
        failures += [run.failure] if run.failure else withheld
        told[run.run_id] = [run.alert] if run.failure else withheld
    for fault in alert_after_runs(instance, settings, report, told):
        _logger.warning("an alert was not sent: %s", fault)
    return RefreshResult(report, tuple(failures))


def run_derive(
    definitions: dg.Definitions, instance: dg.DagsterInstance, tags: Mapping[str, str]
) -> list[str]:
    """Derive and publish; why that failed, if it did."""
    run = _execute(definitions.resolve_job_def(DERIVE), instance, {}, tags, {})
    if run.is_interrupted:
        raise KeyboardInterrupt
    return [run.failure] if run.failure else []


def retention_failure(instance: dg.DagsterInstance, settings: Settings) -> list[str]:
    """Apply `[retention]`; why that failed, if it did: the refresh is complete all the same."""
    try:
        warehouse = open_warehouse(settings)
        apply_retention(instance, warehouse, settings.retention, datetime.now(UTC))
    except WarehouseError as error:
        return [f"retention: {error}"]
    return []


def _without_checks(definitions: dg.Definitions, name: str) -> dg.JobDefinition:
    """A job without its checks: the derivation runs them next, and each costs 30 ms.

    A refresh that is killed in between leaves rows to the next derivation, marts and checks alike.
    """
    job = definitions.resolve_job_def(name)
    assets = frozenset(job.asset_layer.selected_asset_keys)
    return job.get_subset(asset_selection=assets, asset_check_selection=frozenset())


def _execute(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    config: dict[str, Any],
    tags: Mapping[str, str],
    resources: Mapping[str, object],
) -> _Run:
    """Run a job in this process."""
    result = job.execute_in_process(
        run_config=config | _QUIET,
        instance=instance,
        tags=dict(tags),
        raise_on_error=False,
        resources=resources,
    )
    if result.success:
        return _Run(result.run_id, None)
    events = result.get_step_failure_events()
    failure, alert = (
        f"{job.name} run {result.run_id} failed: {'; '.join(texts) or 'see the Dagster UI'}"
        for texts in ([*map(_reason, events)], [*map(step_failure, events)])
    )
    return _Run(
        result.run_id,
        failure,
        alert,
        is_interrupted=any(_is_interruption(event) for event in result.all_events),
    )


def _is_interruption(event: dg.DagsterEvent) -> bool:
    """Whether a signal ended the step or the run; Dagster keeps but the name of the error."""
    if event.is_step_failure:
        error = event.step_failure_data.error
    elif event.event_type == dg.DagsterEventType.RUN_FAILURE:
        error = event.job_failure_data.error
    else:
        error = None
    return error is not None and error.cls_name == dg.DagsterExecutionInterruptedError.__name__


def _reason(event: dg.DagsterEvent) -> str:
    """Why a step failed, in a sentence: the stack is in the UI."""
    step = event.step_failure_data
    if step.user_failure_data and step.user_failure_data.description:
        return step.user_failure_data.description
    if step.error is None:
        return step.error_display_string
    return (step.error.cause or step.error).message.strip()
