"""`Warehouse.publish`: one whole, consistent file, replaced atomically."""

from __future__ import annotations

import dataclasses
import errno
import subprocess
import sys
from pathlib import Path
from random import Random

import duckdb
import polars as pl
import pytest

from booking_assets.tables.capacity import CAPACITY_UTILIZATION
from booking_assets.tables.contract import Table
from booking_assets.tables.marts import DISTRIBUTION_STATUS
from booking_assets.tables.raw import COLLECTIONS, EVENTS, REJECTED_ROWS
from booking_assets.warehouse.errors import SnapshotFailed, StaleMarts
from booking_assets.warehouse.publication import point
from booking_assets.warehouse.published import open_published
from booking_assets.warehouse.warehouse import Warehouse
from booking_assets_tests.warehouse.slice_loads import (
    collection,
    events,
    frame,
    instant,
    land,
    put,
    rejected,
    slice_load,
)


def mart(organization: str, round_: int, count: int = 1) -> pl.DataFrame:
    """One row of `marts.capacity_utilization`, derived from the collection of this round."""
    zeros = {
        name: 0
        for name in CAPACITY_UTILIZATION.required
        if CAPACITY_UTILIZATION.dtypes[name] == pl.Int64
    }
    row = zeros | {"organization": organization, "events": count, "as_of": instant(round_)}
    return frame(CAPACITY_UTILIZATION, [row])


def refreshed(warehouse: Warehouse, landing: Path, round_: int = 0) -> None:
    """Collect two organizations and derive a mart of them."""
    names = ("acme", "globex")
    warehouse.store([slice_load(landing, n, events(n, [1, 2], round_), round_) for n in names])
    put(warehouse, CAPACITY_UTILIZATION, pl.concat([mart(n, round_, 2) for n in names]))


def versions(warehouse: Warehouse) -> list[str]:
    return sorted(path.name for path in Path(f"{warehouse.snapshot}.d").iterdir())


def test_a_snapshot_holds_every_stored_table_with_rows_types_and_comments(
    warehouse: Warehouse, landing: Path
) -> None:
    refreshed(warehouse, landing)
    published = warehouse.publish()
    assert published.path.is_symlink()
    assert not published.path.readlink().is_absolute()
    assert published.path.resolve() == published.version.resolve()
    assert published.bytes == published.version.stat().st_size
    assert published.rows == {
        "raw.event_counts": 2,
        "raw.events": 4,
        "raw.rejected_rows": 0,
        "raw.collections": 2,
        "raw.registrations": 0,
        "raw.groups": 0,
        "raw.achievements": 0,
        "raw.name_overrides": 0,
        "marts.capacity_utilization": 2,
    }
    copy = Warehouse(path=published.version, snapshot=warehouse.snapshot, memory_limit="192MB")
    for table in (EVENTS, COLLECTIONS, CAPACITY_UTILIZATION):
        assert not copy.contract_breaches(table)
        assert copy.read(table).sort(table.grain).equals(warehouse.read(table).sort(table.grain))
    with duckdb.connect(str(published.version), read_only=True) as con:
        comments = con.execute(
            "SELECT table_name, comment FROM duckdb_tables() UNION ALL"
            " SELECT table_name || '.' || column_name, comment FROM duckdb_columns()"
            " WHERE NOT internal"
        ).fetchall()
    assert all(comment for _, comment in comments)
    assert dict(comments)["events.capacity_maximum"] == EVENTS.meanings["capacity_maximum"]


def test_a_snapshot_is_written_for_older_readers_too(warehouse: Warehouse, landing: Path) -> None:
    refreshed(warehouse, landing)
    published = warehouse.publish()
    with duckdb.connect(str(published.version), read_only=True) as con:
        tags = con.execute(
            "SELECT tags['storage_version'] FROM duckdb_databases() WHERE NOT internal"
        ).fetchall()
    assert [tag for (tag,) in tags if "1.2" in tag]


def test_only_some_versions_are_kept_and_nothing_half_written(
    warehouse: Warehouse, landing: Path
) -> None:
    refreshed(warehouse, landing)
    folder = Path(f"{warehouse.snapshot}.d")
    folder.mkdir()
    for leftover in ("x.duckdb.partial", "x.duckdb.partial.wal"):
        (folder / leftover).write_bytes(b"left by a kill")
    published = [warehouse.publish([COLLECTIONS]).version.parent.name for _ in range(5)]
    assert versions(warehouse) == sorted(published[-3:])
    assert warehouse.snapshot.resolve().parent.name == published[-1]


def test_a_reader_of_an_old_version_keeps_it(warehouse: Warehouse, landing: Path) -> None:
    refreshed(warehouse, landing)
    old = warehouse.publish().version
    with duckdb.connect(str(old), read_only=True) as con:
        for _ in range(4):
            warehouse.publish([COLLECTIONS])
        assert not old.exists()
        assert con.execute("SELECT count(*) FROM raw.events").fetchall() == [(4,)]


def test_publishing_leaves_the_warehouse_as_it_is(warehouse: Warehouse, landing: Path) -> None:
    refreshed(warehouse, landing)
    before = warehouse.path.read_bytes()
    warehouse.publish()
    assert warehouse.path.read_bytes() == before


@pytest.mark.parametrize("rows", [[1, 2, 3], []], ids=["changed", "emptied"])
def test_marts_older_than_their_raw_tables_are_not_published(
    warehouse: Warehouse, landing: Path, rows: list[int]
) -> None:
    refreshed(warehouse, landing)
    first = warehouse.publish()
    warehouse.store([slice_load(landing, "acme", events("acme", rows, 1), 1)])
    with pytest.raises(StaleMarts, match=r"marts\.capacity_utilization: acme\)"):
        warehouse.publish()
    assert warehouse.snapshot.resolve() == first.version.resolve()
    assert versions(warehouse) == [first.version.parent.name]


def test_an_organization_that_is_in_no_mart_is_not_published(
    warehouse: Warehouse, landing: Path
) -> None:
    refreshed(warehouse, landing)
    warehouse.store([slice_load(landing, "initech", events("initech", [1]))])
    with pytest.raises(StaleMarts, match=r"raw\.events: initech"):
        warehouse.publish()


def test_changes_without_effect_on_marts_do_not_prevent_publishing(
    warehouse: Warehouse, landing: Path
) -> None:
    """A refused collection, an organization without events, and a mart without rows."""
    refreshed(warehouse, landing)
    warehouse.log(collection("acme", 1, status="failed"))
    warehouse.store([slice_load(landing, "initech", events("initech", []), 1)])
    put(warehouse, DISTRIBUTION_STATUS, DISTRIBUTION_STATUS.empty())
    assert warehouse.publish().rows["raw.collections"] == 4


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_path_that_was_not_published_here_is_not_replaced(
    warehouse: Warehouse, landing: Path, kind: str
) -> None:
    refreshed(warehouse, landing)
    if kind == "file":
        warehouse.snapshot.write_bytes(b"not ours")
    else:
        warehouse.snapshot.mkdir()
    with pytest.raises(SnapshotFailed, match="BOOKING_SNAPSHOT"):
        warehouse.publish()
    assert warehouse.snapshot.is_dir() or warehouse.snapshot.read_bytes() == b"not ours"


def test_without_symlinks_the_snapshot_is_a_copy(
    warehouse: Warehouse, landing: Path, caplog: pytest.LogCaptureFixture
) -> None:
    refreshed(warehouse, landing)

    def refuse(target: str, link: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    version = warehouse.publish().version
    point(warehouse.snapshot, version, link=refuse)
    assert not warehouse.snapshot.is_symlink()
    assert warehouse.snapshot.read_bytes() == version.read_bytes()
    assert "No symlinks can be made" in caplog.text
    assert warehouse.publish().path.is_symlink()


READER = """
import os, sys, duckdb
print("ready", flush=True)
opened, seen = 0, set()
while not os.path.exists(sys.argv[2]):
    with duckdb.connect(os.path.realpath(sys.argv[1]), read_only=True) as con:
        raw = con.execute("SELECT organization, max(started_at) FROM raw.collections"
                          " GROUP BY ALL ORDER BY ALL").fetchall()
        mart = con.execute("SELECT organization, as_of FROM marts.capacity_utilization"
                           " ORDER BY ALL").fetchall()
    assert raw == mart, (raw, mart)
    seen.add(str(raw))
    opened += 1
print(opened, len(seen))
"""


@pytest.mark.slow
def test_readers_are_undisturbed_while_versions_are_published(
    warehouse: Warehouse, landing: Path, tmp_path: Path
) -> None:
    refreshed(warehouse, landing)
    warehouse.publish()
    done = tmp_path / "done"
    command = [sys.executable, "-c", READER, str(warehouse.snapshot), str(done)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        for round_ in range(1, 4):
            refreshed(warehouse, landing, round_)
            warehouse.publish()
        done.touch()
        output, errors = reader.communicate()
    assert (reader.returncode, errors) == (0, "")
    opened, seen = map(int, output.split())
    assert opened >= seen > 1


def test_a_table_may_be_published_alone(warehouse: Warehouse, landing: Path) -> None:
    refreshed(warehouse, landing)
    only: list[Table] = [EVENTS]
    assert warehouse.publish(only).rows == {"raw.events": 4}


def test_rejected_rows_of_a_hidden_resource_are_stored_and_not_published(
    warehouse: Warehouse, landing: Path
) -> None:
    refreshed(warehouse, landing)
    for name in ("acme", "globex"):
        for resource in ("registrations", "groups"):
            rows = land(landing, rejected(name, 2, resource))
            load = dataclasses.replace(
                slice_load(landing, name, events(name, [])),
                slices={REJECTED_ROWS: rows},
                rows={REJECTED_ROWS: 2},
                event_count=None,
                collection=collection(name, resource=resource),
            )
            warehouse.store([load])
    stored = warehouse.read(REJECTED_ROWS)
    published = warehouse.publish(hidden={("acme", "registrations")})
    assert warehouse.read(REJECTED_ROWS).height == stored.height == 8
    with duckdb.connect(str(published.version), read_only=True) as con:
        found = con.execute("SELECT organization, resource FROM raw.rejected_rows").fetchall()
        log = con.execute("SELECT count(*) FROM raw.collections").fetchall()
    assert sorted({*found}) == [
        ("acme", "groups"),
        *[("globex", r) for r in ("groups", "registrations")],
    ]
    assert (len(found), log) == (6, [(6,)])


def test_a_published_file_opens_as_the_catalog_booking(warehouse: Warehouse, landing: Path) -> None:
    refreshed(warehouse, landing)
    published = warehouse.publish()
    for path in (published.path, published.path.resolve()):
        with duckdb.connect(str(path), read_only=True) as con:
            assert con.execute("SELECT current_database()").fetchall() == [("booking",)]


@pytest.mark.parametrize(("name", "warned"), [("booking.duckdb", False), ("data.duckdb", True)])
def test_a_link_with_another_name_is_warned_of(
    warehouse: Warehouse, landing: Path, caplog: pytest.LogCaptureFixture, name: str, warned: bool
) -> None:
    refreshed(warehouse, landing)
    elsewhere = landing / name
    dataclasses.replace(warehouse, snapshot=elsewhere).publish()
    assert ("is not named booking.*" in caplog.text) is warned


@pytest.mark.parametrize("temporary_rows", [0, 300_000])
def test_memory_of_reading_is_released_and_rows_can_be_read_again(
    warehouse: Warehouse, landing: Path, temporary_rows: int
) -> None:
    titles = pl.Series([Random(key).randbytes(1_000).hex() for key in range(2_000)])
    rows = events("acme", range(2_000)).with_columns(event_title=titles)
    warehouse.store([slice_load(landing, "acme", rows)])
    published = warehouse.publish()
    with open_published(published.path, memory_limit="64MB", threads=1) as view:
        view.con.execute(f"CREATE TEMP TABLE kept AS FROM range({temporary_rows})")
        before = view.read(EVENTS, EVENTS.column_names).sort("event_identifier")
        cached = "SELECT sum(memory_usage_bytes) FROM duckdb_memory() WHERE tag = 'BASE_TABLE'"
        limit = "SELECT current_setting('memory_limit')"
        assert view.con.sql(cached).fetchall()[0][0] > 1_000_000
        for _ in range(2):
            view.release_memory()
            assert view.con.sql(cached).fetchall()[0][0] <= 1_000_000
            assert view.con.sql(limit).fetchall() == [("61.0 MiB",)]
        after = view.read(EVENTS, EVENTS.column_names).sort("event_identifier")
    assert after.equals(before)


def test_versions_of_an_earlier_release_are_replaced(warehouse: Warehouse, landing: Path) -> None:
    refreshed(warehouse, landing)
    folder = Path(f"{warehouse.snapshot}.d")
    folder.mkdir(mode=0o755)
    former = [folder / f"2026010{day}T000000000000Z-abcd.duckdb" for day in (1, 2, 3)]
    for file in former:
        file.write_bytes(b"former")
    point(warehouse.snapshot, former[-1])
    published = [warehouse.publish().version for _ in range(3)]
    assert warehouse.snapshot.resolve() == published[-1].resolve()
    assert versions(warehouse) == [version.parent.name for version in published]


def test_the_order_of_versions_needs_no_clock(warehouse: Warehouse, landing: Path) -> None:
    refreshed(warehouse, landing)
    folder = Path(f"{warehouse.snapshot}.d")
    ahead = folder / "000007-29990101T000000Z"
    ahead.mkdir(parents=True)
    published = [warehouse.publish().version.parent.name for _ in range(3)]
    assert [name.partition("-")[0] for name in published] == ["000008", "000009", "000010"]
    assert versions(warehouse) == published
