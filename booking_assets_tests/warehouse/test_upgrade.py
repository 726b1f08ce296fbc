"""A warehouse of an earlier release opens after the upgrade, with its rows and history.

`booking_98342d7.duckdb.xz` was made by the commands of commit 98342d7: two refreshes of a sandbox
of three organizations, and a third in which one organization's events were unauthorized and
another's registrations forbidden.
"""

from __future__ import annotations

import lzma
from dataclasses import replace
from pathlib import Path

import duckdb
import polars as pl
import pytest

from booking_assets.tables.catalog import RAW_TABLES
from booking_assets.tables.marts import EVENT_HISTORY, ORGANIZATION_FRESHNESS
from booking_assets.tables.raw import (
    ACHIEVEMENTS,
    COLLECTIONS,
    EVENTS,
    GROUPS,
    NAME_OVERRIDES,
    REGISTRATIONS,
)
from booking_assets.transforms import history
from booking_assets.warehouse.errors import SchemaMismatch, StaleMarts
from booking_assets.warehouse.warehouse import Warehouse
from booking_assets_tests.warehouse.slice_loads import collection

ADDED = (GROUPS, ACHIEVEMENTS, NAME_OVERRIDES)
"""The raw tables that the earlier release did not have."""
SLUGS = ["harbour-trades", "northern-health", "river-college"]


@pytest.fixture
def upgraded(warehouse: Warehouse) -> Warehouse:
    """The warehouse of commit 98342d7."""
    warehouse.path.parent.mkdir()
    file = Path(__file__).with_name("booking_98342d7.duckdb.xz")
    warehouse.path.write_bytes(lzma.decompress(file.read_bytes()))
    return warehouse


def verdicts(warehouse: Warehouse) -> list[tuple[str, str, str]]:
    """The log as the earlier release stored it."""
    with duckdb.connect(str(warehouse.path), read_only=True) as con:
        return con.execute(
            "SELECT organization, resource, verdict FROM raw.collections"
            " WHERE verdict <> 'complete' ORDER BY ALL"
        ).fetchall()


def assert_migrated(log: pl.DataFrame, former: list[tuple[str, str, str]]) -> None:
    assert log.schema == COLLECTIONS.dtypes
    assert log.height == 17
    failures = log.filter(pl.col("status") != "complete").sort("organization", "resource")
    assert failures.select("organization", "resource", "status").rows() == [
        ("harbour-trades", "registrations", "access_denied"),
        ("river-college", "events", "failed"),
    ]
    assert failures["reason"].to_list() == [
        verdict.removeprefix("unknown: ") for _, _, verdict in former
    ]
    complete = log.filter(status="complete")
    for column in ("reason", "remedy", "sequence", "count_lowest", "count_highest"):
        assert complete[column].null_count() == complete.height == 15


def test_the_log_of_an_earlier_release_is_read_without_a_write(upgraded: Warehouse) -> None:
    former, before = verdicts(upgraded), upgraded.path.read_bytes()
    assert_migrated(upgraded.read(COLLECTIONS), former)
    assert upgraded.newest_collections()["organization"].to_list() == SLUGS
    assert upgraded.seats_as_of()["organization"].to_list() == SLUGS[1:]
    assert upgraded.reconciliation()["rows_loaded"].to_list() == [12] * 3
    failing = upgraded.attempts().filter(pl.col("failing_since").is_not_null())
    assert failing.select("organization", "last_status").rows() == [
        ("harbour-trades", "access_denied"),
        ("river-college", "failed"),
    ]
    assert upgraded.path.read_bytes() == before


@pytest.mark.parametrize("key", [("sequence",), ("organization", "reason")])
def test_the_log_of_an_earlier_release_is_read_in_batches(
    upgraded: Warehouse, key: tuple[str, ...]
) -> None:
    whole = upgraded.read(COLLECTIONS, ["run_id", *key])
    batches = replace(upgraded, batch_rows=2).read_batches(key, {COLLECTIONS: whole.columns})
    read = pl.concat(frame for (frame,) in batches)
    assert read.sort(whole.columns).equals(whole.sort(whole.columns))


def test_the_first_write_migrates_the_tables(upgraded: Warehouse) -> None:
    former = verdicts(upgraded)
    rows = {table: upgraded.read(table) for table in RAW_TABLES if table not in ADDED}
    upgraded.log(COLLECTIONS.empty())
    rows |= {table: table.empty() for table in ADDED}
    assert_migrated(upgraded.read(COLLECTIONS), former)
    for table, frame in rows.items():
        assert not upgraded.contract_breaches(table)
        stored = upgraded.read(table)
        assert stored.sort(stored.columns).equals(frame.sort(stored.columns))
    upgraded.log(collection("river-college", 5000, status="failed", reason="x", remedy="y"))
    assert upgraded.read(COLLECTIONS).height == 18


def test_the_history_of_an_earlier_release_is_kept_and_goes_on(upgraded: Warehouse) -> None:
    before = upgraded.read(EVENT_HISTORY)

    def changed(
        last: pl.DataFrame, events: pl.DataFrame, newest: pl.DataFrame
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        as_of = newest.select("organization", as_of="started_at")
        changes = history.changed_versions(last, events, as_of)
        return changes.closed, changes.added

    assert upgraded.extend_history(EVENT_HISTORY, changed) == (0, 0)
    after = upgraded.read(EVENT_HISTORY)
    assert before.height == 45
    assert before.filter(pl.col("valid_to").is_null()).height == upgraded.read(EVENTS).height
    assert after.sort(after.columns).equals(before.sort(after.columns))
    assert not upgraded.contract_breaches(EVENT_HISTORY)


def test_marts_of_an_earlier_release_have_to_be_derived_again(upgraded: Warehouse) -> None:
    with pytest.raises(StaleMarts, match=r"organization_freshness: columns of another release"):
        upgraded.publish()
    with pytest.raises(SchemaMismatch, match="Derive the marts again"):
        upgraded.read(ORGANIZATION_FRESHNESS)


def test_a_warehouse_of_an_earlier_release_is_published_for_older_readers(
    upgraded: Warehouse,
) -> None:
    published = upgraded.publish(RAW_TABLES)
    assert published.rows["raw.registrations"] == upgraded.read(REGISTRATIONS).height
    with duckdb.connect(str(published.version), read_only=True) as con:
        ((storage,),) = con.execute(
            "SELECT tags['storage_version'] FROM duckdb_databases() WHERE NOT internal"
        ).fetchall()
    assert storage == "v1.2.0+"
