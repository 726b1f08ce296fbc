"""Rooms by worked cases, and beside a count of half hours that is slow and plain to see."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from polars.testing import assert_frame_equal

from booking_assets.tables.marts import ROOM_UTILIZATION
from booking_assets.transforms.rooms import LONGEST_BOOKING, room_utilization
from booking_assets_tests.transforms.rows import (
    ACME,
    AS_OF,
    BOLT,
    INSTANT,
    VENUE,
    Row,
    as_of_frame,
    events_frame,
)
from booking_assets_tests.transforms.strategies import HALF_HOUR, ORGANIZATIONS, room_events

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def booking(start: float, end: float | None, **columns: Any) -> Row:
    """A booking of room 101, in hours since a Monday at 0:00 UTC."""
    return {
        "venue_room": "101",
        "event_scheduled_start": MONDAY + timedelta(hours=start),
        "event_scheduled_end": None if end is None else MONDAY + timedelta(hours=end),
    } | columns


def utilization(*events: Row, open_hours: float = 60) -> pl.DataFrame:
    return room_utilization(events_frame(*events), as_of_frame(ACME, BOLT), open_hours)


@pytest.mark.parametrize(
    ("bookings", "booked", "double", "peak"),
    [
        pytest.param([(9, 12)], 3, 0, 1, id="one"),
        pytest.param([(9, 10), (11, 12)], 2, 0, 1, id="apart"),
        pytest.param([(9, 10), (10, 12)], 3, 0, 1, id="touching"),
        pytest.param([(9, 11), (10, 12)], 3, 1, 2, id="overlapping"),
        pytest.param([(9, 12), (9, 12)], 3, 3, 2, id="identical"),
        pytest.param([(9, 12), (10, 11)], 3, 1, 2, id="one within the other"),
        pytest.param([(9, 12), (9, 10), (11, 12)], 3, 2, 2, id="two within, apart"),
        pytest.param([(9, 12), (9, 12), (9, 12)], 3, 3, 3, id="three at once count twice once"),
        pytest.param([(9, 11), (10, 12), (11, 13)], 4, 2, 2, id="a chain"),
        pytest.param([(9, 9.25), (9.2, 9.5)], 0.5, 0.05, 2, id="minutes"),
    ],
)
def test_overlaps_count_once_as_booked_and_again_as_double(
    bookings: list[tuple[float, float]], booked: float, double: float, peak: int
) -> None:
    (row,) = utilization(*(booking(*hours) for hours in bookings)).rows(named=True)
    assert row["booked_hours"] == pytest.approx(booked)
    assert row["double_booked_hours"] == pytest.approx(double)
    assert (row["peak_concurrent_events"], row["events"]) == (peak, len(bookings))
    assert row["room_utilization"] == pytest.approx(booked / 60)


def test_whole_hours_and_a_single_microsecond_are_exact() -> None:
    rows = utilization(
        booking(0, 49),
        booking(0, 0) | {"venue_room": "102", "event_scheduled_end": MONDAY + INSTANT},
    )
    assert rows["booked_hours"].to_list() == [49.0, INSTANT / timedelta(hours=1)]


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(booking(9, 10, event_scheduling_status=" CANCELLED "), id="cancelled"),
        pytest.param(booking(9, 9), id="of no length"),
        pytest.param(booking(10, 9), id="of negative length"),
        pytest.param(booking(9, None), id="without an end"),
        pytest.param(
            booking(9, 10) | {"event_scheduled_end": datetime(9999, 12, 31, tzinfo=UTC)},
            id="of thousands of years",
        ),
        pytest.param(booking(9, 10) | {"event_scheduled_start": None}, id="without a start"),
        pytest.param(booking(9, 10, venue_room=None), id="without venue and room"),
        pytest.param(booking(9, 10, venue_room=" \t"), id="without venue, room blank"),
    ],
)
def test_an_event_that_books_nothing_makes_no_row(event: Row) -> None:
    assert utilization(event, booking(12, 13))["events"].to_list() == [1]


def test_a_room_is_an_organization_a_venue_and_a_trimmed_text() -> None:
    rooms: list[Row] = [
        {"venue_room": "101"},
        {"venue_room": "\t101 "},
        {"venue_room": "101", "venue_location_identifier": VENUE},
        {"venue_room": " ", "venue_location_identifier": VENUE},
        {"venue_room": None, "venue_location_identifier": VENUE},
        {"venue_room": "101", "organization": BOLT},
    ]
    rows = utilization(*(booking(9, 10) | room for room in rooms))
    assert rows.select(*ROOM_UTILIZATION.grain[:3], "events").rows() == [
        (ACME, None, "101", 2),
        (ACME, VENUE, None, 2),
        (ACME, VENUE, "101", 1),
        (BOLT, None, "101", 1),
    ]


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        pytest.param(None, {date(2026, 3, 2): 1.0, date(2026, 3, 9): 2.0}, id="no offset is UTC"),
        pytest.param(0, {date(2026, 3, 2): 1.0, date(2026, 3, 9): 2.0}, id="UTC"),
        pytest.param(60, {date(2026, 3, 9): 3.0}, id="begins on Monday at the venue"),
        pytest.param(-90, {date(2026, 3, 2): 2.5, date(2026, 3, 9): 0.5}, id="later at the venue"),
        pytest.param(-120, {date(2026, 3, 2): 3.0}, id="ends at midnight at the venue"),
    ],
)
def test_a_booking_over_sunday_midnight_at_the_venue_is_split(
    offset: int | None, expected: dict[date, float]
) -> None:
    rows = utilization(
        booking(
            7 * 24 - 1,
            7 * 24 + 2,
            event_scheduled_start_offset_minutes=offset,
            event_scheduled_end_offset_minutes=840,
        )
    )
    assert dict(rows.select("week", "booked_hours").iter_rows()) == expected


def test_a_booking_of_many_weeks_fills_those_between() -> None:
    rows = utilization(booking(24, 3 * 168 + 1, capacity_maximum=2))
    assert rows.select("week", "booked_hours", "events", "seat_hours").rows() == [
        (date(2026, 3, 2), 144.0, 1, 288.0),
        (date(2026, 3, 9), 168.0, 1, 336.0),
        (date(2026, 3, 16), 168.0, 1, 336.0),
        (date(2026, 3, 23), 1.0, 1, 2.0),
    ]


def test_a_booking_of_ten_years_is_believed() -> None:
    rows = utilization(booking(0, LONGEST_BOOKING / timedelta(hours=1)))
    assert rows["booked_hours"].sum() == LONGEST_BOOKING / timedelta(hours=1)


def test_bookings_overlap_where_their_instants_do_whatever_their_offsets() -> None:
    events = [booking(9, 10, event_scheduled_start_offset_minutes=offset) for offset in (-480, 60)]
    assert utilization(*events)["double_booked_hours"].to_list() == [1.0]


def test_seat_hours_are_those_of_events_with_a_maximum() -> None:
    limits = (10, None, 0, -5, 2**31 - 1)
    rows = utilization(*(booking(0, 168, capacity_maximum=seats) for seats in limits))
    assert rows["seat_hours"].item() == 168.0 * (10 + 2**31 - 1)
    assert utilization(booking(0, 1))["seat_hours"].item() == 0.0


def test_utilization_is_of_the_open_hours_and_may_pass_one() -> None:
    rows = utilization(booking(0, 60), open_hours=40)
    assert rows.select("open_hours", "room_utilization").row(0) == (40.0, 1.5)


@pytest.mark.parametrize("rooms", [1, 2, 9])
def test_utilization_is_the_same_ratio_however_many_rooms_there_are(rooms: int) -> None:
    rows = utilization(*(booking(0, 11.5, venue_room=str(room)) for room in range(rooms)))
    assert rows["room_utilization"].to_list() == [11.5 / 60] * rooms


@pytest.mark.parametrize("open_hours", [0, -1, float("nan")])
def test_a_room_that_is_never_open_is_refused(open_hours: float) -> None:
    with pytest.raises(ValueError, match="open_hours"):
        utilization(booking(9, 10), open_hours=open_hours)


def test_an_organization_without_an_as_of_is_named() -> None:
    with pytest.raises(ValueError, match=f"events of {BOLT} are stored"):
        room_utilization(events_frame({"organization": BOLT}), as_of_frame(ACME))


def half_hours(events: pl.DataFrame) -> pl.DataFrame:
    """`room_utilization` the slow way: every half hour of every booking, one by one."""
    taken: defaultdict[tuple[Any, ...], Counter[datetime]] = defaultdict(Counter)
    seats: Counter[tuple[Any, ...]] = Counter()
    present: defaultdict[tuple[Any, ...], set[str]] = defaultdict(set)
    for event in events.iter_rows(named=True):
        room = (event["venue_room"] or "").strip() or None
        start, end = event["event_scheduled_start"], event["event_scheduled_end"]
        if (event["event_scheduling_status"] or "").strip().lower() == "cancelled":
            continue
        if None in (start, end) or (room is None and event["venue_location_identifier"] is None):
            continue
        while start < end:
            local = start + timedelta(minutes=event["event_scheduled_start_offset_minutes"] or 0)
            week = local.date() - timedelta(days=local.weekday())
            slot = (event["organization"], event["venue_location_identifier"], room, week)
            taken[slot][start] += 1
            seats[slot] += max(event["capacity_maximum"] or 0, 0)
            present[slot].add(event["event_identifier"])
            start += HALF_HOUR
    rows = [
        dict(zip(ROOM_UTILIZATION.grain, slot, strict=True))
        | {
            "booked_hours": len(bookings) / 2,
            "double_booked_hours": sum(count > 1 for count in bookings.values()) / 2,
            "events": len(present[slot]),
            "seat_hours": seats[slot] / 2,
            "peak_concurrent_events": max(bookings.values()),
            "open_hours": 60.0,
            "room_utilization": len(bookings) / 2 / 60,
            "as_of": AS_OF,
        }
        for slot, bookings in taken.items()
    ]
    frame = pl.DataFrame(rows, schema=ROOM_UTILIZATION.dtypes)
    return frame.sort(ROOM_UTILIZATION.grain)


@settings(deadline=None, max_examples=100)
@given(events=room_events)
def test_the_sweep_says_what_a_count_of_half_hours_says(events: pl.DataFrame) -> None:
    swept = room_utilization(events, as_of_frame(*ORGANIZATIONS))
    # 2**31 seats for hours are more microseconds than 64 bits of floating point tell apart.
    seat_hours = "seat_hours"
    counted = half_hours(events)
    assert_frame_equal(swept.drop(seat_hours), counted.drop(seat_hours), check_exact=True)
    assert swept[seat_hours].to_list() == pytest.approx(counted[seat_hours].to_list(), rel=1e-15)
