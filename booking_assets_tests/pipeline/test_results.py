"""What a run's report says is what `raw.collections` says, and what it does not say fails too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from booking_assets.pipeline.results import RunReport, report_run
from booking_assets.tables.raw import COLLECTIONS
from booking_assets.warehouse.warehouse import Warehouse
from booking_assets_tests.warehouse.slice_loads import collection, put

FAILED = {"status": "failed", "reason": "it broke", "remedy": "Repair it."}


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "w.duckdb", tmp_path / "s.duckdb", memory_limit="192MB")


def logged(warehouse: Warehouse, *rows: dict[str, Any]) -> RunReport:
    """The report of the run `now` over three organizations, of which these rows were logged."""
    put(warehouse, COLLECTIONS, *(collection(row.pop("slug"), 0, **row) for row in rows))
    return report_run(warehouse, ["now"], ["acme", "beta", "gamma"])


def test_every_status_of_the_log_has_its_place_in_the_report(warehouse: Warehouse) -> None:
    report = logged(
        warehouse,
        {"slug": "acme", "run_id": "now"},
        {"slug": "acme", "run_id": "now", "resource": "registrations", "status": "access_denied"},
        {"slug": "beta", "run_id": "now", **FAILED},
        {"slug": "gamma", "run_id": "now", **FAILED, "status": "shrunk"},
    )
    assert [one.organization for one in report.complete] == ["acme"]
    assert [one.organization for one in report.failed] == ["beta", "gamma"]
    assert report.failed_organizations == ("beta", "gamma")
    assert report.unrecorded == {}


def test_one_fault_of_several_organizations_is_one_sentence(warehouse: Warehouse) -> None:
    rows = [{"slug": slug, "run_id": "now", **FAILED} for slug in ("acme", "beta", "gamma")]
    report = logged(warehouse, *rows)
    assert report.explanations == (
        "acme, events; beta, events; gamma, events: it broke. Repair it",
    )


def test_a_note_of_many_organizations_names_the_first_few(warehouse: Warehouse) -> None:
    denied = {"resource": "registrations", "status": "access_denied", "reason": "no permission"}
    rows = [{"slug": f"o{number}", "run_id": "now", **denied} for number in range(9)]
    (note,) = logged(warehouse, *rows).notes
    assert note.startswith("o0, registrations; o1, registrations; ")
    assert "; o5, registrations; 3 more: no permission" in note


def test_an_organization_of_which_nothing_was_logged_has_failed(warehouse: Warehouse) -> None:
    report = logged(
        warehouse, {"slug": "acme", "run_id": "now"}, {"slug": "beta", "run_id": "then"}
    )
    assert sorted(report.unrecorded) == ["beta", "gamma"]
    assert report.failed_organizations == ("beta", "gamma")
    (explanation,) = report.explanations
    assert explanation.startswith("beta; gamma: ")


def test_without_a_warehouse_every_organization_has_failed(warehouse: Warehouse) -> None:
    report = report_run(warehouse, ["now"], ["acme"], {"acme": "the disk is full"})
    assert report.explanations == ("acme: the disk is full",)
