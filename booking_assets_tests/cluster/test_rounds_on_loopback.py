"""Rounds on a real cluster: parts of it die and restart, and nothing is lost, twice or told.

The tests share one cluster and run in this order; `BOOKING_CLUSTER=1` switches them on.
"""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
import sqlalchemy
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, RETRY_NUMBER_TAG
from sqlalchemy.exc import SQLAlchemyError

from booking_assets.cluster.session_locks import is_free, session_lock
from booking_assets.defs.rounds import DERIVED_TAG, FAILED_PARTS_TAG, PART_TAG, ROUND_TAG
from booking_assets_tests.cluster.loopback import Loopback, program, running
from booking_assets_tests.commands import SECONDS

pytestmark = [
    pytest.mark.skipif(
        os.environ.get("BOOKING_CLUSTER") != "1",
        reason="needs PostgreSQL, Redis and BOOKING_CLUSTER=1",
    ),
    # One cluster, one process.
    pytest.mark.xdist_group("cluster"),
    pytest.mark.slow,
]
ORGANIZATIONS = 40
STEP_FAILURE = dg.DagsterEventType.STEP_FAILURE
TASK_TAG = "dagster-celery/task_id"
OF_THE_CLOCK = (
    *("as_of", "seats_as_of", "events_as_of", "registrations_as_of", "groups_as_of"),
    *("collected_at", "valid_from", "valid_to", "changed_at", "last_attempt_at", "age_minutes"),
    *("days_until_expected", "status_age_days", "oldest_status_age_days"),
)
"""Columns that say when something was collected, or are an age then."""
THRESHOLDS = (
    *("event_scheduled_start", "event_scheduled_end"),
    *("registration_start", "registration_deadline"),
)
"""Columns with an instant at which an event's states change."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Loopback]:
    sandbox = ["--events", "10", "--still", "--fault", "latency=0.2"]
    with running(organizations=ORGANIZATIONS, sandbox=sandbox) as cluster:
        yield cluster


def wait_until(is_so: Callable[[], Any]) -> Any:
    """The first true answer."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if answer := is_so():
            return answer
        time.sleep(0.3)
    raise AssertionError("it did not become so in time")


def submitted(cluster: Loopback) -> str:
    """Submits a round; gives its name."""
    found = re.search(r"Submitted (\S+):", cluster.command("refresh", "--submit"))
    assert found
    return found[1]


def runs_of(instance: dg.DagsterInstance, name: str) -> list[dg.DagsterRun]:
    return [*instance.get_runs(dg.RunsFilter(tags={ROUND_TAG: name}))]


def derived(instance: dg.DagsterInstance, name: str) -> dg.DagsterRun | None:
    """The derivation of a round, once it has ended."""
    try:
        found = instance.get_runs(dg.RunsFilter(tags={DERIVED_TAG: name}))
    except SQLAlchemyError:  # PostgreSQL is restarted
        return None
    finished = [run for run in found if run.is_finished]
    return finished[0] if finished and len(finished) == len(found) else None


def differing(left: Path, right: Path) -> dict[str, int]:
    """How many rows of each mart are in one snapshot alone.

    Events whose states changed between the collections of the two are left out.
    """
    with duckdb.connect() as con:
        for name, path in (("l", left), ("r", right)):
            con.execute(f"ATTACH '{path.resolve()}' AS {name} (READ_ONLY)")
        tables = con.execute(
            "SELECT table_name, list(column_name) FROM duckdb_columns()"
            " WHERE database_name = 'l' AND schema_name = 'marts' GROUP BY ALL"
        ).fetchall()
        union = " UNION ALL ".join(
            f"SELECT as_of FROM {side}.marts.capacity_by_event" for side in "lr"
        )
        span = f"(SELECT min(as_of) FROM ({union})) AND (SELECT max(as_of) FROM ({union}))"
        changed = " OR ".join(f"{one} BETWEEN {span}" for one in THRESHOLDS)
        events = f"SELECT event_identifier FROM l.marts.capacity_by_event WHERE {changed}"
        counts = {}
        for table, columns in tables:
            rows = (
                f"WHERE event_identifier NOT IN ({events})" if "lifecycle_status" in columns else ""
            )
            kept = ", ".join(f'"{one}"' for one in columns if one not in OF_THE_CLOCK)
            sides = [f"SELECT {kept} FROM {side}.marts.{table} {rows}" for side in "lr"]
            found = con.execute(
                f"SELECT count(*) FROM (({sides[0]} EXCEPT ALL {sides[1]})"
                f" UNION ALL ({sides[1]} EXCEPT ALL {sides[0]}))"
            ).fetchone()
            assert found
            counts[table] = found[0]
    assert len(counts) > 10
    return {table: count for table, count in counts.items() if count}


@pytest.fixture(scope="module")
def one_machine(cluster: Loopback) -> Path:
    """The snapshot of a refresh on one machine, without object store, of the same organizations."""
    folder = cluster.folder / "one-machine"
    folder.mkdir()
    toml = (cluster.folder / "config/booking.toml").read_text("utf-8").partition("[storage]")[0]
    (folder / "booking.toml").write_text(toml, "utf-8")
    ours = ("DAGSTER_", "BOOKING_CONFIG", "AWS_")
    environment = {k: v for k, v in cluster.environment.items() if not k.startswith(ours)}
    subprocess.run(
        [program("booking-assets"), "refresh", "--json"],
        cwd=folder,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return folder / "data/booking.snapshot.duckdb"


def test_a_round_in_which_a_worker_is_killed_equals_a_refresh_on_one_machine(
    cluster: Loopback, one_machine: Path
) -> None:
    name = submitted(cluster)
    with cluster.instance() as instance:
        log = cluster.folder / "collector-1/log"
        (task,) = wait_until(lambda: re.findall(r"execute_job\[(\S+)\] received", log.read_text()))
        (victim,) = wait_until(
            lambda: [
                run
                for run in runs_of(instance, name)
                if run.tags.get(TASK_TAG) == task and run.status == dg.DagsterRunStatus.STARTED
            ]
        )
        cluster.end("collector-1", signal.SIGKILL)
        cluster.commands["collector-1"]()
        wait_until(
            lambda: instance.get_run_by_id(victim.run_id).is_failure  # type: ignore[union-attr]
        )
        # It is looked for twice: half a minute, and what the machine takes.
        assert 2 * instance.run_monitoring_poll_interval_seconds <= 30
        derivation = wait_until(lambda: derived(instance, name))
        runs = runs_of(instance, name)
    assert derivation.is_success
    assert FAILED_PARTS_TAG not in derivation.tags
    # Four parts, of which one has a run more.
    parts = Counter(run.tags[PART_TAG] for run in runs)
    assert sorted(parts.values()) == [1, 1, 1, 2]
    (again,) = [run for run in runs if run.parent_run_id == victim.run_id]
    assert again.is_success
    assert again.tags[RETRY_NUMBER_TAG] == "1"
    (dead,) = [run for run in runs if run.run_id == victim.run_id]
    assert dead.tags[AUTO_RETRY_RUN_ID_TAG] == again.run_id
    assert differing(cluster.folder / "writer/booking.snapshot.duckdb", one_machine) == {}
    # All of them took part, and none of them has rows on its disk.
    for number in (1, 2, 3):
        folder = cluster.folder / f"collector-{number}"
        assert "execute_job" in (folder / "log").read_text("utf-8")
        assert [*folder.rglob("*.parquet"), *folder.rglob("*.duckdb*")] == []


def test_a_run_that_a_person_terminates_is_canceled_for_good_and_its_round_names_the_part(
    cluster: Loopback, one_machine: Path
) -> None:
    name = submitted(cluster)
    with cluster.instance() as instance:
        victim = wait_until(
            lambda: next(
                (
                    run
                    for run in runs_of(instance, name)
                    if instance.all_logs(run.run_id, dg.DagsterEventType.STEP_START)
                ),
                None,
            )
        )
        assert instance.run_launcher.terminate(victim.run_id)
        started = time.monotonic()
        wait_until(lambda: instance.get_run_by_id(victim.run_id).is_finished)  # type: ignore[union-attr]
        assert time.monotonic() - started < instance.run_monitoring_cancel_timeout_seconds
        derivation = wait_until(lambda: derived(instance, name))
        runs = runs_of(instance, name)
        statuses = {run.tags[PART_TAG]: run.status for run in runs}
        again = instance.run_launcher.terminate(victim.run_id)
    canceled, success = dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.SUCCESS
    # Not started again, as a run whose process was killed would be.
    assert sorted(run.tags[PART_TAG] for run in runs) == ["1/4", "2/4", "3/4", "4/4"]
    assert statuses == dict.fromkeys(statuses, success) | {victim.tags[PART_TAG]: canceled}
    assert derivation.is_success
    assert derivation.tags[FAILED_PARTS_TAG] == victim.tags[PART_TAG]
    assert not again
    # What was stored of its organizations is what the last round stored, and nothing is left over.
    assert differing(cluster.folder / "writer/booking.snapshot.duckdb", one_machine) == {}
    for number in (1, 2, 3):
        folder = cluster.folder / f"collector-{number}"
        assert [*folder.rglob("*.parquet"), *folder.rglob("*.duckdb*")] == []
    # Its worker takes part in the next round.
    following = submitted(cluster)
    with cluster.instance() as instance:
        derivation = wait_until(lambda: derived(instance, following))
    assert derivation.is_success
    assert FAILED_PARTS_TAG not in derivation.tags


def test_two_rounds_at_once_end_while_all_is_restarted_and_name_whom_a_wrong_clock_cost(
    cluster: Loopback, one_machine: Path
) -> None:
    cluster.end("collector-3")
    cluster.worker("ahead", "collect", ["faketime", "-f", "+1h"])
    names = [submitted(cluster), submitted(cluster)]
    with cluster.instance() as instance:
        wait_until(
            lambda: instance.get_runs(
                dg.RunsFilter(tags={ROUND_TAG: names}, statuses=[dg.DagsterRunStatus.STARTED])
            )
        )
        cluster.restart("redis")
        cluster.restart("postgres", signal.SIGINT)
        derivations = [wait_until(partial(derived, instance, name)) for name in names]
        records = [instance.get_run_record_by_id(run.run_id) for run in derivations]
        assert [run.status for run in derivations] == [dg.DagsterRunStatus.SUCCESS] * 2
        failed = {
            (name, run.tags[PART_TAG]): run
            for name, derivation in zip(names, derivations, strict=True)
            for run in reversed(runs_of(instance, name))
            if run.tags[PART_TAG] in derivation.tags.get(FAILED_PARTS_TAG, "").split(", ")
        }
        reasons = [str(instance.all_logs(run.run_id, STEP_FAILURE)) for run in failed.values()]
    # The object store lets nobody in whose clock is more than 15 minutes off.
    assert all("RequestTimeTooSkewed" in reason for reason in reasons)
    log = (cluster.folder / "ahead/log").read_text("utf-8")
    assert "execute_job" in log
    assert {run.tags[TASK_TAG] in log for run in failed.values()} <= {True}
    spans = sorted((one.start_time or 0, one.end_time or 0) for one in records if one)
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
    snapshot = cluster.folder / "writer/booking.snapshot.duckdb"
    assert len(stored := identifiers(snapshot)) == len({*stored}) > ORGANIZATIONS
    assert stored == identifiers(one_machine)


def identifiers(snapshot: Path) -> list[tuple[str, str]]:
    """Organization and identifier of each event, sorted."""
    with duckdb.connect(str(snapshot.resolve()), read_only=True) as con:
        return con.execute(
            "SELECT organization, event_identifier FROM raw.events ORDER BY ALL"
        ).fetchall()


def test_the_lock_of_a_run_is_free_when_its_process_died_and_not_after_a_restart_of_the_server(
    cluster: Loopback,
) -> None:
    url = cluster.environment["DAGSTER_POSTGRES_URL"]
    holding = (
        "import sys, time; from booking_assets.cluster.session_locks import session_lock\n"
        "with session_lock(sys.argv[1], 'a run'):\n    print('held', flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", holding, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert not is_free(url, "a run")
        cluster.restart("postgres", signal.SIGINT)
        wait_until(lambda: not is_free(url, "a run"))
        process.kill()
    wait_until(lambda: is_free(url, "a run"))
    with session_lock(url, "a run"):
        assert not is_free(url, "a run")
    assert is_free(url, "a run")


def test_events_are_stored_by_one_connection_and_by_another_after_a_restart(
    cluster: Loopback,
) -> None:
    def backend(storage: Any) -> int:
        with storage._connect() as connection:
            return int(connection.scalar(sqlalchemy.text("SELECT pg_backend_pid()")))

    with cluster.instance() as instance:
        (former,) = {backend(instance.event_log_storage) for _ in range(3)}
        cluster.restart("postgres", signal.SIGINT)
        assert backend(instance.event_log_storage) != former


def test_no_credential_is_in_a_log_an_event_a_run_or_a_message(cluster: Loopback) -> None:
    url = cluster.environment["DAGSTER_POSTGRES_URL"].replace("+psycopg2", "")
    dump = subprocess.run(["pg_dump", url], check=True, stdout=subprocess.PIPE).stdout
    assert b"booking-assets/round" in dump
    messages = b"".join(path.read_bytes() for path in (cluster.folder / "redis").rglob("*.aof"))
    # Celery's bodies are base64.
    bodies = [base64.b64decode(one) for one in re.findall(rb'"body": "([\w+/=]+)"', messages)]
    assert any(b"execute_job_args_packed" in body for body in bodies)
    with cluster.instance() as instance:
        entries = [entry for run in instance.get_runs() for entry in instance.all_logs(run.run_id)]
    assert len(entries) > ORGANIZATIONS
    events = "\n".join(map(str, entries)).encode()
    logs = b"".join(path.read_bytes() for path in cluster.folder.glob("*/log"))
    assert b"execute_job" in logs
    found = {
        (name, place)
        for place, content in {
            "PostgreSQL": dump,
            "Redis": messages,
            "message": b"".join(bodies),
            "event": events,
            "log": logs,
        }.items()
        for name, secret in cluster.secrets.items()
        if secret.encode() in content
    }
    assert len(cluster.secrets) > ORGANIZATIONS
    assert found == set()
