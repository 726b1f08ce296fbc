"""Order is by sequence, not by a clock: overtaken collections, clocks that jump, the newest row."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from booking_assets.tables.raw import COLLECTIONS, EVENT_COUNTS, EVENTS, REJECTED_ROWS
from booking_assets.warehouse.loads import SliceLoad
from booking_assets.warehouse.warehouse import Warehouse
from booking_assets_tests.warehouse.slice_loads import (
    collection,
    event_count,
    events,
    instant,
    keys,
    slice_load,
)


def load(
    landing: Path, rows: list[int], run: int, sequence: int | None, started: int | None = None
) -> SliceLoad:
    """A load of `acme` with this ticket; `started` is the round that its clock showed."""
    started = run if started is None else started
    made = slice_load(landing, "acme", events("acme", rows, started), run, sequence=sequence)
    row = made.collection.with_columns(
        started_at=pl.lit(instant(started), dtype=COLLECTIONS.dtypes["started_at"])
    )
    return dataclasses.replace(made, collection=row)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param((2, 1), (1, 0), id="the run that started first ends last"),
        pytest.param((2, 0), (1, 9), id="the older run's clock was ahead"),
        pytest.param((1, 0), (None, 9), id="a landing of an earlier release"),
        pytest.param((None, 1), (None, 0), id="both of an earlier release"),
    ],
)
def test_an_overtaken_load_changes_no_row_and_is_logged(
    warehouse: Warehouse,
    landing: Path,
    first: tuple[int | None, int],
    second: tuple[int | None, int],
) -> None:
    warehouse.store([load(landing, [1, 2, 3], 1, *first)])
    before = warehouse.read(EVENTS)
    stored = warehouse.store([load(landing, [1], 2, *second)])
    assert stored == {}
    assert warehouse.read(EVENTS).equals(before)
    assert warehouse.read(EVENT_COUNTS)["event_count"].to_list() == [3]
    (row,) = warehouse.collections_of_runs(["run 2"]).rows(named=True)
    assert row["status"] == "overtaken"
    assert "run 1" in row["reason"]
    assert warehouse.newest_collections()["run_id"].to_list() == ["run 1"]
    assert warehouse.reconciliation()["stored_loaded"].to_list() == [3]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param((1, 30 * 24), (2, 0), id="a clock that was ahead by 30 days is corrected"),
        pytest.param((1, 0), (2, 0), id="a clock that stood still"),
        pytest.param((None, 30 * 24), (1, 0), id="the first with a ticket"),
    ],
)
def test_a_later_ticket_replaces_the_rows_with_any_clock(
    warehouse: Warehouse,
    landing: Path,
    first: tuple[int | None, int],
    second: tuple[int | None, int],
) -> None:
    warehouse.store([load(landing, [1, 2, 3], 1, *first)])
    assert warehouse.store([load(landing, [4], 2, *second)]) == {("acme", "events"): 3}
    assert keys(warehouse, "acme") == {4}
    assert warehouse.newest_collections()["run_id"].to_list() == ["run 2"]
    assert warehouse.reconciliation()["rows_loaded"].to_list() == [1]


def test_one_overtaken_load_stops_no_other_of_its_batch(
    warehouse: Warehouse, landing: Path
) -> None:
    warehouse.store([load(landing, [1, 2], 1, 2)])
    other = slice_load(landing, "globex", events("globex", [1]), 2, sequence=1)
    assert warehouse.store([load(landing, [3], 2, 1), other]) == {("globex", "events"): 0}
    assert warehouse.row_counts(EVENTS) == {"acme": 2, "globex": 1}


def test_an_order_is_of_a_resource(warehouse: Warehouse, landing: Path) -> None:
    warehouse.store([load(landing, [1], 1, 5)])
    made = load(landing, [], 2, 3)
    seats = dataclasses.replace(
        made,
        slices={REJECTED_ROWS: ()},
        rows={REJECTED_ROWS: 0},
        event_count=None,
        collection=made.collection.with_columns(resource=pl.lit("registrations")),
    )
    assert warehouse.store([seats]) == {("acme", "registrations"): 0}


def test_a_failure_of_an_older_run_leaves_the_newer_count(
    warehouse: Warehouse, landing: Path
) -> None:
    warehouse.store([load(landing, [1, 2], 1, 2)])
    older = collection("acme", 2, status="failed", sequence=1)
    warehouse.log(older, event_count("acme", 2, 99))
    assert warehouse.read(EVENT_COUNTS)["event_count"].to_list() == [2]
    newer = collection("acme", 3, status="failed", sequence=3)
    warehouse.log(newer, event_count("acme", 3, 7))
    assert warehouse.read(EVENT_COUNTS)["event_count"].to_list() == [7]


def test_the_newest_attempt_is_found_by_sequence_without_overtaken_ones(
    warehouse: Warehouse,
) -> None:
    back = timedelta(days=30)
    rows = [
        collection("acme", 1, sequence=1),
        collection(
            "acme", 2, sequence=2, status="failed", reason="a", started_at=instant(2) - back
        ),
        collection(
            "acme", 3, sequence=3, status="shrunk", reason="b", started_at=instant(3) - back
        ),
        collection("acme", 4, sequence=0, status="overtaken"),
        collection("globex", 5, sequence=1, status="failed"),
        collection("globex", 6, sequence=2),
    ]
    for row in rows:
        warehouse.log(row)
    found = warehouse.attempts().drop("resource", "remedy")
    assert found.rows() == [
        ("acme", instant(1), instant(3) - back, "shrunk", "b", instant(2) - back),
        ("globex", instant(6), instant(6), "complete", None, None),
    ]


def test_registrations_that_may_not_be_read_any_more_have_no_instant(
    warehouse: Warehouse,
) -> None:
    def log(organization: str, sequence: int, status: str, round_: int) -> None:
        values: dict[str, Any] = {"resource": "registrations", "status": status}
        warehouse.log(collection(organization, round_, sequence=sequence, **values))

    for organization, statuses in {
        "acme": ("complete", "failed"),
        "denied": ("complete", "access_denied", "failed"),
        "allowed": ("access_denied", "complete"),
        "never": ("failed",),
    }.items():
        for number, status in enumerate(statuses):
            # The clock runs backwards.
            log(organization, number, status, -number)
    assert warehouse.seats_as_of().rows() == [("acme", instant(0)), ("allowed", instant(-1))]


def test_the_two_newest_collections_come_newest_first(warehouse: Warehouse) -> None:
    for sequence, round_ in ((1, 3), (2, 2), (3, 1)):
        warehouse.log(collection("acme", round_, sequence=sequence))
    assert warehouse.newest_collections(count=2)["sequence"].to_list() == [3, 2]
