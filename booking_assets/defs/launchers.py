"""Run launchers whose runs are known to be dead when their lock is free.

`dagster.yaml` names `LocalRunLauncher`; hosts with Celery name `celery_launcher.CeleryRunLauncher`.
Kubernetes needs neither: Dagster's launcher for it asks for the state of the pod.
"""

from __future__ import annotations

import dagster as dg
from dagster._core.launcher import (
    CheckRunHealthResult,
    DefaultRunLauncher,
    RunLauncher,
    WorkerStatus,
)

from booking_assets.defs.processes import is_dead


class LockHealth(RunLauncher):
    """Answers Dagster's monitoring, which ends dead runs, by the lock of the run.

    A lock of PostgreSQL is free for a moment after a restart of the server, so the monitoring has
    to find it free twice; it looks every `run_monitoring.poll_interval_seconds`.
    """

    _free: frozenset[str] = frozenset()

    @property
    def supports_check_run_worker_health(self) -> bool:
        """That the monitoring may ask."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the process that executes a run is alive."""
        was_free = run.run_id in self._free
        self._free -= {run.run_id}
        if not is_dead(self._instance, run):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        if was_free:
            return CheckRunHealthResult(WorkerStatus.FAILED, "its process was killed")
        self._free |= {run.run_id}
        return CheckRunHealthResult(WorkerStatus.RUNNING)


class LocalRunLauncher(LockHealth, DefaultRunLauncher):
    """Starts a process of the code server for each run, as Dagster does by default."""
