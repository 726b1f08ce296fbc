"""Which process executes a run, so that runs of killed processes are ended.

Dagster's monitoring ends a run that was killed only after `max_runtime_seconds`; until then it
counts against `max_concurrent_runs`. Here each process holds a file lock, which the kernel releases
when the process dies, and its runs carry the lock's name.
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
from booking_assets.defs.jobs import starter_tags_of
from booking_assets.files import LockTimeout, locked

PROCESS_TAG = "booking-assets/process"
"""On runs of a process: its host and the name of its lock file."""
_UNFINISHED = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@contextmanager
def process_lock(instance: dg.DagsterInstance) -> Iterator[dict[str, str]]:
    """End the runs of killed processes, then hold this process's lock; gives the tags of its runs.

    Raises:
        OSError: the folder of the instance may not be written.
    """
    end_dead_runs(instance)
    folder = _folder(instance)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{os.getpid()}-{secrets.token_hex(4)}.lock"
    with locked(path, waiting=iter(())):
        yield {PROCESS_TAG: f"{socket.gethostname()}/{path.name}"}
        path.unlink(missing_ok=True)


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Report the runs of killed processes of this host as failed; gives their identifiers."""
    ended = []
    for run in instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED)):
        host, _, name = starter_tags_of(run).get(PROCESS_TAG, "").partition("/")
        if host == socket.gethostname() and _is_free(_folder(instance) / name):
            # Who was to tell of it is dead: a sensor does.
            if ALERT_TAG in run.tags:
                instance.add_run_tags(run.run_id, {ALERT_TAG: KILLED})
            instance.report_run_failed(run, "The process of this run was killed: run it again")
            ended.append(run.run_id)
    return ended


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
