"""Rooms by worked cases, and beside a count of half hours that is slow and plain to see."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from booking_assets.tables.marts import ROOM_UTILIZATION
from booking_assets.transforms.bookings import LONGEST_BOOKING
from booking_assets.transforms.rooms import room_utilization
from booking_assets_tests.transforms import room_reference
from booking_assets_tests.transforms.laws import later
from booking_assets_tests.transforms.rows import (
    ACME,
    AS_OF,
    BOLT,
    INSTANT,
    VENUE,
    Row,
    as_of_frame,
    events_frame,
    timezones_frame,
)
from booking_assets_tests.transforms.strategies import ORGANIZATIONS, room_events, timezones

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def booking(start: float, end: float | None, **columns: Any) -> Row:
    """A booking of room 101, in hours since a Monday at 0:00 UTC."""
    return {
        "venue_room": "101",
        "event_scheduled_start": MONDAY + timedelta(hours=start),
        "event_scheduled_end": None if end is None else MONDAY + timedelta(hours=end),
    } | columns


def utilization(*events: Row, open_hours: float = 60) -> pl.DataFrame:
    frame = events_frame(*events)
    return room_utilization(frame, as_of_frame(ACME, BOLT), open_hours=open_hours)


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
        booking(0, 23),
        booking(0, 0) | {"venue_room": "102", "event_scheduled_end": MONDAY + INSTANT},
    )
    assert rows["booked_hours"].to_list() == [23.0, INSTANT / timedelta(hours=1)]


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(booking(9, 10, event_scheduling_status=" CANCELLED "), id="cancelled"),
        pytest.param(booking(9, 9), id="of no length"),
        pytest.param(booking(10, 9), id="of negative length"),
        pytest.param(booking(9, None), id="without an end"),
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


def written(start: str, end: str, **columns: Any) -> Row:
    """A booking of room 101, from and to local times with their offsets."""
    row: Row = {"venue_room": "101"}
    for name, text in (("start", start), ("end", end)):
        at = datetime.fromisoformat(text)
        offset = (at.utcoffset() or timedelta()) // timedelta(minutes=1)
        row |= {f"event_scheduled_{name}": at, f"event_scheduled_{name}_offset_minutes": offset}
    return row | columns


def hours_of(*events: Row, timezone: str | None = None) -> tuple[Any, Any]:
    """The hours booked, and double-booked, in all weeks."""
    zones = timezones_frame({ACME: timezone} if timezone else {})
    rows = room_utilization(events_frame(*events), as_of_frame(ACME), zones)
    return rows["booked_hours"].sum(), rows["double_booked_hours"].sum()


@pytest.mark.parametrize("timezone", [None, "America/Toronto"])
def test_two_classes_of_weeks_are_booked_by_day_over_a_change_of_clocks(
    timezone: str | None,
) -> None:
    classes = [
        written("2026-10-26T09:00-04:00", "2026-11-20T17:00-05:00"),
        written("2026-11-03T09:00-05:00", "2026-11-20T17:00-05:00"),
    ]
    assert hours_of(*classes, timezone=timezone) == (160, 112)


@pytest.mark.parametrize(
    ("start", "end", "booked"),
    [
        pytest.param("2026-03-02T09:00Z", "2026-03-03T09:00Z", 24, id="24 hours as they are"),
        pytest.param("2026-03-02T09:00Z", "2026-03-03T10:00Z", 2, id="longer: two days"),
        pytest.param("2026-03-02T09:00Z", "2026-03-06T16:00Z", 35, id="Monday to Friday"),
        pytest.param("2026-03-02T09:00Z", "2026-03-13T16:00Z", 70, id="not at the weekend"),
        pytest.param("2026-03-07T09:00Z", "2026-03-09T16:00Z", 21, id="from a Saturday: each day"),
        pytest.param("2026-03-05T09:00Z", "2026-03-08T16:00Z", 28, id="to a Sunday: each day"),
        pytest.param("2026-03-06T18:00Z", "2026-03-09T08:00Z", 42, id="three nights"),
        pytest.param("2026-03-02T22:00Z", "2026-03-09T06:00Z", 56, id="seven nights"),
        pytest.param("2026-03-02T22:00Z", "2026-03-07T06:00Z", 40, id="Friday night, not Saturday"),
        pytest.param("2026-03-02T00:00Z", "2026-03-09T00:00Z", 168, id="day and night"),
        pytest.param("2026-03-02T09:00Z", "2026-04-02T09:00Z", 23 * 24, id="31 days"),
        pytest.param("2026-03-02T09:00Z", "2026-04-02T09:01Z", 0, id="longer than 31 days"),
        pytest.param("2026-01-05T09:00Z", "2026-05-05T16:00Z", 0, id="a term of four months"),
    ],
)
def test_an_event_of_more_than_24_hours_books_each_day_or_each_night(
    start: str, end: str, booked: float
) -> None:
    event = written(start, end)
    assert hours_of(event) == (booked, 0)
    assert hours_of(event, event) == (booked, booked)


def test_a_booking_of_many_weeks_makes_a_row_in_each() -> None:
    rows = utilization(booking(24, 3 * 168 + 25, capacity_maximum=2))
    assert rows.select("week", "booked_hours", "events", "seat_hours").rows() == [
        (date(2026, 3, 2), 4.0, 1, 8.0),
        (date(2026, 3, 9), 5.0, 1, 10.0),
        (date(2026, 3, 16), 5.0, 1, 10.0),
        (date(2026, 3, 23), 2.0, 1, 4.0),
    ]


def test_an_event_that_is_too_long_is_counted_where_it_starts_and_books_nothing() -> None:
    term = booking(7 * 24 - 1, 3000, capacity_maximum=9, event_scheduled_start_offset_minutes=60)
    counted = ("week", "booked_hours", "events", "events_too_long", "seat_hours")
    assert utilization(term).select(*counted, "peak_concurrent_events").rows() == [
        (date(2026, 3, 9), 0.0, 0, 1, 0.0, 0)
    ]
    both = utilization(term, booking(7 * 24 - 2, 7 * 24, event_scheduled_start_offset_minutes=60))
    assert both.select(counted).rows() == [
        (date(2026, 3, 2), 1.0, 1, 0, 0.0),
        (date(2026, 3, 9), 1.0, 1, 1, 0.0),
    ]


def test_the_setting_says_how_long_a_booking_may_be() -> None:
    event = events_frame(booking(9, 9 + 3 * 24 + 1))
    rows = [room_utilization(event, as_of_frame(), longest=timedelta(days=days)) for days in (3, 4)]
    assert [one["booked_hours"].item() for one in rows] == [0, 4]
    assert [one["events_too_long"].item() for one in rows] == [1, 0]


def test_weeks_of_a_room_begin_by_the_offset_that_most_of_its_events_were_written_with() -> None:
    sunday_evening = booking(7 * 24 - 1, 7 * 24)
    offsets = [60, -300, 60, None, None]
    events = [sunday_evening | {"event_scheduled_start_offset_minutes": one} for one in offsets]
    assert utilization(*events)["week"].to_list() == [date(2026, 3, 2)]
    assert utilization(*events[:4])["week"].to_list() == [date(2026, 3, 9)]


def test_the_same_instants_in_two_offsets_are_double_booked_over_sunday_midnight() -> None:
    # Midnight is by the smaller offset; in the other one the booking begins on Monday.
    events = [
        booking(7 * 24 - 1, 7 * 24 + 1, event_scheduled_start_offset_minutes=offset)
        for offset in (0, 120)
    ]
    rows = utilization(*events)
    assert rows.select("booked_hours", "double_booked_hours").rows() == [(1, 1), (1, 1)]


def test_a_week_begins_by_the_time_zone_and_has_the_hours_that_its_clocks_give_it() -> None:
    zones = timezones_frame({ACME: "America/Toronto"})
    events = [booking(24 * day, 24 * day + 24) for day in range(15)]
    rows = room_utilization(events_frame(*events), as_of_frame(ACME), zones)
    assert dict(rows.select("week", "booked_hours").iter_rows()) == {
        date(2026, 2, 23): 5,
        date(2026, 3, 2): 167,
        date(2026, 3, 9): 168,
        date(2026, 3, 16): 20,
    }


@pytest.mark.parametrize(
    ("start", "end", "nights"),
    [
        pytest.param("2026-03-05T22:00", "2026-03-08T06:00", [8, 8, 7], id="put forward"),
        pytest.param("2026-10-30T22:00", "2026-11-01T06:00", [8, 9], id="put back"),
        pytest.param("2026-03-07T02:30", "2026-03-09T02:30", [24, 23], id="at a time left out"),
        pytest.param("2026-03-06T03:00", "2026-03-09T02:30", [23.5, 23, 23.5], id="to a left out"),
    ],
)
def test_a_night_has_the_hours_that_the_clocks_of_the_time_zone_give_it(
    start: str, end: str, nights: list[float]
) -> None:
    zone = ZoneInfo("America/Toronto")
    event = booking(0, 0) | {
        f"event_scheduled_{name}": datetime.fromisoformat(text).replace(tzinfo=zone)
        for name, text in (("start", start), ("end", end))
    }
    assert hours_of(event, timezone=zone.key) == (sum(nights), 0)


def test_a_room_that_is_not_known_is_not_double_booked() -> None:
    venue = {"venue_room": None, "venue_location_identifier": VENUE}
    rows = utilization(*[booking(9, 10) | venue] * 2)
    assert rows.select(
        "booked_hours", "events", "double_booked_hours", "peak_concurrent_events"
    ).rows() == [(1, 2, None, None)]


@pytest.mark.parametrize(
    ("spellings", "shown"),
    [
        pytest.param(["Lab B", "LAB B", " lab  b", "LAB\u00a0B\t"], "LAB B", id="most often"),
        pytest.param(["b", "B"], "B", id="of equals, the smallest"),
        pytest.param(["Été", "ÉTÉ", "été", "été"], "été", id="accents"),
    ],
)
def test_a_room_is_one_however_it_is_spelled(spellings: list[str], shown: str) -> None:
    rows = utilization(*(booking(9, 10, venue_room=one) for one in spellings))
    assert rows.select("room", "events").rows() == [(shown, len(spellings))]


def test_a_week_of_the_year_1_is_one_that_python_reads() -> None:
    event = booking(0, 1, event_scheduled_start_offset_minutes=-300)
    rows = utilization(event | {"event_scheduled_start": datetime(1, 1, 1, tzinfo=UTC)})
    assert rows.select("week", "events_too_long").rows() == [(date(1, 1, 1), 1)]


def test_bookings_overlap_where_their_instants_do_whatever_their_offsets() -> None:
    events = [booking(9, 10, event_scheduled_start_offset_minutes=offset) for offset in (-480, 60)]
    assert utilization(*events)["double_booked_hours"].to_list() == [1.0]


def test_seat_hours_are_those_of_events_with_a_maximum() -> None:
    limits = (10, None, 0, -5, 2**31 - 1)
    rows = utilization(*(booking(0, 168, capacity_maximum=seats) for seats in limits))
    assert rows["seat_hours"].item() == 168.0 * (10 + 2**31 - 1)
    assert utilization(booking(0, 1))["seat_hours"].item() == 0.0


def test_utilization_is_of_the_open_hours_and_may_pass_one() -> None:
    rows = utilization(booking(0, 20), booking(24, 44), booking(48, 68), open_hours=40)
    assert rows.select("open_hours", "room_utilization").row(0) == (40.0, 1.5)


@pytest.mark.parametrize("rooms", [1, 2, 9])
def test_utilization_is_the_same_ratio_however_many_rooms_there_are(rooms: int) -> None:
    rows = utilization(*(booking(0, 11.5, venue_room=str(room)) for room in range(rooms)))
    assert rows["room_utilization"].to_list() == [11.5 / 60] * rooms


def test_an_organization_without_an_as_of_is_named() -> None:
    with pytest.raises(ValueError, match=f"events of {BOLT} are stored"):
        room_utilization(events_frame({"organization": BOLT}), as_of_frame(ACME))


@settings(deadline=None, max_examples=100)
@given(events=room_events, timezones=timezones, weeks=st.sampled_from([0, -1, 30]))
def test_the_sweep_says_what_a_count_of_half_hours_says(
    events: pl.DataFrame, timezones: pl.DataFrame, weeks: int
) -> None:
    events = later(events, weeks).with_columns(collected_at=pl.lit(AS_OF))
    swept = room_utilization(events, as_of_frame(*ORGANIZATIONS), timezones)
    # 2**31 seats for hours are more microseconds than 64 bits of floating point tell apart.
    seat_hours = "seat_hours"
    counted = room_reference.utilization(events, dict(timezones.iter_rows()), LONGEST_BOOKING)
    assert_frame_equal(swept.drop(seat_hours), counted.drop(seat_hours), check_exact=True)
    assert swept[seat_hours].to_list() == pytest.approx(counted[seat_hours].to_list(), rel=1e-15)
