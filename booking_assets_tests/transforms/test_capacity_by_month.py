"""Capacity of a month and of a course by worked cases: sums, groups, and unknown seats."""

from __future__ import annotations

from datetime import date

import pytest

from booking_assets.transforms.capacity import (
    capacity_utilization,
    course_utilization,
)
from booking_assets_tests.transforms.capacity import (
    CANCELLED,
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
    FUTURE,
    PAST,
    VENUE,
    Row,
    as_of_frame,
    events_frame,
    identifier,
    registrations_frame,
    seats_frame,
)

# One month, one venue, all that a sum has to tell apart. Seats taken: 3, 1, 2, 9, 4, 0.
GROUP: tuple[Row, ...] = (
    {"capacity_minimum": 2, "capacity_maximum": 10, "event_scheduled_start": FUTURE} | PUBLISHED,
    {"capacity_minimum": 4, "capacity_maximum": 6, "event_scheduled_start": FUTURE},
    {"capacity_minimum": 8, "event_scheduled_start": PAST},
    {"capacity_minimum": 5, "capacity_maximum": 50, "event_scheduled_start": PAST} | CANCELLED,
    {"capacity_maximum": 4, "event_scheduled_start": PAST, "event_scheduled_end": PAST},
    {"capacity_maximum": 5, "event_scheduled_start": PAST},
)
WAITING: Row = {"approval_status": "Waitlisted"}
GROUP_REGISTRATIONS: list[Row] = [
    *registered(3, event=0),
    *registered(1, event=1),
    *registered(2, event=2),
    *registered(9, event=3),
    *registered(4, event=4),
    WAITING | {"event_identifier": identifier(2)},
    WAITING | {"event_identifier": identifier(3)},
]
KNOWN_FROM_EVENTS = {
    "events": 5,
    "events_cancelled": 1,
    "events_unlimited": 1,
    "seats_offered": 10 + 6 + 4 + 5,
    "seats_required": 2 + 4 + 8,
    "seats_published": 10 + 4 + 5,
    "minimum_fill": (2 + 4) / 25,
}
KNOWN_FROM_REGISTRATIONS = {
    "seats_taken": 3 + 1 + 4 + 0,
    "seats_taken_unlimited": 2,
    "seats_waitlisted": 1,
    "utilization": 8 / 25,
    "events_under": 2,
    "events_over": 0,
    "events_full": 1,
    "events_empty": 1,
    "events_open": 1,
}


def test_a_month_is_the_sum_of_its_events_without_the_cancelled() -> None:
    month = by_month(by_event(*GROUP, registrations=GROUP_REGISTRATIONS))
    assert month.to_dicts() == [
        {
            "organization": ACME,
            "month": date(2026, 3, 1),
            "event_type": None,
            "venue_location_identifier": None,
            "venue_name": None,
            **KNOWN_FROM_EVENTS,
            **KNOWN_FROM_REGISTRATIONS,
            "events_unknown": 0,
            "seats_offered_known": KNOWN_FROM_EVENTS["seats_offered"],
            "as_of": AS_OF,
        }
    ]


def test_a_month_of_unknown_seats_has_null_where_a_seat_counts_also_when_locked() -> None:
    locked = GROUP[0] | {"registration_locked": PAST}
    month = by_month(by_event(locked, *GROUP[1:])).row(0, named=True)
    assert {name: month[name] for name in KNOWN_FROM_EVENTS} == KNOWN_FROM_EVENTS
    assert {month[name] for name in KNOWN_FROM_REGISTRATIONS} == {None}
    assert (month["events_unknown"], month["seats_offered_known"]) == (5, 0)


def test_events_that_are_newer_than_the_registrations_are_counted_apart_and_not_as_empty() -> None:
    limits = {"capacity_maximum": 10, "event_scheduled_start": FUTURE}
    cancelled = limits | CANCELLED
    events = events_frame(limits, limits | {"capacity_maximum": 4}, {}, limits, {}, cancelled)
    rows = derived(
        events,
        as_of_frame(),
        registrations_frame(*registered(3), *registered(1, event=2)),
        seats_frame([ACME]),
        events.select("organization", "event_identifier").tail(3),
    )
    columns = (
        *("events", "events_unknown", "seats_offered", "seats_offered_known"),
        *("seats_taken", "seats_taken_unlimited", "utilization"),
        *("events_empty", "events_open"),
    )
    months = by_month(rows).select("month", *columns)
    assert months.rows() == [
        (None, 2, 1, 0, 0, 0, 1, None, 0, 1),
        (date(2026, 3, 1), 3, 1, 24, 14, 3, 0, 3 / 14, 1, 1),
    ]
    unknown = capacity_utilization(rows.tail(3), [ACME]).select("month", *columns).rows()
    assert unknown == [
        (None, 1, 1, 0, 0, 0, 0, None, 0, 0),
        (date(2026, 3, 1), 1, 1, 10, 0, 0, 0, None, 0, 0),
    ]


def test_courses_have_the_figures_of_their_events_and_no_course_is_a_group() -> None:
    course, other = identifier(8), identifier(9)
    groups = (
        GROUP[0] | {"achievement_identifier": course, "event_type": "Class"},
        GROUP[1] | {"achievement_identifier": course, "venue_location_identifier": VENUE},
        *({"achievement_identifier": other} | one for one in GROUP[2:4]),
        *GROUP[4:],
    )
    rows = by_event(*groups, registrations=GROUP_REGISTRATIONS)
    courses = course_utilization(rows, [ACME])
    figures = ("events", "events_cancelled", "seats_offered", "seats_taken", "seats_waitlisted")
    assert courses.select("achievement_identifier", *figures, "utilization").rows() == [
        (None, 2, 0, 9, 4, 0, 4 / 9),
        (course, 2, 0, 16, 4, 0, 4 / 16),
        (other, 1, 1, 0, 0, 1, None),
    ]
    assert courses["month"].unique().to_list() == [date(2026, 3, 1)]
    assert courses["seats_taken_unlimited"].to_list() == [0, 0, 2]


@pytest.mark.parametrize(
    ("registrations", "taken"),
    [pytest.param(None, None, id="seats unknown"), pytest.param([], 0, id="seats known")],
)
def test_a_month_of_cancelled_events_offers_nothing(
    registrations: list[Row] | None, taken: int | None
) -> None:
    event = CANCELLED | {"capacity_minimum": 3, "capacity_maximum": 9}
    month = by_month(by_event(event, registrations=registrations)).row(0, named=True)
    assert (month["events"], month["events_cancelled"], month["events_unlimited"]) == (0, 1, 0)
    assert (month["seats_offered"], month["seats_required"], month["seats_published"]) == (0, 0, 0)
    assert (month["utilization"], month["minimum_fill"]) == (None, None)
    assert {month["seats_taken"], month["seats_waitlisted"], month["events_empty"]} == {taken}


def test_a_month_of_unlimited_events_has_no_ratio() -> None:
    month = by_month(by_event({"capacity_minimum": 3}, registrations=registered(5))).row(
        0, named=True
    )
    assert (month["events"], month["events_unlimited"]) == (1, 1)
    assert (month["seats_offered"], month["seats_required"], month["seats_taken"]) == (0, 3, 0)
    assert (month["utilization"], month["minimum_fill"]) == (None, None)
    assert month["events_open"] == 1


def test_a_month_without_minima_needs_nothing_of_what_it_offers() -> None:
    assert by_month(by_event({"capacity_maximum": 3}))["minimum_fill"].item() == 0.0


def test_null_month_type_and_venue_are_groups_of_their_own() -> None:
    start = {"event_scheduled_start": AS_OF}
    venue = {"venue_location_identifier": VENUE}
    groups = by_month(
        by_event({}, start, start | venue, start | {"event_type": "Class"}, start | venue, {})
    )
    march = date(2026, 3, 1)
    assert groups.select("month", "event_type", "venue_location_identifier", "events").rows() == [
        (None, None, None, 2),
        (march, None, None, 1),
        (march, None, VENUE, 2),
        (march, "Class", None, 1),
    ]


def test_one_organizations_unknown_seats_leave_anothers_known() -> None:
    rows = by_event(
        {}, {"organization": BOLT}, registrations=[], known=[BOLT], organizations=(ACME, BOLT)
    )
    assert rows["seats_taken"].to_list() == [None, 0]
    assert by_month(rows)["events_empty"].to_list() == [None, 1]


def test_sums_pass_32_bits() -> None:
    largest = 2**31 - 1
    event = {"capacity_minimum": largest, "capacity_maximum": largest} | PUBLISHED
    month = by_month(by_event(event, event, event))
    sums = ("seats_offered", "seats_required", "seats_published")
    assert month.select(sums).row(0) == (3 * largest,) * 3
    assert month["minimum_fill"].item() == 1.0
