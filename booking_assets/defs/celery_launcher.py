"""Runs as Celery tasks: Dagster's launcher, but for the health of a run. Of the extra `cluster`."""

from __future__ import annotations

import dagster as dg
from dagster_celery import launcher

from booking_assets.defs.launchers import LockHealth


class CeleryRunLauncher(LockHealth, launcher.CeleryRunLauncher):
    """Sends a run to the workers; whether one still executes it is known by its lock.

    Dagster's own asks Celery's results: a killed worker leaves STARTED in them for ever, and those
    that Redis lost are the same as those of a dead run.
    """

    def get_run_worker_debug_info(
        self,
        run: dg.DagsterRun,  # noqa: ARG002 - Dagster's signature
        include_container_logs: bool | None = True,  # noqa: ARG002
    ) -> str | None:
        """Nothing: Dagster's own asks Celery's results too."""
        return None
