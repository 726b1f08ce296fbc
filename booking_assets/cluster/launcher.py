"""Runs of several hosts: Dagster's launcher for Celery, but for the health and the end of a run.

Of the extra `cluster`. `dagster.yaml` names `CeleryRunLauncher`; workers are in `worker`.
"""

from __future__ import annotations

import dagster as dg
from dagster_celery import launcher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

from booking_assets.cluster.session_locks import is_free, postgres_url
from booking_assets.defs.launchers import LockHealth


class CeleryRunLauncher(LockHealth, launcher.CeleryRunLauncher):
    """Sends a run to the workers; whether one still executes it is known by a lock in PostgreSQL.

    Dagster's own asks Celery's results: a killed worker leaves STARTED in them for ever, and those
    that Redis lost are the same as those of a dead run.
    """

    def is_lock_free(self, run: dg.DagsterRun) -> bool:
        """Whether no worker holds the lock of a run; a run of a command is no task, and has none.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: PostgreSQL cannot be reached.
        """
        url = postgres_url(self._instance)
        return bool(url and DAGSTER_CELERY_TASK_ID_TAG in run.tags and is_free(url, run.run_id))

    def terminate(self, run_id: str) -> bool:
        """Have a run's worker end it; whether there is a worker that may.

        Dagster's own does not record that a person asked for it: the run would count as killed, and
        be started again.
        """
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished or DAGSTER_CELERY_TASK_ID_TAG not in run.tags:
            return False
        self._instance.report_run_canceling(run)
        return super().terminate(run_id)

    def get_run_worker_debug_info(
        self,
        run: dg.DagsterRun,  # noqa: ARG002 - Dagster's signature
        include_container_logs: bool | None = True,  # noqa: ARG002
    ) -> str | None:
        """Nothing: Dagster's own asks Celery's results."""
        return None
