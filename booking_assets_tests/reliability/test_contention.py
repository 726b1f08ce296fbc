"""Somebody holds the warehouse, or the disk is full: said clearly, in bounded time, nothing lost.

A full disk is a limit on the size of files here, which any user may set: a write fails in the
middle, as it does on a full disk, with another number of the error.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest

from booking_assets.collect.landing import whole_landings
from booking_assets.sandbox.world import World
from booking_assets.warehouse.errors import WarehouseBusy
from booking_assets_tests.reliability.installation import (
    Install,
    Installation,
    held,
    still_world,
)

OLD, NEW = still_world(30, organizations=3), still_world(40, organizations=3)
SLUGS = [tenant.slug for tenant in NEW.tenants]
IMPATIENT = "[warehouse]\nbusy_timeout_seconds = 0.3"
FULL = "File too large"
FOREIGN = """
import sys, duckdb
con = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "reader")
print("ready", flush=True)
sys.stdin.read()
"""


@contextmanager
def foreign(warehouse: Path, kind: str) -> Iterator[int]:
    """Another program that has the warehouse open; its process number."""
    command = [sys.executable, "-c", FOREIGN, str(warehouse), kind]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process.pid
        process.kill()


def assert_stored(site: Installation, world: World) -> None:
    for slug in SLUGS:
        assert site.stored(slug).equals(held(world, slug))
    assert site.breaches() == []


def test_what_was_collected_while_somebody_read_the_warehouse_is_landed_and_stored_next(
    install: Install,
) -> None:
    install(OLD).collect()
    site = install(NEW, sections=IMPATIENT)
    with foreign(site.settings.warehouse_path, "reader") as holder:
        report = site.report()
    assert report.results == ()
    assert sorted(report.unrecorded) == sorted(site.slugs)
    for part in (f"python (pid {holder})", "still after", str(site.settings.snapshot_path)):
        assert all(part in fault for fault in report.unrecorded.values())
    for slug in site.slugs:
        newest = whole_landings(site.settings.landing_path)[-len(SLUGS) :]
        (landing,) = [one for one in newest if one.organization == slug]
        assert pl.read_parquet(list(landing.rows)).height == held(NEW, slug).height
    assert_stored(site, OLD)
    assert all(one.is_complete for one in site.collect().values())
    assert_stored(site, NEW)
    assert site.half_written() == []


def test_a_warehouse_that_somebody_writes_is_waited_for_in_bounded_time(
    install: Install,
) -> None:
    install(OLD).collect()
    site = install(NEW, sections=IMPATIENT)
    with (
        foreign(site.settings.warehouse_path, "writer") as holder,
        pytest.raises(WarehouseBusy, match=rf"python \(pid {holder}\)"),
    ):
        site.collect()
    assert_stored(site, OLD)
    site.collect()
    assert_stored(site, NEW)


@pytest.mark.parametrize(
    ("largest_file", "remedy"),
    [(2_000, "free space there"), (50_000, "make room on the disk")],
    ids=["while rows are staged", "while slices are stored"],
)
def test_a_disk_that_fills_up_is_named_and_the_old_slices_stay(
    install: Install, largest_file: int, remedy: str
) -> None:
    """A landing here takes less than 40,000 bytes, storing three of them takes twice that."""
    install(OLD).collect()
    site = install(NEW)
    ended = site.ran("--only", "collect", "--largest-file", str(largest_file))
    refused = json.loads(ended.stdout)
    assert refused
    for reason in refused.values():
        assert FULL in reason
        assert str(site.settings.warehouse_path.parent) in reason
        assert remedy in reason
    for slug in SLUGS:
        assert site.stored(slug).equals(held(OLD if slug in refused else NEW, slug))
    assert site.breaches() == []

    site.collect()
    assert_stored(site, NEW)
    assert site.half_written() == []


def test_a_disk_that_fills_up_while_publishing_leaves_the_last_snapshot(install: Install) -> None:
    install(OLD).collect()
    site = install(OLD)
    site.publish()
    before = site.settings.snapshot_path.resolve()
    site.collect()

    ended = site.ran("--only", "publish", "--largest-file", "50000")
    assert ended.returncode == 1
    assert FULL in ended.stderr
    assert "the last one stays. Make room on the disk" in ended.stderr
    assert site.settings.snapshot_path.resolve() == before
    assert site.half_written() == []
    assert site.snapshot("SELECT count(*) > 0 AS whole FROM raw.events") == [{"whole": True}]

    site.publish()
    assert site.settings.snapshot_path.resolve() != before
