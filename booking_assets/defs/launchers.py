"""Runs of one machine: Dagster's launcher, which knows by a lock of the kernel that a run is dead.

`dagster.yaml` names `LocalRunLauncher`. Several hosts: `celery_launcher`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus

from booking_assets.defs.processes import is_dead, run_lock


class LocalRunLauncher(DefaultRunLauncher):
    """Starts a process of the code server for each run, as Dagster does by default."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """That Dagster's monitoring, which ends dead runs, may ask."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the process that executes a run is alive."""
        if is_dead(self._instance, run):
            return CheckRunHealthResult(WorkerStatus.FAILED, "its process was killed")
        return CheckRunHealthResult(WorkerStatus.RUNNING)


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
