"""Which process executes a run, so that runs of killed processes are ended.

Dagster's monitoring ends a run that was killed only after `max_runtime_seconds`; until then it
counts against `max_concurrent_runs`. Here whoever executes a run holds a file lock, which the
kernel releases when the process dies, and the run carries the lock's name. Runs of commands are
ended by the next command, those that Dagster launched by its monitoring (`launchers`).
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from booking_assets.defs.alerts import ALERT_TAG, KILLED
from booking_assets.files import LockTimeout, locked

PROCESS_TAG = "booking-assets/process"
"""On runs: the host that executes it, and the name of its lock file."""
_UNFINISHED = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@contextmanager
def run_lock(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Hold the lock of a run that a launcher started, and tag the run with it."""
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
    """Report the runs of killed commands of this host as failed; gives their identifiers.

    Not those that Dagster launched: their lock is free just before they end.
    """
    ended = []
    for run in instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED)):
        if not _lock_name(run)[1].startswith(run.run_id) and is_free(instance, run):
            let_sensors_alert(instance, run)
            instance.report_run_failed(run, "The process of this run was killed: run it again")
            ended.append(run.run_id)
    return ended


def let_sensors_alert(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Let a sensor send the alert of a run whose starter was to send it, and is dead."""
    if ALERT_TAG in run.tags:
        instance.add_run_tags(run.run_id, {ALERT_TAG: KILLED})


def is_free(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether nobody holds the lock of a run of this host: its process has ended, or was killed."""
    host, name = _lock_name(run)
    if host != socket.gethostname():
        return False
    path = _folder(instance) / name
    try:
        with locked(path, waiting=iter(())):
            path.unlink()
    except LockTimeout:
        return False
    return True


def _lock_name(run: dg.DagsterRun) -> tuple[str, str]:
    """The host and the lock of a run; none where it has the tag of a run that it executes again."""
    host, _, name = run.tags.get(PROCESS_TAG, "").partition("/")
    is_own = run.parent_run_id is None or name.startswith(run.run_id)
    return (host, name) if is_own else ("", "")


def _folder(instance: dg.DagsterInstance) -> Path:
    return Path(instance.root_directory) / "processes"
