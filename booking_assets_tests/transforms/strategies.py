"""Hypothesis strategies: small raw frames over the whole vocabulary, nulls and oddities included.

What lives here: what may stand in each column that a rule reads.
What must not: a rule of a mart.
Read more: https://hypothesis.readthedocs.io
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
from hypothesis import strategies as st

from booking_assets_tests.transforms.rows import (
    ACME,
    AS_OF,
    BOLT,
    DAY,
    INSTANT,
    VENUE,
    Row,
    events_frame,
    identifier,
    registrations_frame,
    timezones_frame,
)

ORGANIZATIONS = (ACME, BOLT)
MOST_EVENTS = 12

Column = st.SearchStrategy[Any]
Frames = st.SearchStrategy[pl.DataFrame]
Rows = st.SearchStrategy[Row]


def one_of(*values: Any) -> Column:
    """One of these values, or null."""
    return st.sampled_from([None, *values])


# Few instants, on both sides of AS_OF and of a month, so that they often coincide.
INSTANTS = one_of(
    *(AS_OF + days * DAY for days in (-61, -60, -15, -14, -9, -1, 0, 1, 30)),
    AS_OF - INSTANT,
    AS_OF + INSTANT,
)
LIMITS = one_of(-1, 0, 1, 2, 2**31 - 1)

ANY_EVENT: dict[str, Column] = {
    "organization": st.sampled_from(ORGANIZATIONS),
    "event_type": one_of("Class", "Exam", " exam ", "Meeting", "Appointment", "Tour"),
    "event_scheduling_status": one_of("Active", "Cancelled", " CANCELLED"),
    "event_scheduled_start": INSTANTS,
    "event_scheduled_start_offset_minutes": one_of(-720, -480, 0, 60, 330, 840),
}
CAPACITY: dict[str, Column] = {
    "venue_location_identifier": one_of(VENUE),
    "achievement_identifier": one_of(identifier(0)),
    "event_publication_status": one_of("Published", "published ", "Drafted", "Archived"),
    "capacity_minimum": LIMITS,
    "capacity_maximum": LIMITS,
    "event_scheduled_end": INSTANTS,
    "registration_start": INSTANTS,
    "registration_deadline": INSTANTS,
    "registration_locked": one_of(AS_OF),
}
DISTRIBUTION: dict[str, Column] = {
    "event_format": one_of("Paper", "PAPER ", "Online"),
    "exam_type": one_of("Class", "Sitting", "Test", "Individual (N)", "Individual", "ARC x"),
    "integration_withhold_distribution": one_of(True, False),
    "distribution_process": one_of("Standard", "Escalation"),
    "distribution_code": one_of("4711", "error "),
    "distribution_status": one_of("Error", "PACKAGE_GENERATED"),
    "distribution_errors": one_of("", " ", "<html>"),
    "distribution_expected": INSTANTS,
    "distribution_ordered": INSTANTS,
    "distribution_shipped": INSTANTS,
    "distribution_tracked": INSTANTS,
    "exam_material_return_shipment_condition": one_of("Full", "Partial"),
    "exam_material_return_shipment_received": INSTANTS,
}
# Bookings begin and end on half hours, around a midnight from Sunday to Monday, so that they often
# touch, coincide, contain one another, and reach into other weeks.
HALF_HOUR = timedelta(minutes=30)
_SUNDAY_NOON = AS_OF - 2 * DAY
_HALF_HOURS_BOOKED = st.sampled_from(
    [-1, 0, 1, 1, 2, 3, 24, 47, 48, 49, 100, 5 * 48 - 17, 7 * 48, 22 * 48 + 5, 31 * 48, 31 * 48 + 1]
)
ROOMS: dict[str, Column] = {
    "venue_location_identifier": one_of(VENUE),
    "venue_room": one_of("Lab 1", " lab 1 ", "\tLab \u00a0 1\u00a0", "102", " "),
    "event_scheduled_end_offset_minutes": one_of(-720, -480, 0, 60, 330, 840),
    "event_scheduled_start": one_of(*(_SUNDAY_NOON + count * HALF_HOUR for count in range(48))),
    "capacity_maximum": LIMITS,
    "achievement_identifier": one_of(identifier(0), identifier(1)),
    "event_class_code": one_of("A1", "A1 ", "B2", ""),
}


def event_frames(columns: dict[str, Column]) -> Frames:
    """`raw.events` of a few events in which these columns, and those of any event, vary."""
    rows = st.lists(st.fixed_dictionaries(ANY_EVENT | columns), max_size=MOST_EVENTS)
    return rows.map(lambda rows: events_frame(*rows))


def _booking(row: Row, half_hours: int | None) -> Row:
    start = row["event_scheduled_start"]
    if start is None or half_hours is None:
        return row
    return row | {"event_scheduled_end": start + half_hours * HALF_HOUR}


def _bookings(columns: dict[str, Column]) -> Rows:
    return st.builds(
        _booking, st.fixed_dictionaries(ANY_EVENT | columns), st.none() | _HALF_HOURS_BOOKED
    )


def _frames(rows: Rows) -> Frames:
    return st.lists(rows, max_size=MOST_EVENTS).map(lambda rows: events_frame(*rows))


# Their clocks change within a month of `AS_OF`, or a week before, by an hour or half an hour.
timezones = st.dictionaries(
    st.sampled_from(ORGANIZATIONS),
    st.sampled_from(["Europe/London", "America/Toronto", "Australia/Lord_Howe", "Asia/Tokyo"]),
).map(timezones_frame)
bookings = _bookings(ROOMS)
room_events = _frames(bookings)
all_events = _frames(_bookings(CAPACITY | DISTRIBUTION | ROOMS))
"""Events in which all columns vary that any mart reads."""
capacity_events = event_frames(CAPACITY)
distribution_events = event_frames(DISTRIBUTION)

registration_rows: Rows = st.fixed_dictionaries(
    {
        "organization": st.sampled_from(ORGANIZATIONS),
        # One more than there are events: some registrations are of events that nobody knows.
        "event_identifier": st.integers(0, MOST_EVENTS).map(identifier),
        "approval_status": one_of(
            *("", "Registered", "Invitation Sent", "Waitlisted", "Moved"),
            *("Scheduled", "Eligible", "Not Eligible", "On Hold"),
        ),
        "attendance_status": one_of(
            *("Present", "attended ", "Absent", "Incomplete", "Pending", " ", "Excused"),
            *("Withdrawn/Cancelled",),
        ),
        "eligibility_status": one_of("Eligible with Limitations", "Not Eligible", "Pending"),
    }
)
registration_frames: Frames = st.lists(registration_rows, max_size=2 * MOST_EVENTS).map(
    lambda rows: registrations_frame(*rows)
)
known_organizations = st.sets(st.sampled_from(ORGANIZATIONS))
