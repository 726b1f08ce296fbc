"""Which process executes a run, so that runs of killed processes are ended.

Dagster's monitoring ends a run that was killed only after `max_runtime_seconds`; until then it
counts against `max_concurrent_runs`. Here whoever executes a run holds a lock, which is released
when the process dies, and the run carries its name: a lock of the kernel on a file, or where
Dagster's storage is PostgreSQL, one of its session (`session_locks`). A command ends the runs of
killed commands; `launchers` has Dagster's monitoring end all others within a minute.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

from booking_assets.defs.alerts import ALERT_TAG, KILLED
from booking_assets.defs.session_locks import is_free, postgres_url, session_lock
from booking_assets.files import LockTimeout, locked

PROCESS_TAG = "booking-assets/process"
"""On runs: the host that executes it, and the name of the lock, which ends in `.lock` for a file.

Where the lock is held for one run, its name is the run's identifier."""
_UNFINISHED = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


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
        with _run_lock(plan_context.instance, plan_context.run_id):
            yield from self._executor.execute(plan_context, execution_plan)


def _locked_executor(context: dg.InitExecutorContext) -> dg.Executor:
    create: Any = dg.in_process_executor.executor_creation_fn
    return _LockedExecutor(create(context))


in_process_executor = dg.ExecutorDefinition(
    name=dg.in_process_executor.name,
    config_schema=dg.in_process_executor.config_schema,  # type: ignore[arg-type]
    executor_creation_fn=_locked_executor,
    description="Dagster's executor of this name, with a lock for each run.",
)


@contextmanager
def _run_lock(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Hold the lock of a run, and tag the run with it."""
    if url := postgres_url(instance):
        tags = {PROCESS_TAG: f"{socket.gethostname()}/{run_id}"}
        with session_lock(url, run_id):
            instance.add_run_tags(run_id, tags)
            yield
    else:
        with _kernel_lock(instance, run_id) as tags:
            instance.add_run_tags(run_id, tags)
            yield


@contextmanager
def process_lock(instance: dg.DagsterInstance) -> Iterator[dict[str, str]]:
    """End the runs of killed processes, then hold this process's lock; gives the tags of its runs.

    Raises:
        OSError: the folder of the instance may not be written.
    """
    end_dead_runs(instance)
    with _kernel_lock(instance, f"{os.getpid()}-{secrets.token_hex(4)}") as tags:
        yield tags


@contextmanager
def _kernel_lock(instance: dg.DagsterInstance, name: str) -> Iterator[dict[str, str]]:
    path = _folder(instance) / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path, waiting=iter(())):
        yield {PROCESS_TAG: f"{socket.gethostname()}/{path.name}"}
        path.unlink(missing_ok=True)


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Report the runs of killed processes of this host as failed; gives their identifiers."""
    ended = []
    for run in instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED)):
        if _is_dead_here(instance, run):
            # Who was to tell of it is dead: a sensor does.
            if ALERT_TAG in run.tags:
                instance.add_run_tags(run.run_id, {ALERT_TAG: KILLED})
            instance.report_run_failed(run, "The process of this run was killed: run it again")
            ended.append(run.run_id)
    return ended


def is_dead(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether the lock of a run is free; it may be for `session_locks.CHECK_SECONDS`, and not dead.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: PostgreSQL cannot be reached.
    """
    url = postgres_url(instance)
    if url and _lock_name(run)[1] == run.run_id:
        return is_free(url, run.run_id)
    return _is_dead_here(instance, run)


def _is_dead_here(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    host, name = _lock_name(run)
    is_here = host == socket.gethostname() and name.endswith(".lock")
    return is_here and _is_free(_folder(instance) / name)


def _lock_name(run: dg.DagsterRun) -> tuple[str, str]:
    """The host and the lock of a run; none where it has the tag of a run that it executes again."""
    host, _, name = run.tags.get(PROCESS_TAG, "").partition("/")
    is_own = run.parent_run_id is None or name.startswith(run.run_id)
    return (host, name) if is_own else ("", "")


def _folder(instance: dg.DagsterInstance) -> Path:
    return Path(instance.root_directory) / "processes"


def _is_free(path: Path) -> bool:
    """Whether no process holds the lock; its file is removed then."""
    try:
        with locked(path, waiting=iter(())):
            path.unlink()
    except LockTimeout:
        return False
    return True
