"""Workers of several hosts: `celery -A booking_assets.cluster.worker worker`.

Dagster's Celery app, whose task holds a lock while it executes a run, for `launcher`.
"""

from __future__ import annotations

from typing import Any

import dagster as dg
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import unpack_value
from dagster_celery.make_app import make_app
from dagster_celery.tasks import create_execute_job_task

from booking_assets.cluster.session_locks import postgres_url, session_lock

app = make_app()
_Task: Any = app.Task


class _LockedTask(_Task):
    """Executes a run, from before its code is loaded, under the lock of its identifier."""

    def __call__(self, execute_job_args_packed: Any) -> Any:
        run = unpack_value(execute_job_args_packed, as_type=ExecuteRunArgs)
        with dg.DagsterInstance.get() as instance:
            url = postgres_url(instance)
        if url is None:
            raise RuntimeError("Celery needs dagster-postgres as the storage in dagster.yaml")
        with session_lock(url, run.run_id):
            return super().__call__(execute_job_args_packed)


_options: Any = {"base": _LockedTask}
execute_job = create_execute_job_task(app, **_options)
