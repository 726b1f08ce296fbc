"""Run launchers that know by a lock that a run is dead; that of one machine, and its executor.

`dagster.yaml` names `LocalRunLauncher`. Several hosts: `cluster.launcher`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster._core.launcher import (
    CheckRunHealthResult,
    DefaultRunLauncher,
    RunLauncher,
    WorkerStatus,
)

from booking_assets.defs.processes import is_free, let_sensors_alert, run_lock


class LockHealth(RunLauncher):
    """Answers Dagster's monitoring, which ends dead runs, by the lock of a run.

    A lock is free for a moment when its run is about to end, or when PostgreSQL was restarted: so
    it has to be free twice. The monitoring asks every `run_monitoring.poll_interval_seconds`.
    """

    _were_free: frozenset[str] = frozenset()

    @abstractmethod
    def is_lock_free(self, run: dg.DagsterRun) -> bool:
        """Whether a run has a lock that nobody holds."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """That the monitoring may ask."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the process that executes a run is alive."""
        was_free = run.run_id in self._were_free
        self._were_free -= {run.run_id}
        if not self.is_lock_free(run):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        if was_free:
            let_sensors_alert(self._instance, run)
            return CheckRunHealthResult(WorkerStatus.FAILED, "its process was killed")
        self._were_free |= {run.run_id}
        return CheckRunHealthResult(WorkerStatus.RUNNING)


class LocalRunLauncher(LockHealth, DefaultRunLauncher):
    """Starts a process of the code server for each run, as Dagster does by default."""

    def is_lock_free(self, run: dg.DagsterRun) -> bool:
        """Whether nobody holds the file lock of a run of this host."""
        return is_free(self._instance, run)


class _LockedExecutor(dg.Executor):
    """Executes as another executor does, and holds the run's lock meanwhile."""

    def __init__(self, executor: dg.Executor) -> None:
        self._executor = executor

    @property
    def retries(self) -> Any:
        """How the other executor retries steps."""
        return self._executor.retries

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        """Executes the run."""
        with run_lock(plan_context.instance, plan_context.run_id):
            yield from self._executor.execute(plan_context, execution_plan)


def _executor(context: dg.InitExecutorContext) -> dg.Executor:
    create: Any = dg.in_process_executor.executor_creation_fn
    executor: dg.Executor = create(context)
    is_local = isinstance(context.instance.run_launcher, LocalRunLauncher)
    return _LockedExecutor(executor) if is_local else executor


in_process_executor = dg.ExecutorDefinition(
    name=dg.in_process_executor.name,
    config_schema=dg.in_process_executor.config_schema,  # type: ignore[arg-type]
    executor_creation_fn=_executor,
    description="Dagster's executor of this name, with a lock for each run.",
)
