"""Runs of several hosts: Dagster's launcher for Celery, but for the health of a run.

Of the extra `cluster`. `dagster.yaml` names `CeleryRunLauncher`; workers are in `celery_worker`.
"""

from __future__ import annotations

import dagster as dg
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster_celery import launcher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

from booking_assets.defs.session_locks import is_free, postgres_url


class CeleryRunLauncher(launcher.CeleryRunLauncher):
    """Sends a run to the workers; whether one still executes it is known by a lock in PostgreSQL.

    Dagster's own asks Celery's results: a killed worker leaves STARTED in them for ever, and those
    that Redis lost are the same as those of a dead run.
    """

    _free: frozenset[str] = frozenset()

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether a worker executes a run; Dagster's monitoring, which ends dead runs, asks.

        A lock is free for a moment after a restart of PostgreSQL, so it has to be free twice: the
        monitoring asks every `run_monitoring.poll_interval_seconds`. A command executes its runs
        itself, without a task.
        """
        was_free = run.run_id in self._free
        self._free -= {run.run_id}
        url = postgres_url(self._instance)
        if not url or DAGSTER_CELERY_TASK_ID_TAG not in run.tags or not is_free(url, run.run_id):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        if was_free:
            return CheckRunHealthResult(WorkerStatus.FAILED, "its worker was killed")
        self._free |= {run.run_id}
        return CheckRunHealthResult(WorkerStatus.RUNNING)

    def get_run_worker_debug_info(
        self,
        run: dg.DagsterRun,  # noqa: ARG002 - Dagster's signature
        include_container_logs: bool | None = True,  # noqa: ARG002
    ) -> str | None:
        """Nothing: Dagster's own asks Celery's results."""
        return None
