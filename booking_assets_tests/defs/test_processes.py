"""A run whose process was killed does not stay STARTED: the next process ends it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest
from dagster._core.launcher import WorkerStatus

from booking_assets.defs.launchers import LocalRunLauncher, in_process_executor
from booking_assets.defs.processes import (
    PROCESS_TAG,
    end_dead_runs,
    is_free,
    process_lock,
)

PROJECT = Path(__file__).parents[2]

RUN = """
import sys, time
import dagster as dg
from booking_assets.defs.processes import process_lock

@dg.op
def wait():
    print("started", flush=True)
    time.sleep(600)

@dg.job
def waiting():
    wait()

with dg.DagsterInstance.from_config(sys.argv[1]) as instance, process_lock(instance) as tags:
    waiting.execute_in_process(instance=instance, tags=tags)
"""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    launcher = "{module: booking_assets.defs.launchers, class: LocalRunLauncher}"
    text = f"telemetry: {{enabled: false}}\nrun_launcher: {launcher}\n"
    (tmp_path / "dagster.yaml").write_text(text, encoding="utf-8")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


def statuses(instance: dg.DagsterInstance) -> list[dg.DagsterRunStatus]:
    return [run.status for run in instance.get_runs()]


def test_a_run_is_ended_when_its_process_was_killed_and_not_before(
    instance: dg.DagsterInstance,
) -> None:
    command = [sys.executable, "-c", RUN, instance.root_directory]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        assert end_dead_runs(instance) == []
        assert statuses(instance) == [dg.DagsterRunStatus.STARTED]
        process.kill()
    with process_lock(instance):
        assert statuses(instance) == [dg.DagsterRunStatus.FAILURE]
    assert list((Path(instance.root_directory) / "processes").iterdir()) == []


def test_a_run_of_the_daemon_that_executes_a_dead_one_again_is_left_alone(
    instance: dg.DagsterInstance,
) -> None:
    with process_lock(instance) as tags:
        pass
    first, again = str(uuid4()), str(uuid4())
    started = dg.DagsterRunStatus.STARTED
    for run_id, parent in ((first, None), (again, first)):
        run = dg.DagsterRun(
            "waiting", run_id, status=started, tags=tags, parent_run_id=parent, root_run_id=parent
        )
        instance.add_run(run)
    (Path(instance.root_directory) / "processes" / tags[PROCESS_TAG].partition("/")[2]).touch()
    assert end_dead_runs(instance) == [first]


@pytest.mark.parametrize(
    "tags",
    [{}, {PROCESS_TAG: "another-host/1-ab.lock"}],
    ids=["a run of Dagster's own launcher", "a run of another host"],
)
def test_the_runs_of_others_are_left_alone(
    instance: dg.DagsterInstance, tags: dict[str, str]
) -> None:
    run = dg.DagsterRun("waiting", status=dg.DagsterRunStatus.STARTED, tags=tags)
    instance.add_run(run)
    assert end_dead_runs(instance) == []


def test_a_process_that_ends_leaves_no_lock_file(instance: dg.DagsterInstance) -> None:
    with process_lock(instance) as tags:
        assert list(tags) == [PROCESS_TAG]
    assert list((Path(instance.root_directory) / "processes").iterdir()) == []


LAUNCHED = """
import sys
import dagster as dg
from booking_assets_tests.defs.test_processes import waiting

with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
    dg.execute_job(dg.reconstructable(waiting), instance)
"""


@dg.op
def wait() -> None:
    time.sleep(600)


@dg.job(executor_def=in_process_executor)
def waiting() -> None:
    wait()


def test_a_run_that_a_launcher_started_is_dead_when_its_process_was_killed_and_not_before(
    instance: dg.DagsterInstance,
) -> None:
    command = [sys.executable, "-c", LAUNCHED, instance.root_directory]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=PROJECT) as process:
        while not instance.get_run_tags([PROCESS_TAG]):
            assert process.poll() is None
            time.sleep(0.1)
        (run,) = instance.get_runs()
        launcher = LocalRunLauncher()
        launcher.register_instance(instance)
        assert health(launcher, run) == WorkerStatus.RUNNING
        process.kill()
    # A run that executes it again has its tag, and no lock yet.
    again = dg.DagsterRun(
        "waiting", tags=run.tags, parent_run_id=run.run_id, root_run_id=run.run_id
    )
    assert not is_free(instance, again)
    # The monitoring has to find it free twice: it is for a moment when a run is about to end.
    assert end_dead_runs(instance) == []
    assert health(launcher, run) == WorkerStatus.RUNNING
    assert health(launcher, run) == WorkerStatus.FAILED


def health(launcher: LocalRunLauncher, run: dg.DagsterRun) -> WorkerStatus:
    return launcher.check_run_worker_health(run).status
