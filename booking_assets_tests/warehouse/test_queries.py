"""Queries for checks and marts: foreign rows, reconciliation, the newest collections."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

import duckdb

from booking_assets.tables.raw import COLLECTIONS, EVENTS
from booking_assets.warehouse.warehouse import Warehouse
from booking_assets_tests.commands import SECONDS
from booking_assets_tests.warehouse.slice_loads import (
    collection,
    events,
    instant,
    rejected,
    slice_load,
    tenant,
)


def test_foreign_rows_are_counted_by_organization(warehouse: Warehouse, landing: Path) -> None:
    warehouse.store([slice_load(landing, n, events(n, [1, 2])) for n in ("acme", "globex")])
    assert warehouse.foreign_rows() == {}
    with duckdb.connect(str(warehouse.path)) as con:
        con.execute(
            "UPDATE raw.events SET organization_identifier = ? WHERE organization = 'acme'",
            [tenant("globex")],
        )
    assert warehouse.foreign_rows() == {"acme": 2}


def test_reads_in_a_session_are_consistent_and_a_writer_waits(
    warehouse: Warehouse, landing: Path
) -> None:
    warehouse.store([slice_load(landing, "acme", events("acme", [1, 2]))])
    newer = slice_load(landing, "acme", events("acme", [1, 2, 3], 1), 1)
    storing = Thread(target=lambda: warehouse.store([newer]))
    with warehouse.session() as session:
        as_of = session.newest_collections()["started_at"]
        storing.start()
        storing.join(timeout=0.2)
        assert storing.is_alive()
        assert session.row_counts(EVENTS) == {"acme": 2}
        assert session.read(EVENTS)["collected_at"].unique().equals(as_of)
    storing.join(timeout=SECONDS)
    assert warehouse.row_counts(EVENTS) == {"acme": 3}


def test_unknown_members_are_listed_by_organization(warehouse: Warehouse, landing: Path) -> None:
    extra = {"acme": '{"Colour": "red"}', "globex": None}
    warehouse.store(
        [slice_load(landing, name, events(name, [1, 2], extra=own)) for name, own in extra.items()]
    )
    assert warehouse.unknown_members() == {"acme": ["Colour"]}


def test_reconciliation_compares_stored_rows_with_the_log(
    warehouse: Warehouse, landing: Path
) -> None:
    warehouse.store(
        [
            slice_load(landing, "acme", events("acme", [1, 2]), unfit=rejected("acme", 1)),
            slice_load(landing, "globex", events("globex", [])),
        ]
    )
    warehouse.log(collection("acme", 1, rows=9, status="failed"))
    with duckdb.connect(str(warehouse.path)) as con:
        con.execute("UPDATE raw.events SET organization = 'stray' WHERE event_title = 'round 0'")
    found = warehouse.reconciliation().select(
        "organization", "stored_loaded", "stored_rejected", "rows_loaded", "rows_rejected"
    )
    assert found.rows() == [
        ("acme", 0, 1, 2, 1),
        ("globex", 0, 0, 0, 0),
        ("stray", 2, 0, None, None),
    ]


def test_the_newest_complete_collection_of_each_organization_is_found(
    warehouse: Warehouse,
) -> None:
    for round_, status in ((2, "complete"), (0, "complete"), (3, "failed")):
        warehouse.log(collection("acme", round_, status=status))
    warehouse.log(collection("acme", 4, resource="registrations"))
    warehouse.log(collection("globex", 5, status="failed"))
    newest = warehouse.newest_collections()
    assert newest.schema == COLLECTIONS.dtypes
    assert newest.select("organization", "started_at").rows() == [("acme", instant(2))]
    assert warehouse.newest_collections("registrations")["run_id"].to_list() == ["run 4"]


FAILURES = ("failed", "shrunk")


def failing_before(warehouse: Warehouse, *runs: str) -> list[tuple[object, ...]]:
    columns = ("organization", "resource", "failing_since", "failed_at", "run_id")
    return warehouse.failing_before(runs, FAILURES).select(columns).rows()


def test_what_failed_before_a_run_is_known_with_its_beginning(warehouse: Warehouse) -> None:
    histories = {
        "broken": ["complete", "failed", "shrunk", "failed", "failed"],
        "mended": ["failed", "complete", "access_denied", "complete", "failed"],
        "never": ["failed", "failed", "failed", "failed", "complete"],
        "absent": ["failed", "failed"],
        "well": ["complete"] * 5,
    }
    for organization, statuses in histories.items():
        for round_, status in enumerate(statuses):
            warehouse.log(collection(organization, round_, status=status))
    assert failing_before(warehouse, "run 4") == [
        ("broken", "events", instant(1), instant(3), "run 3"),
        ("never", "events", instant(0), instant(3), "run 3"),
    ]
    assert failing_before(warehouse, "run 0") == failing_before(warehouse, "none") == []


def test_what_failed_before_goes_by_ticket_and_not_by_a_clock(warehouse: Warehouse) -> None:
    for sequence, (round_, status) in enumerate([(9, "complete"), (1, "failed"), (2, "failed")]):
        warehouse.log(collection("acme", round_, status=status, sequence=sequence))
    assert failing_before(warehouse, "run 2") == [
        ("acme", "events", instant(1), instant(1), "run 1")
    ]


def test_an_overtaken_collection_is_neither_a_failure_nor_a_success(warehouse: Warehouse) -> None:
    for round_, status in enumerate(["failed", "overtaken", "complete"]):
        warehouse.log(collection("acme", round_, status=status))
    assert failing_before(warehouse, "run 2") == [
        ("acme", "events", instant(0), instant(0), "run 0")
    ]
    assert failing_before(warehouse, "run 1") == []


def test_resources_and_several_runs_are_looked_at_apart(warehouse: Warehouse) -> None:
    for round_ in range(3):
        for resource, status in {"events": "complete", "registrations": "failed"}.items():
            warehouse.log(collection("acme", round_, resource=resource, status=status))
    assert failing_before(warehouse, "run 1", "run 2") == [
        ("acme", "registrations", instant(0), instant(0), "run 0")
    ]
