"""Retention: old rows of the log and replaced files go, by a clock that is passed in."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from booking_assets.tables.raw import COLLECTIONS, EVENTS
from booking_assets.warehouse.warehouse import Warehouse
from booking_assets_tests.warehouse.slice_loads import (
    collection,
    events,
    instant,
    put,
    slice_load,
)
from booking_assets_tests.warehouse.test_organizations import extend

DAY = timedelta(days=1)
NOW = instant(0) + 500 * DAY


def runs(warehouse: Warehouse) -> list[str]:
    return sorted(warehouse.read(COLLECTIONS)["run_id"])


def test_old_rows_of_the_log_go_and_the_newest_stay(warehouse: Warehouse) -> None:
    put(
        warehouse,
        COLLECTIONS,
        pl.concat(
            [
                *(collection("acme", day, started_at=NOW - day * DAY) for day in (399, 401, 402)),
                *(collection("gone", day, started_at=NOW - day * DAY) for day in (450, 460, 470)),
                collection("failing", 7, started_at=NOW - 410 * DAY, status="failed"),
                collection("failing", 8, started_at=NOW - 420 * DAY, status="failed"),
            ]
        ),
    )
    assert warehouse.prune_collections(NOW, 400 * DAY, 30 * DAY) == 3
    # Two complete ones, for the check that compares them, and the newest attempt.
    assert runs(warehouse) == ["run 399", "run 401", "run 450", "run 460", "run 7"]
    assert warehouse.prune_collections(NOW, 400 * DAY, 30 * DAY) == 0


def test_incremental_runs_that_changed_nothing_go_earlier(
    warehouse: Warehouse, landing: Path
) -> None:
    incremental: dict[str, Any] = {"mode": "incremental"}
    steps: list[tuple[list[int], dict[str, Any]]] = [
        ([1], {}),
        ([1], incremental),
        ([1, 2], incremental),
        ([1, 2], incremental),
    ]
    for number, (rows, mode) in enumerate([*steps, ([1, 2], {}), ([1, 2], {})]):
        kept = events("acme", rows).with_columns(
            collected_at=pl.when(pl.col("event_identifier").str.ends_with("2"))
            .then(pl.lit(instant(2), COLLECTIONS.dtypes["started_at"]))
            .otherwise("collected_at")
        )
        warehouse.store([slice_load(landing, "acme", kept, number, sequence=number, **mode)])
        extend(warehouse)
    assert warehouse.prune_collections(instant(0) + 31 * DAY, 400 * DAY, 30 * DAY) == 2
    assert runs(warehouse) == ["run 0", "run 2", "run 4", "run 5"]


def test_nothing_stored_is_nothing_to_prune(warehouse: Warehouse) -> None:
    assert warehouse.prune_collections(NOW, DAY, DAY) == 0
    assert warehouse.prune_replaced(NOW, DAY) == []


@pytest.mark.parametrize(("age", "left"), [(29, 2), (31, 0)])
def test_replaced_warehouses_go_by_their_age(warehouse: Warehouse, age: int, left: int) -> None:
    folder = warehouse.path.parent
    folder.mkdir()
    stamp = f"{NOW - age * DAY:%Y%m%dT%H%M%SZ}"
    name = warehouse.path.name
    former = [f"{name}.replaced-{stamp}", f"{name}.wal.replaced-{stamp}"]
    others = ["other.replaced-20200101T000000Z", f"{name}.replaced-20200101"]
    for file in (*former, *others):
        (folder / file).write_bytes(b"")
    assert len(warehouse.prune_replaced(NOW, 30 * DAY)) == 2 - left
    assert {path.name for path in folder.iterdir()} == {*others, *former[: left or 0]}


def test_a_replaced_warehouse_is_found_by_the_name_that_rebuild_gives_it(
    warehouse: Warehouse, landing: Path
) -> None:
    load = slice_load(landing, "acme", events("acme", [1]))
    warehouse.store([load])
    former, _ = warehouse.rebuild([load], COLLECTIONS.empty())
    soon = datetime.now(UTC) + timedelta(minutes=1)
    assert warehouse.prune_replaced(soon, DAY) == []
    assert warehouse.prune_replaced(soon + DAY, DAY) == [former]


READS = """
import re, sys
from pathlib import Path
from booking_assets.tables.raw import COLLECTIONS, EVENTS
from booking_assets.warehouse.warehouse import Warehouse
from booking_assets_tests.warehouse.slice_loads import collection, events, slice_load
folder = Path(sys.argv[1])
warehouse = Warehouse(path=folder / "w.duckdb", snapshot=folder / "s.duckdb", memory_limit="192MB")
def peak() -> int:
    return int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024
before = peak()
warehouse.store([slice_load(folder, "acme", events("acme", [1]), 10**6, sequence=10**6)])
assert warehouse.newest_collections().height == 100
assert warehouse.newest_collections("events", 2).height == 199
warehouse.attempts(), warehouse.seats_as_of(), warehouse.events_without_registrations()
warehouse.reconciliation(), warehouse.contract_breaches(COLLECTIONS)
assert warehouse.collections_of_runs(["run 7"]).height == 99
print(peak() - before)
"""


def test_no_query_keeps_the_whole_log_in_memory(warehouse: Warehouse, tmp_path: Path) -> None:
    """400,000 rows, 64 MiB of text: each query aggregates a few columns by organization."""
    path = tmp_path / "w.duckdb"
    few = Warehouse(path=path, snapshot=tmp_path / "s.duckdb", memory_limit="192MB")
    few.log(pl.concat(collection(f"o{number}", 0, sequence=0) for number in range(99)))
    with duckdb.connect(str(path)) as con:
        con.execute(
            """
            INSERT INTO raw.collections BY NAME SELECT collections.* REPLACE (
                'run ' || n AS run_id, n AS sequence, repeat(md5(n::VARCHAR), 5) AS reason,
                started_at + INTERVAL 1 minute * n AS started_at
            ) FROM raw.collections, range(1, 4001) AS numbers(n)
            """
        )
        assert con.execute("SELECT count(*) FROM raw.collections").fetchall() == [(396_099,)]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", READS, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) < 110
    assert few.row_counts(EVENTS) == {"acme": 1}
