"""Promises of the event log that keeps its databases open: Dagster's own, only faster."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage

from booking_assets.defs.storage import SHARDS_OPEN, PooledSqliteEventLogStorage
from booking_assets_tests.commands import SECONDS

POOLED = """
storage:
  custom:
    module: booking_assets.defs.storage
    class: PooledSqliteStorage
    config:
      base_dir: {folder}
telemetry: {{enabled: false}}
"""
DAGSTERS_OWN = """
storage:
  sqlite:
    base_dir: {folder}
telemetry: {{enabled: false}}
"""


def opened(home: Path, state: Path, settings: str) -> dg.DagsterInstance:
    """An instance with these settings, whose state lies in `state`."""
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text(settings.format(folder=state), encoding="utf-8")
    return dg.DagsterInstance.from_config(str(home))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def pooled(tmp_path: Path, state: Path) -> Iterator[dg.DagsterInstance]:
    with opened(tmp_path / "pooled", state, POOLED) as instance:
        yield instance


@pytest.fixture
def dagsters_own(tmp_path: Path, state: Path) -> Iterator[dg.DagsterInstance]:
    with opened(tmp_path / "own", state, DAGSTERS_OWN) as instance:
        yield instance


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a", "b"]))
def seats() -> None: ...


@dg.asset_check(asset=seats)
def enough() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


def materialize(instance: dg.DagsterInstance, partition: str = "a") -> str:
    """The run that materialized and checked the asset."""
    result = dg.materialize([seats, enough], instance=instance, partition_key=partition)
    assert result.success
    return result.run_id


def told(instance: dg.DagsterInstance, run: str) -> list[str]:
    """What an instance knows of a run and of the asset."""
    status = instance.get_status_by_partition(
        seats.key, ["a", "b"], dg.StaticPartitionsDefinition(["a", "b"])
    )
    return [*(dg.serialize_value(log_row) for log_row in instance.all_logs(run)), repr(status)]


def test_dagsters_own_storage_reads_what_was_written_while_the_databases_are_open(
    pooled: dg.DagsterInstance, dagsters_own: dg.DagsterInstance
) -> None:
    run = materialize(pooled)
    assert told(dagsters_own, run) == told(pooled, run)
    assert len(told(pooled, run)) > 10


def test_what_dagsters_own_storage_wrote_is_read_and_continued(
    pooled: dg.DagsterInstance, dagsters_own: dg.DagsterInstance
) -> None:
    first, second = materialize(dagsters_own, "a"), materialize(pooled, "b")
    assert told(pooled, first) == told(dagsters_own, first)
    assert pooled.get_materialized_partitions(seats.key) == {"a", "b"}
    assert {run.run_id for run in pooled.get_runs()} == {first, second}


def test_a_commit_waits_for_no_disk_and_its_log_survives_the_process(
    pooled: dg.DagsterInstance, dagsters_own: dg.DagsterInstance
) -> None:
    run = materialize(pooled)
    storage = pooled.event_log_storage
    assert isinstance(storage, PooledSqliteEventLogStorage)
    for shard in ("index", run):
        with storage._connect(shard) as connection:
            (synchronous,) = connection.exec_driver_sql("PRAGMA synchronous").one()
            assert synchronous == 1  # NORMAL
        assert Path(f"{storage.path_for_shard(shard)}-wal").stat().st_size
    assert told(dagsters_own, run) == told(pooled, run)


def test_alembics_scripts_are_read_once_for_all_databases(
    pooled: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    materialize(pooled)
    scripts = f"{PooledSqliteEventLogStorage.__module__}.ScriptDirectory._load_revisions"
    monkeypatch.setattr(scripts, lambda _: pytest.fail("read again"))
    materialize(pooled, "b")


def test_a_database_that_is_open_is_not_opened_again_for_another_event(
    pooled: dg.DagsterInstance, dagsters_own: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect
    databases: list[str] = []

    def counted(database: str, *arguments: Any, **options: Any) -> Any:
        databases.append(database)
        return connect(database, *arguments, **options)

    def opened_for_ten_events(instance: dg.DagsterInstance) -> int:
        event = dg.AssetMaterialization("seats", partition="a")
        instance.report_runless_asset_event(event)
        databases.clear()
        for _ in range(10):
            instance.report_runless_asset_event(event)
        return len(databases)

    monkeypatch.setattr(sqlite3.dbapi2, "connect", counted)
    monkeypatch.setattr(sqlite3, "connect", counted)
    assert opened_for_ten_events(pooled) == 0
    assert opened_for_ten_events(dagsters_own) >= 20


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel which files are open")
def test_few_databases_stay_open_however_many_runs_are_looked_at(
    pooled: dg.DagsterInstance, state: Path
) -> None:
    for _ in range(SHARDS_OPEN + 2):
        assert pooled.all_logs(str(uuid4())) == []
    open_files = {Path("/proc/self/fd", name.name) for name in Path("/proc/self/fd").iterdir()}
    databases = {file.resolve() for file in open_files if file.exists()}
    shards = {one for one in databases if one.parent == state / "history/runs"}
    assert 0 < len({one for one in shards if one.suffix == ".db"}) <= SHARDS_OPEN


def test_whoever_watches_a_run_in_another_process_sees_each_event_while_it_is_open(
    pooled: dg.DagsterInstance, state: Path
) -> None:
    run = materialize(pooled)
    watching = SqliteEventLogStorage(str(state / "history/runs"))
    watching.register_instance(pooled)
    seen = threading.Semaphore(0)
    cursor = watching.get_records_for_run(run).cursor
    watching.watch(run, cursor, lambda *_: seen.release())
    try:
        for message in ("one", "two"):
            pooled.report_engine_event(message, run_id=run, job_name="seats")
            assert seen.acquire(timeout=SECONDS)
    finally:
        watching.dispose()


def test_reading_a_run_changes_no_file_or_who_watches_it_would_read_for_ever(
    pooled: dg.DagsterInstance, state: Path
) -> None:
    run = materialize(pooled)
    shard = state / "history/runs" / f"{run}.db"
    os.utime(shard, (0, 0))
    assert pooled.all_logs(run)
    assert shard.stat().st_mtime == 0


def test_closing_leaves_whole_databases_and_no_log_beside_them(tmp_path: Path, state: Path) -> None:
    with opened(tmp_path / "pooled", state, POOLED) as instance:
        materialize(instance)
        assert list((state / "history/runs").glob("*.db-wal"))
    assert not list((state / "history/runs").glob("*.db-wal"))


def test_a_process_that_was_killed_leaves_every_event_that_it_had_stored(
    tmp_path: Path, state: Path, dagsters_own: dg.DagsterInstance
) -> None:
    home = tmp_path / "killed"
    opened(home, state, POOLED).dispose()
    program = f"""
import os, signal
import dagster as dg
instance = dg.DagsterInstance.from_config({str(home)!r})
for number in range(30):
    instance.report_runless_asset_event(dg.AssetMaterialization("seats", partition=str(number)))
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert ended.returncode == -9, ended.stderr.decode()
    assert len(dagsters_own.get_materialized_partitions(dg.AssetKey("seats"))) == 30


def test_events_can_be_wiped_and_written_again(pooled: dg.DagsterInstance) -> None:
    materialize(pooled)
    pooled.event_log_storage.wipe()
    assert not pooled.get_materialized_partitions(seats.key)
    run = materialize(pooled, "b")
    assert pooled.get_materialized_partitions(seats.key) == {"b"}
    assert pooled.all_logs(run)


def test_a_deleted_run_leaves_no_evaluation_but_the_newest_of_each_check(
    pooled: dg.DagsterInstance,
) -> None:
    runs = [materialize(pooled, partition) for partition in "aba"]

    def evaluated() -> list[str]:
        history = pooled.event_log_storage.get_asset_check_execution_history(
            enough.check_key, limit=10
        )
        return [record.run_id for record in history]

    assert sorted(evaluated()) == sorted(runs)
    pooled.delete_run(runs[0])
    assert runs[0] not in evaluated()
    pooled.delete_run(runs[2])
    assert runs[2] in evaluated()


def an_event(
    run: str = "", message: str = "told", dagster_event: dg.DagsterEvent | None = None
) -> EventLogEntry:
    return EventLogEntry(  # type: ignore[no-untyped-call]
        None, 20, message, run, time.time(), job_name="seats", dagster_event=dagster_event
    )


@pytest.fixture
def storage(state: Path) -> Iterator[PooledSqliteEventLogStorage]:
    opened_storage = PooledSqliteEventLogStorage(str(state))
    yield opened_storage
    opened_storage.dispose()


def test_a_database_that_was_deleted_and_made_anew_is_read_and_written_as_everybody_sees_it(
    storage: PooledSqliteEventLogStorage, state: Path
) -> None:
    storage.store_event(an_event(message="of the deleted one"))
    shutil.rmtree(state)
    other = SqliteEventLogStorage(str(state))
    other.store_event(an_event(message="new"))
    assert [one.user_message for one in storage.get_logs_for_run("")] == ["new"]
    storage.store_event(an_event(message="newer"))
    assert [one.user_message for one in other.get_logs_for_run("")] == ["new", "newer"]


def test_events_of_a_run_that_another_process_wiped_are_seen_by_everybody(
    storage: PooledSqliteEventLogStorage, state: Path
) -> None:
    storage.store_event(an_event("run"))
    other = SqliteEventLogStorage(str(state))
    other.wipe()
    storage.store_event(an_event("run", "after"))
    assert [one.user_message for one in other.get_logs_for_run("run")] == ["after"]


def test_a_watcher_learns_of_an_event_whose_copy_in_the_index_could_not_be_written(
    storage: PooledSqliteEventLogStorage, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.store_event(an_event("run"))
    os.utime(state / "run.db", (0, 0))

    def locked() -> None:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(storage, "index_connection", locked)
    event = dg.DagsterEvent("PIPELINE_SUCCESS", "seats")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        storage.store_event(an_event("run", dagster_event=event))
    assert len(storage.get_logs_for_run("run")) == 2
    assert (state / "run.db").stat().st_mtime > 0


def test_nothing_stays_open_where_a_watcher_was_reading_when_all_was_closed(
    storage: PooledSqliteEventLogStorage, state: Path, pooled: dg.DagsterInstance
) -> None:
    storage.register_instance(pooled)
    storage.store_event(an_event("run"))
    reading = threading.Event()
    read = storage.get_records_for_run

    def slowly(*arguments: Any, **options: Any) -> Any:
        reading.set()
        time.sleep(0.3)
        return read(*arguments, **options)

    storage.get_records_for_run = slowly  # type: ignore[method-assign]
    storage.watch("run", None, lambda *_: None)
    storage.store_event(an_event("run"))
    assert reading.wait(timeout=SECONDS)
    storage.dispose()
    assert not list(state.glob("*.db-wal"))


def test_an_instance_by_reference_has_the_same_storage(pooled: dg.DagsterInstance) -> None:
    with dg.DagsterInstance.from_ref(pooled.get_ref()) as again:
        assert isinstance(again.event_log_storage, PooledSqliteEventLogStorage)


@pytest.mark.filterwarnings("ignore:Parameter `backfill_policy`")
def test_events_of_many_partitions_are_stored_together_and_read_as_each_by_itself(
    pooled: dg.DagsterInstance, dagsters_own: dg.DagsterInstance
) -> None:
    many = dg.StaticPartitionsDefinition([f"p{number}" for number in range(40)])

    @dg.asset(partitions_def=many, backfill_policy=dg.BackfillPolicy.single_run())
    def rooms() -> None: ...

    tags = {
        "dagster/asset_partition_range_start": "p0",
        "dagster/asset_partition_range_end": "p39",
    }
    result = dg.materialize([rooms], instance=pooled, tags=tags)
    assert result.success
    for instance in (pooled, dagsters_own):
        records = instance.fetch_materializations(rooms.key, limit=100).records
        assert {record.partition_key for record in records} == {*many.get_partition_keys()}
        assert len({record.storage_id for record in records}) == 40
        newest = instance.get_latest_materialization_event(rooms.key)
        assert newest is not None
        assert newest.asset_materialization is not None
        assert newest.asset_materialization.partition == records[0].partition_key
        assert instance.get_materialized_partitions(rooms.key) == {*many.get_partition_keys()}
        planned = instance.get_records_for_run(
            result.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
        ).records
        assert len(planned) == 40


def test_checks_that_a_run_plans_are_stored_together_and_read_as_each_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"c{number}" for number in range(9)]
    specs = [dg.AssetCheckSpec(name, asset="rooms") for name in names]

    @dg.asset(check_specs=specs)
    def rooms() -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        yield dg.MaterializeResult()
        yield dg.AssetCheckResult(passed=True, check_name="c0")
        raise RuntimeError

    def planned_and_evaluated(folder: str, settings: str) -> list[tuple[object, ...]]:
        state = tmp_path / folder
        with opened(tmp_path / "home", state, settings) as instance:
            run = dg.materialize([rooms], instance=instance, raise_on_error=False).run_id
            planned = instance.get_records_for_run(
                run, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED
            )
            assert len(planned.records) == len(names)
        with closing(sqlite3.connect(state / "history/runs/index.db")) as index:
            return index.execute(
                "SELECT check_name, execution_status, dagster_event_type, event_logs.asset_key"
                " FROM asset_check_executions"
                " JOIN event_logs ON event_logs.id = evaluation_event_storage_id ORDER BY 1"
            ).fetchall()

    def fail(instance: PooledSqliteEventLogStorage, event: EventLogEntry) -> None:
        if event.dagster_event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED:
            pytest.fail("stored by itself")
        store_event(instance, event)

    store_event = PooledSqliteEventLogStorage.store_event
    monkeypatch.setattr(PooledSqliteEventLogStorage, "store_event", fail)
    assert planned_and_evaluated("pooled", POOLED) == planned_and_evaluated("own", DAGSTERS_OWN)
