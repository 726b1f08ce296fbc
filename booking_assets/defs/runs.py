"""Runs of this process: `booking-assets refresh` and `rebuild` as Dagster runs on the instance.

What a run does is in the assets; what became of each organization is read from `raw.collections`
by `pipeline.results`. Why there are two jobs: `docs/decisions/0004-two-jobs.md`.
"""

from __future__ import annotations

import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import dagster as dg
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from booking_assets.collect.stats import Mode
from booking_assets.defs.alerts import alert_after_runs, starter_tags, step_failure
from booking_assets.defs.jobs import COLLECT, DERIVE
from booking_assets.defs.partitions import contiguous, range_tags
from booking_assets.defs.raw import run_config
from booking_assets.defs.report import report_failures
from booking_assets.defs.resources import CollectingApi
from booking_assets.defs.retention import LOCATION, apply_retention
from booking_assets.defs.sensors import SKIP_DERIVE_TAG
from booking_assets.objects import StorageError
from booking_assets.pipeline.collector import Collector
from booking_assets.pipeline.connections import open_warehouse
from booking_assets.pipeline.landings import load_landings
from booking_assets.pipeline.organizations import withheld_failures
from booking_assets.pipeline.progress import Progress
from booking_assets.pipeline.results import RunReport, report_run
from booking_assets.pipeline.summary import interruption, published_since
from booking_assets.settings import Settings
from booking_assets.warehouse.errors import WarehouseError
from booking_assets.warehouse.published import published_version

_NO_RETRIES = {"dagster/max_retries": "0"}
"""The daemon retries no run of a command, even with `run_retries`: a person sees it fail."""
# What a person should see is printed from the report; Dagster's own lines are in its UI.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class RefreshResult:
    """A refresh: the report of its collections, and the runs that failed for another reason.

    `notes` say what else went wrong: the refresh is complete all the same.
    """

    report: RunReport
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether every organization is stored and everything is published."""
        return not self.report.failed_organizations and not self.failures


@dataclass
class _Runs:
    """Runs jobs in this process, one after the other.

    Attributes:
        failures: why each run failed, None where it did not.
        alerts: the same for `defs.alerts`, where texts of unknown errors may not go.
    """

    instance: dg.DagsterInstance
    tags: Mapping[str, str]
    progress: Progress
    failures: dict[str, str | None] = field(default_factory=dict)
    alerts: dict[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Dagster would start two processes for each stream of a run that follow its log. Ctrl-C
        # reaches them too, and they print tracebacks. An instance configured with
        # NoOpComputeLogManager would not delete the logs of the daemon's runs (`[retention]`).
        log_manager = self.instance.compute_log_manager
        setattr(log_manager, "capture_logs", NoOpComputeLogManager().capture_logs)  # noqa: B010

    @property
    def last(self) -> str:
        """The identifier of the last run."""
        return [*self.failures][-1]

    def execute(
        self,
        job: dg.JobDefinition,
        config: Mapping[str, Any] = MappingProxyType({}),
        tags: Mapping[str, str] = MappingProxyType({}),
        begun: Collector | None = None,
    ) -> bool:
        """Run a job; whether it succeeded. The run is that of collections that have `begun`.

        Raises:
            KeyboardInterrupt: a signal ended the run.
        """
        api = {"booking_api": CollectingApi(begun)} if begun else {}
        run_id = begun.under_way.run_id if begun and begun.under_way else str(uuid4())
        # Known before it ends: an interrupted command reads what the run has stored.
        self.failures[run_id], self.alerts[run_id] = None, ()
        with _signals() as was_signaled, _origin(self.instance, job.name):
            result = job.execute_in_process(
                run_config={**config, **_QUIET},
                instance=self.instance,
                tags={**self.tags, **tags, **_NO_RETRIES},
                raise_on_error=False,
                resources={"progress": self.progress, **api},
                run_id=run_id,
            )
            if was_signaled():
                raise KeyboardInterrupt
        if not result.success:
            events = result.get_step_failure_events()
            failure, alert = (
                f"{job.name} run {run_id} failed: {'; '.join(texts) or 'see the Dagster UI'}"
                for texts in (
                    [step_failure(event, unknown=unknown) for event in events]
                    for unknown in (True, False)
                )
            )
            self.failures[run_id], self.alerts[run_id] = failure, [alert]
        return result.success


def run_refresh(  # noqa: PLR0913 - the command's options, and what it opened
    definitions: dg.Definitions,
    settings: Settings,
    slugs: Sequence[str],
    progress: Progress,
    *,
    mode: Mode,
    allow_shrink: bool,
    instance: dg.DagsterInstance,
    tags: Mapping[str, str],
    begun: Collector | None = None,
) -> RefreshResult:
    """Collect the organizations, derive and publish what is stored, and apply `[retention]`.

    Every run has the `tags`, such as those of `process_lock`. All organizations may have `begun`.

    Raises:
        KeyboardInterrupt: a person ended it; the message says what is stored and published.
        WarehouseError, StorageError: what `[storage]` has cannot be loaded; nothing is collected.
    """
    runs = _Runs(instance, {**tags, **starter_tags(settings)}, progress)
    former_version = published_version(settings.snapshot_path)
    try:
        # Before collecting: a new object store would give tickets that the warehouse is ahead of.
        load_landings(open_warehouse(settings), settings)
        config = run_config(mode, allow_shrink=allow_shrink)
        job = _without_checks(definitions, COLLECT)
        for part in contiguous(settings.slugs, slugs):
            part_tags = {**range_tags(part[0], part[-1]), SKIP_DERIVE_TAG: "true"}
            runs.execute(job, config, part_tags, begun)
        report = _report(settings, [*runs.failures], slugs)
        if not report.unrecorded:
            for run_id in {
                result.log_row["run_id"] for result in report.failed
            } & runs.failures.keys():
                runs.failures[run_id], runs.alerts[run_id] = None, ()
        withheld: list[str] = []
        notes: list[str] = []
        if report.complete and runs.execute(definitions.resolve_job_def(DERIVE)):
            withheld = withheld_failures(open_warehouse(settings), settings)
            runs.alerts[runs.last] = withheld
            notes += report_failures(instance, runs.last)
        failures = [failure for failure in runs.failures.values() if failure]
        notes += retention_failure(instance, settings)
        unsent = alert_after_runs(instance, settings, report, runs.alerts)
        notes += [f"an alert was not sent: {fault}" for fault in unsent]
    except KeyboardInterrupt:
        said = interruption(settings, slugs, [*runs.failures], former_version)
        raise KeyboardInterrupt(said) from None
    return RefreshResult(report, (*failures, *withheld), tuple(notes))


def _report(settings: Settings, run_ids: Sequence[str], slugs: Sequence[str]) -> RunReport:
    try:
        load_landings(open_warehouse(settings), settings)
        return report_run(open_warehouse(settings), run_ids, slugs)
    except (WarehouseError, StorageError) as error:
        return RunReport(unrecorded=dict.fromkeys(slugs, str(error)))


def run_derive(
    definitions: dg.Definitions,
    settings: Settings,
    instance: dg.DagsterInstance,
    tags: Mapping[str, str],
    progress: Progress,
) -> list[str]:
    """Derive and publish; why that failed, if it did.

    Raises:
        KeyboardInterrupt: a person ended it; the message says what is published.
    """
    runs = _Runs(instance, tags, progress)
    former_version = published_version(settings.snapshot_path)
    try:
        runs.execute(definitions.resolve_job_def(DERIVE))
    except KeyboardInterrupt:
        said = published_since(settings, former_version)
        raise KeyboardInterrupt(f"Interrupted: stored; {said}. Run it again.") from None
    failures = [failure for failure in runs.failures.values() if failure]
    return failures or report_failures(instance, runs.last)


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


@contextmanager
def _origin(instance: dg.DagsterInstance, job_name: str) -> Iterator[None]:
    """Record the code location of runs: without it, the UI's timeline and jobs leave them out.

    `execute_in_process` takes no origin, and creates its run with this method of the instance.
    """
    target = LoadableTargetOrigin(
        executable_path=sys.executable, module_name="booking_assets.definitions"
    )
    location = ManagedGrpcPythonEnvCodeLocationOrigin(target, LOCATION)
    origin = RemoteRepositoryOrigin(location, SINGLETON_REPOSITORY_NAME).get_job_origin(job_name)
    create = partial(instance.create_run_for_job, remote_job_origin=origin)
    setattr(instance, "create_run_for_job", create)  # noqa: B010
    try:
        yield
    finally:
        delattr(instance, "create_run_for_job")


@contextmanager
def _signals() -> Iterator[Callable[[], bool]]:
    """Record SIGINT and SIGTERM; gives a function that says whether any came.

    Dagster forgets a signal that comes between two steps, or after the last one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    received, wakeup = socket.socketpair()
    with received, wakeup:
        for end in (received, wakeup):
            end.setblocking(False)
        former = signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)

        def was_signaled() -> bool:
            with suppress(BlockingIOError):
                return bool({signal.SIGINT, signal.SIGTERM} & {*received.recv(1024)})
            return False

        try:
            yield was_signaled
        finally:
            signal.set_wakeup_fd(former)
