"""Distribution by worked cases: every branch of every rule, and the counts by state."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

from booking_assets.tables.marts import DISTRIBUTION_BY_EVENT, DISTRIBUTION_STATUS
from booking_assets.transforms.distribution import distribution_by_event, distribution_status
from booking_assets_tests.transforms.rows import (
    ACME,
    AS_OF,
    BOLT,
    DAY,
    FUTURE,
    INSTANT,
    PAST,
    VENUE,
    Row,
    as_of_frame,
    events_frame,
    identifier,
)

PAPER = {"event_type": "Exam", "event_format": "Paper"}
CANCELLED = {"event_scheduling_status": "cancelled"}
WITHHELD = {"integration_withhold_distribution": True}
ORDERED = {"distribution_ordered": PAST}
SHIPPED = {"distribution_shipped": PAST}
RECEIVED = {"exam_material_return_shipment_received": PAST}
PARTIAL = {"exam_material_return_shipment_condition": " PARTIAL "}


def by_event(*events: Row) -> pl.DataFrame:
    return distribution_by_event(events_frame(*events), as_of_frame())


def only(column: str, event: Row) -> Any:
    """What the only event, a paper exam unless it says otherwise, has in a column."""
    return by_event(PAPER | event)[column].item()


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(PAPER, id="a paper exam"),
        pytest.param({"event_type": "EXAM ", "event_format": " paper"}, id="in any case"),
        *(
            pytest.param({"event_type": "Class", member: value}, id=member)
            for member, value in {
                "distribution_code": "4711",
                "distribution_errors": "",
                "distribution_expected": PAST,
                "distribution_ordered": PAST,
                "distribution_process": "Standard",
                "distribution_shipped": PAST,
                "distribution_status": "Error",
                "distribution_tracked": PAST,
                "exam_material_return_shipment_code": "4711",
                "exam_material_return_shipment_condition": "Full",
                "exam_material_return_shipment_received": PAST,
            }.items()
        ),
    ],
)
def test_a_paper_exam_or_any_trace_is_in_scope(event: Row) -> None:
    assert by_event({}, event)["event_identifier"].to_list() == [identifier(1)]


@pytest.mark.parametrize(
    "event",
    [
        pytest.param({}, id="nothing known"),
        pytest.param({"event_type": "Exam"}, id="an exam of no format"),
        pytest.param({"event_type": "Exam", "event_format": "Online"}, id="an online exam"),
        pytest.param({"event_type": "Class", "event_format": "Paper"}, id="a class on paper"),
        pytest.param(WITHHELD, id="the withhold flag is no trace"),
    ],
)
def test_other_events_are_not_in_scope(event: Row) -> None:
    assert by_event(event).is_empty()


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        pytest.param(CANCELLED | {"event_type": "Class"} | SHIPPED, "Cancelled", id="cancelled"),
        pytest.param({"event_type": "Class"} | SHIPPED, "Not Applicable", id="not an exam"),
        pytest.param({"event_type": None} | SHIPPED, "Not Applicable", id="no type"),
        pytest.param(
            {"event_format": "ONLINE"} | WITHHELD | SHIPPED,
            "Not Applicable",
            id="turned from paper to online",
        ),
        pytest.param({"event_format": None} | SHIPPED, "Shipped", id="an exam of no format"),
        pytest.param(
            WITHHELD | SHIPPED | {"distribution_code": "Error"},
            "Withheld",
            id="withheld comes before failed",
        ),
        pytest.param(WITHHELD | ORDERED, "Ordered", id="withheld after it was ordered"),
        pytest.param(
            {"integration_withhold_distribution": False}, "Unplanned", id="the flag is false"
        ),
        pytest.param(
            ORDERED | SHIPPED | {"distribution_code": " error"}, "Failed", id="code is Error"
        ),
        pytest.param(ORDERED | {"distribution_status": "ERROR"}, "Failed", id="status is Error"),
        pytest.param(ORDERED | {"distribution_errors": "<html>"}, "Failed", id="errors"),
        pytest.param(ORDERED | {"distribution_errors": " \n"}, "Ordered", id="blank errors"),
        pytest.param(
            ORDERED | {"distribution_status": "ProcessingError"},
            "Ordered",
            id="a status of the distributor's own",
        ),
        pytest.param(ORDERED | SHIPPED, "Shipped", id="shipped comes before ordered"),
        pytest.param(SHIPPED, "Shipped", id="shipped and never ordered"),
        pytest.param(
            {"distribution_shipped": FUTURE}, "Shipped", id="shipped on a day that is to come"
        ),
        pytest.param(
            ORDERED | {"distribution_expected": PAST}, "Ordered", id="ordered is never overdue"
        ),
        pytest.param({"distribution_expected": AS_OF - INSTANT}, "Overdue", id="expected before"),
        pytest.param({"distribution_expected": AS_OF}, "Planned", id="expected at this instant"),
        pytest.param({"distribution_expected": FUTURE}, "Planned", id="expected later"),
        pytest.param({}, "Unplanned", id="nothing known"),
    ],
)
def test_distribution_state(event: Row, expected: str) -> None:
    assert only("distribution_state", event) == expected


@pytest.mark.parametrize(
    ("process", "expected"),
    [
        pytest.param(None, "Standard", id="null"),
        pytest.param("Escalation", "Escalation", id="another"),
        pytest.param(" standard", " standard", id="kept as received"),
    ],
)
def test_distribution_process(process: str | None, expected: str) -> None:
    assert only("distribution_process", {"distribution_process": process}) == expected


HALF_DAY = timedelta(hours=12)


@pytest.mark.parametrize(
    ("column", "event", "expected"),
    [
        pytest.param("days_until_expected", {"distribution_expected": FUTURE}, 1.0, id="until"),
        pytest.param(
            "days_until_expected", {"distribution_expected": PAST - HALF_DAY}, -1.5, id="since"
        ),
        pytest.param("days_until_expected", {}, None, id="never expected"),
        pytest.param(
            "days_shipped_late",
            {"distribution_expected": PAST, "distribution_shipped": PAST + HALF_DAY},
            0.5,
            id="late",
        ),
        pytest.param(
            "days_shipped_late",
            {"distribution_expected": FUTURE, "distribution_shipped": PAST},
            -2.0,
            id="early",
        ),
        pytest.param("days_shipped_late", SHIPPED, None, id="shipped, never expected"),
        pytest.param(
            "days_shipped_late", {"distribution_expected": PAST}, None, id="expected, not shipped"
        ),
        pytest.param("lead_days", ORDERED | {"event_scheduled_start": FUTURE}, 2.0, id="lead"),
        pytest.param(
            "lead_days",
            ORDERED | {"event_scheduled_start": PAST - 0.25 * DAY},
            -0.25,
            id="ordered after the start",
        ),
        pytest.param("lead_days", {"event_scheduled_start": FUTURE}, None, id="not ordered"),
        pytest.param("lead_days", ORDERED, None, id="no start"),
        pytest.param("status_age_days", {"distribution_tracked": PAST}, 1.0, id="age"),
        pytest.param(
            "status_age_days", {"distribution_tracked": AS_OF + HALF_DAY}, -0.5, id="asked since"
        ),
        pytest.param("status_age_days", {}, None, id="never asked"),
    ],
)
def test_days(column: str, event: Row, expected: float | None) -> None:
    assert only(column, event) == expected


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        pytest.param(CANCELLED | RECEIVED, "Not Required", id="cancelled"),
        pytest.param({"event_format": "Online"} | RECEIVED, "Not Required", id="not applicable"),
        pytest.param({"event_scheduled_start": AS_OF + INSTANT}, "Not Required", id="to come"),
        pytest.param({"event_scheduled_start": AS_OF}, "Not Returned", id="starts now"),
        pytest.param({}, "Not Returned", id="no start"),
        pytest.param(PARTIAL, "Not Returned", id="a condition of nothing received"),
        pytest.param(RECEIVED | PARTIAL, "Partially Returned", id="partial"),
        pytest.param(
            RECEIVED | {"exam_material_return_shipment_condition": "Full"},
            "Fully Returned",
            id="full",
        ),
        pytest.param(RECEIVED, "Fully Returned", id="received in no stated condition"),
    ],
)
def test_return_state(event: Row, expected: str) -> None:
    assert only("return_state", event) == expected


@pytest.mark.parametrize(
    ("exam_type", "expected_days"),
    [
        pytest.param("Class", 14, id="class"),
        pytest.param(" SITTING ", 14, id="sitting in any case"),
        pytest.param("Accessibility and Resource Centre (ARC)", 14, id="ARC"),
        pytest.param("Individual (ARC)", 14, id="ARC comes before individual"),
        pytest.param("Individual (A)", 60, id="individual (A)"),
        pytest.param(" individual (N)", 60, id="individual (N) in any case"),
        pytest.param("Individual", None, id="legacy individual"),
        pytest.param("Test", None, id="test"),
        pytest.param("Classroom", None, id="begins like class"),
        pytest.param("Other", None, id="unknown"),
        pytest.param(None, None, id="null"),
    ],
)
def test_return_due(exam_type: str | None, expected_days: int | None) -> None:
    expected = None if expected_days is None else PAST + expected_days * DAY
    assert only("return_due", {"exam_type": exam_type, "event_scheduled_start": PAST}) == expected


def test_materials_of_an_event_without_a_start_have_no_due_date() -> None:
    row = by_event(PAPER | {"exam_type": "Class"})
    assert row.select("return_due", "return_overdue").row(0) == (None, False)


DUE_BEFORE = AS_OF - INSTANT - 14 * DAY


@pytest.mark.parametrize(
    ("start", "event", "expected"),
    [
        pytest.param(DUE_BEFORE, {}, True, id="not returned"),
        pytest.param(DUE_BEFORE, RECEIVED | PARTIAL, True, id="partially returned"),
        pytest.param(DUE_BEFORE, RECEIVED, False, id="fully returned"),
        pytest.param(DUE_BEFORE, CANCELLED, False, id="cancelled"),
        pytest.param(DUE_BEFORE + INSTANT, {}, False, id="due at this instant"),
        pytest.param(DUE_BEFORE, {"exam_type": "Test"}, False, id="no due date"),
    ],
)
def test_return_overdue(start: datetime, event: Row, expected: bool) -> None:
    row = {"exam_type": "Sitting", "event_scheduled_start": start} | event
    assert only("return_overdue", row) is expected


def test_members_are_carried_over_as_received() -> None:
    event = PAPER | {
        "event_number": 7,
        "event_title": " Welding ",
        "exam_type": "sitting",
        "event_scheduled_start": PAST,
        "venue_location_identifier": VENUE,
        "distribution_status": " Package ",
        "distribution_code": "4711",
        "distribution_expected": PAST,
        "distribution_ordered": PAST,
        "distribution_shipped": FUTURE,
        "distribution_tracked": AS_OF,
    }
    row = by_event(event).row(0, named=True)
    carried = {name: value for name, value in event.items() if name != "event_type"}
    assert {name: row[name] for name in carried} == carried
    assert row["as_of"] == AS_OF


def test_packages_are_counted_by_state_process_and_status() -> None:
    shipped = PAPER | {"exam_type": "Sitting", "distribution_status": "DONE"}
    groups = distribution_status(
        by_event(
            shipped
            | {
                "event_scheduled_start": AS_OF - 20 * DAY,
                "distribution_expected": AS_OF - 40 * DAY,
                "distribution_ordered": AS_OF - 41 * DAY,
                "distribution_shipped": AS_OF - 39.5 * DAY,
                "distribution_tracked": AS_OF - 30 * DAY,
            },
            shipped
            | {
                "event_scheduled_start": FUTURE,
                "distribution_expected": PAST,
                "distribution_ordered": AS_OF - 9 * DAY,
                "distribution_shipped": PAST,
                "distribution_tracked": PAST,
            },
            shipped
            | {
                "event_scheduled_start": AS_OF - 15 * DAY,
                "distribution_expected": AS_OF - 5 * DAY,
                "distribution_ordered": AS_OF - 16 * DAY,
                "distribution_shipped": PAST,
            },
            shipped | {"distribution_shipped": PAST},
            PAPER,
        )
    )
    assert groups.to_dicts() == [
        {
            "organization": ACME,
            "distribution_state": "Shipped",
            "distribution_process": "Standard",
            "distribution_status": "DONE",
            "events": 4,
            "earliest_start": AS_OF - 20 * DAY,
            "latest_start": FUTURE,
            "expected_earliest": AS_OF - 40 * DAY,
            "median_lead_days": 10.0,  # of 21, 10, 1 and an unknown one
            "median_days_shipped_late": 0.5,  # of 0.5, 0, 4 and an unknown one
            "shipped_late": 2,
            "returns_overdue": 2,
            "oldest_status_age_days": 30.0,
            "as_of": AS_OF,
        },
        {
            "organization": ACME,
            "distribution_state": "Unplanned",
            "distribution_process": "Standard",
            "distribution_status": None,
            "events": 1,
            "earliest_start": None,
            "latest_start": None,
            "expected_earliest": None,
            "median_lead_days": None,
            "median_days_shipped_late": None,
            "shipped_late": 0,
            "returns_overdue": 0,
            "oldest_status_age_days": None,
            "as_of": AS_OF,
        },
    ]


def test_a_null_status_is_a_group_apart_from_an_empty_one() -> None:
    groups = distribution_status(
        by_event(PAPER, PAPER | {"distribution_status": ""}, PAPER | {"distribution_status": "x"})
    )
    assert groups["distribution_status"].to_list() == [None, "", "x"]
    assert groups["events"].to_list() == [1, 1, 1]


def test_an_organization_out_of_scope_still_needs_its_as_of() -> None:
    with pytest.raises(ValueError, match="events of bolt are stored"):
        by_event(PAPER, {"organization": BOLT})


def test_no_events_make_empty_marts_of_the_right_types() -> None:
    rows = by_event()
    assert dict(rows.schema) == DISTRIBUTION_BY_EVENT.dtypes
    assert rows.is_empty()
    groups = distribution_status(rows)
    assert dict(groups.schema) == DISTRIBUTION_STATUS.dtypes
    assert groups.is_empty()
