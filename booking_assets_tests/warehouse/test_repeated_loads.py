"""Loads that repeat what is stored: no row is written, and the collection counts all the same."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from booking_assets.tables.raw import COLLECTIONS, EVENT_COUNTS, EVENTS
from booking_assets.warehouse.loads import SliceLoad
from booking_assets.warehouse.warehouse import Warehouse
from booking_assets_tests.warehouse.slice_loads import (
    events,
    instant,
    keys,
    slice_load,
    titles,
)


def repeating(
    landing: Path, round_: int, *, of: int = 0, collected_at: datetime | None = None
) -> SliceLoad:
    """A load of two events that says that it repeats a round, though its files have other titles:
    so that what is written shows."""
    load = slice_load(landing, "acme", events("acme", [1, 2], round_), round_)
    return dataclasses.replace(load, repeats=f"run {of}", collected_at=collected_at)


def collected(warehouse: Warehouse) -> set[datetime]:
    return set(warehouse.read(EVENTS, ["collected_at"])["collected_at"])


@pytest.fixture
def stored(warehouse: Warehouse, landing: Path) -> Warehouse:
    """A warehouse with round 0 of two organizations."""
    loads = [slice_load(landing, name, events(name, [1, 2])) for name in ("acme", "globex")]
    warehouse.store(loads)
    return warehouse


def test_rows_that_are_stored_are_not_written_again_but_logged_and_counted(
    stored: Warehouse, landing: Path
) -> None:
    assert stored.store([repeating(landing, 1)]) == {("acme", "events"): 0}
    assert titles(stored, "acme") == ["round 0"]
    assert collected(stored) == {instant(0)}
    log = stored.read(COLLECTIONS).sort("started_at")
    assert log["run_id"].to_list()[-1] == "run 1"
    counted = stored.read(EVENT_COUNTS)
    assert dict(counted.select("organization", "counted_at").iter_rows()) == {
        "acme": instant(1),
        "globex": instant(0),
    }


def test_each_collection_in_a_row_repeats_the_one_before_it(
    stored: Warehouse, landing: Path
) -> None:
    stored.store([repeating(landing, 1)])
    stored.store([repeating(landing, 2, of=1)])
    assert titles(stored, "acme") == ["round 0"]


def test_rows_that_are_read_in_full_are_of_the_new_collection(
    stored: Warehouse, landing: Path
) -> None:
    stored.store([repeating(landing, 1, collected_at=instant(1))])
    assert titles(stored, "acme") == ["round 0"]
    rows = stored.read(EVENTS, ["organization", "collected_at"])
    assert set(rows.iter_rows()) == {("acme", instant(1)), ("globex", instant(0))}


def test_rows_of_another_collection_than_the_stored_one_are_written(
    stored: Warehouse, landing: Path
) -> None:
    stored.store([slice_load(landing, "acme", events("acme", [3], 1), 1)])
    assert stored.store([repeating(landing, 2)]) == {("acme", "events"): 1}
    assert keys(stored, "acme") == {1, 2}
    assert titles(stored, "acme") == ["round 2"]


def test_a_first_load_is_written_whatever_it_repeats(warehouse: Warehouse, landing: Path) -> None:
    warehouse.store([repeating(landing, 1, collected_at=instant(1))])
    assert titles(warehouse, "acme") == ["round 1"]
    assert collected(warehouse) == {instant(1)}


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM raw.events WHERE organization = 'acme' AND event_identifier"
        " = '00000000-0000-0000-0000-000000000001'",
        "UPDATE raw.events SET organization_identifier = uuid() WHERE organization = 'acme'",
    ],
    ids=["a row is lost", "rows are another organization's"],
)
def test_a_damaged_slice_is_written_again(stored: Warehouse, landing: Path, damage: str) -> None:
    with duckdb.connect(stored.path) as con:
        con.execute(damage)
    stored.store([repeating(landing, 1)])
    assert titles(stored, "acme") == ["round 1"]
    assert keys(stored, "acme") == {1, 2}
    assert titles(stored, "globex") == ["round 0"]
