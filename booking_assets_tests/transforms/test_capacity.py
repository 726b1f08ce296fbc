"""Capacity of an event by worked cases: every branch of every rule. Its seats: `test_seats`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from booking_assets.tables.capacity import CAPACITY_BY_EVENT, CAPACITY_UTILIZATION
from booking_assets.transforms.rules import NO_TIMEZONES
from booking_assets_tests.transforms.capacity import (
    CANCELLED,
    OPEN,
    PUBLISHED,
    by_event,
    by_month,
    derived,
    registered,
)
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


def only(
    column: str, event: Row, registrations: Sequence[Row] | None = None, known: Any = (ACME,)
) -> Any:
    """What the only event has in a column."""
    return by_event(event, registrations=registrations, known=known)[column].item()


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        pytest.param(
            CANCELLED | PUBLISHED | {"event_scheduled_start": PAST, "event_scheduled_end": PAST},
            "Cancelled",
            id="cancelled comes before completed",
        ),
        pytest.param({"event_scheduling_status": " CANCELLED "}, "Cancelled", id="any case"),
        pytest.param(
            {"event_publication_status": "Cancelled"},
            "Drafted",
            id="a cancelled publication cancels nothing",
        ),
        pytest.param(
            {"event_scheduled_start": PAST, "event_scheduled_end": AS_OF},
            "Completed",
            id="ends at this instant",
        ),
        pytest.param(
            {"event_scheduled_start": AS_OF, "event_scheduled_end": AS_OF},
            "Completed",
            id="of no length, now",
        ),
        pytest.param(
            {"event_scheduled_start": PAST, "event_scheduled_end": AS_OF + INSTANT},
            "In Progress",
            id="ends an instant later",
        ),
        pytest.param({"event_scheduled_start": PAST}, "In Progress", id="without an end"),
        pytest.param(
            PUBLISHED | {"event_scheduled_start": AS_OF}, "In Progress", id="starts at this instant"
        ),
        pytest.param(
            PUBLISHED | {"event_scheduled_start": AS_OF + INSTANT},
            "Published",
            id="starts an instant later",
        ),
        pytest.param(PUBLISHED, "Published", id="published without a start"),
        pytest.param({"event_publication_status": "published "}, "Published", id="any case too"),
        pytest.param({"event_publication_status": "Unpublished"}, "Drafted", id="unpublished"),
        pytest.param({"event_publication_status": "On Hold"}, "Drafted", id="unknown status"),
        pytest.param({}, "Drafted", id="nothing known"),
    ],
)
def test_lifecycle_status(event: Row, expected: str) -> None:
    assert only("lifecycle_status", event) == expected


@pytest.mark.parametrize("column", ["capacity_minimum", "capacity_maximum"])
@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        pytest.param(None, None, id="null"),
        pytest.param(-1, None, id="negative"),
        pytest.param(0, None, id="zero"),
        pytest.param(1, 1, id="one"),
    ],
)
def test_a_limit_that_is_not_positive_is_no_limit(
    column: str, limit: int | None, expected: int | None
) -> None:
    assert only(column, {column: limit}) == expected


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        pytest.param(None, date(2026, 3, 31), id="no offset is UTC"),
        pytest.param(0, date(2026, 3, 31), id="UTC"),
        pytest.param(-480, date(2026, 3, 31), id="west, the same day"),
        pytest.param(-1440, date(2026, 3, 30), id="a day west"),
        pytest.param(29, date(2026, 3, 31), id="a minute short of midnight"),
        pytest.param(30, date(2026, 4, 1), id="midnight at the venue"),
    ],
)
def test_local_date_is_the_venues_day(offset: int | None, expected: date) -> None:
    event = {
        "event_scheduled_start": datetime(2026, 3, 31, 23, 30, tzinfo=UTC),
        "event_scheduled_start_offset_minutes": offset,
        "event_scheduled_end_offset_minutes": 840,
    }
    row = by_event(event)
    assert row["local_date"].item() == expected
    assert by_month(row)["month"].item() == expected.replace(day=1)


@pytest.mark.parametrize(
    ("minimum", "registrations", "expected"),
    [
        pytest.param(2, registered(1), True, id="below"),
        pytest.param(2, registered(2), False, id="at the minimum"),
        pytest.param(None, registered(0), False, id="no minimum"),
        pytest.param(0, registered(0), False, id="a minimum of zero"),
        pytest.param(2, None, None, id="seats unknown"),
        pytest.param(None, None, None, id="seats unknown, no minimum"),
    ],
)
@pytest.mark.parametrize("locked", [None, PAST], ids=["open", "locked"])
def test_below_minimum_is_said_also_where_registration_is_locked(
    minimum: int | None, registrations: list[Row] | None, expected: bool | None, locked: datetime
) -> None:
    event = {"capacity_minimum": minimum, "registration_locked": locked}
    row = by_event(event, registrations=registrations)
    assert row["is_below_minimum"].item() is expected
    assert row["is_locked"].item() is (locked is not None)


@pytest.mark.parametrize(
    ("start", "zone", "expected"),
    [
        pytest.param("2026-03-31T23:30Z", None, date(2026, 4, 1), id="as written"),
        pytest.param("2026-03-31T23:30Z", "UTC", date(2026, 3, 31), id="UTC"),
        pytest.param("2026-07-01T05:59Z", "America/Edmonton", date(2026, 6, 30), id="summer"),
        pytest.param("2026-07-01T06:00Z", "America/Edmonton", date(2026, 7, 1), id="midnight"),
        pytest.param("2026-01-01T06:59Z", "America/Edmonton", date(2025, 12, 31), id="winter"),
    ],
)
def test_local_date_is_of_the_organizations_time_zone_where_it_has_one(
    start: str, zone: str | None, expected: date
) -> None:
    instant = datetime.fromisoformat(start)
    written = {
        "event_scheduled_start": instant,
        "event_scheduled_start_offset_minutes": 60,
    }
    rows = derived(
        events_frame(written, written | {"organization": BOLT}),
        as_of_frame(ACME, BOLT),
        timezones=pl.DataFrame(
            {"organization": [ACME], "timezone": [zone]}, schema=NO_TIMEZONES.schema
        ).drop_nulls(),
    )
    as_written = (instant + timedelta(hours=1)).date()
    assert rows["local_date"].to_list() == [expected, as_written]


@pytest.mark.parametrize(
    ("maximum", "taken", "available", "utilization"),
    [
        pytest.param(4, 1, 3, 0.25, id="seats left"),
        pytest.param(4, 4, 0, 1.0, id="full"),
        pytest.param(2, 3, 0, 1.5, id="over: never below zero, may pass one"),
        pytest.param(None, 3, None, None, id="no maximum"),
        pytest.param(0, 3, None, None, id="a maximum of zero is none"),
    ],
)
def test_seats_available_and_utilization(
    maximum: int | None, taken: int, available: int | None, utilization: float | None
) -> None:
    row = by_event({"capacity_maximum": maximum}, registrations=registered(taken))
    assert row.select("seats_available", "utilization").row(0) == (available, utilization)


@pytest.mark.parametrize(
    ("minimum", "maximum", "taken", "expected"),
    [
        pytest.param(3, 9, 2, "Under", id="below the minimum"),
        pytest.param(3, 9, 0, "Under", id="nobody, with a minimum: under and not empty"),
        pytest.param(3, 2, 2, "Under", id="the minimum comes before the maximum"),
        pytest.param(3, 9, 3, "Open", id="at the minimum"),
        pytest.param(None, 2, 3, "Over", id="above the maximum"),
        pytest.param(None, 2, 2, "Full", id="at the maximum"),
        pytest.param(None, 2, 1, "Open", id="below the maximum"),
        pytest.param(None, 2, 0, "Empty", id="nobody"),
        pytest.param(None, None, 0, "Empty", id="nobody, without limits"),
        pytest.param(None, None, 5, "Open", id="somebody, without limits"),
        pytest.param(0, 0, 0, "Empty", id="zero limits are none: nobody"),
        pytest.param(-3, -2, 1, "Open", id="negative limits are none: somebody"),
    ],
)
def test_availability(minimum: int | None, maximum: int | None, taken: int, expected: str) -> None:
    event = {"capacity_minimum": minimum, "capacity_maximum": maximum}
    assert only("availability", event, registered(taken)) == expected


@pytest.mark.parametrize(
    "registrations",
    [
        pytest.param(None, id="seats unknown"),
        pytest.param([], id="nobody"),
        pytest.param(registered(3), id="over"),
    ],
)
def test_a_locked_event_is_full_whatever_is_taken(registrations: list[Row] | None) -> None:
    event = {"registration_locked": FUTURE, "capacity_minimum": 1, "capacity_maximum": 2}
    assert only("availability", event, registrations) == "Full"


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        pytest.param(OPEN | CANCELLED, "Closed", id="cancelled"),
        pytest.param(OPEN | {"event_publication_status": None}, "Closed", id="drafted"),
        pytest.param(OPEN | {"event_scheduled_start": PAST}, "Closed", id="in progress"),
        pytest.param(
            OPEN
            | {"registration_locked": PAST}
            | {"registration_start": FUTURE, "registration_deadline": PAST},
            "Locked",
            id="locked comes before the dates",
        ),
        pytest.param(
            OPEN | {"registration_start": AS_OF + INSTANT, "registration_deadline": PAST},
            "Not Open",
            id="not open comes before the deadline",
        ),
        pytest.param(OPEN | {"registration_start": AS_OF}, "Open", id="opens at this instant"),
        pytest.param(OPEN | {"registration_deadline": AS_OF}, "Closed", id="deadline now"),
        pytest.param(
            OPEN | {"registration_deadline": AS_OF + INSTANT}, "Open", id="deadline ahead"
        ),
        pytest.param(OPEN, "Open", id="no dates: open until the start"),
        pytest.param(PUBLISHED, "Open", id="no dates and no start"),
    ],
)
def test_registration_state(event: Row, expected: str) -> None:
    assert only("registration_state", event) == expected


def test_members_are_carried_over_as_received() -> None:
    event = {
        "event_number": 7,
        "event_title": " Welding ",
        "event_type": "class",
        "event_class_code": "W-1",
        "event_format": "Paper",
        "achievement_identifier": identifier(8),
        "venue_location_identifier": VENUE,
        "venue_room": " 12 ",
        "event_scheduled_start": PAST,
        "event_scheduled_end": FUTURE,
        "registration_start": PAST - DAY,
        "registration_deadline": PAST,
    }
    row = by_event(event).row(0, named=True)
    assert {name: row[name] for name in event} == event
    assert row["as_of"] == AS_OF


def test_each_organization_is_judged_at_its_own_instant() -> None:
    ends_between = {"event_scheduled_start": PAST, "event_scheduled_end": AS_OF + INSTANT}
    as_of = pl.concat([as_of_frame(ACME), as_of_frame(BOLT, at=FUTURE)])
    rows = derived(events_frame(ends_between, ends_between | {"organization": BOLT}), as_of)
    assert rows.select("organization", "lifecycle_status", "as_of").rows() == [
        (ACME, "In Progress", AS_OF),
        (BOLT, "Completed", FUTURE),
    ]


def test_no_events_make_empty_marts_of_the_right_types() -> None:
    rows = derived(events_frame(), as_of_frame())
    assert dict(rows.schema) == CAPACITY_BY_EVENT.dtypes
    assert rows.is_empty()
    groups = by_month(rows)
    assert dict(groups.schema) == CAPACITY_UTILIZATION.dtypes
    assert groups.is_empty()
