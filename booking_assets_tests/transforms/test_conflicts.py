"""Conflicts by worked cases, and beside a comparison of every event with every other."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import combinations
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from booking_assets.tables.marts import ROOM_CONFLICTS
from booking_assets.transforms.bookings import LONGEST_BOOKING, ROOM
from booking_assets.transforms.conflicts import Conflicts, room_conflicts
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
    identifier,
)
from booking_assets_tests.transforms.strategies import ORGANIZATIONS, room_events, timezones

PAIR = ("first_event_identifier", "second_event_identifier")
CLASS = {"achievement_identifier": identifier(7), "event_class_code": "A1"}


def booking(start: float, end: float, **columns: Any) -> Row:
    """A booking of room 101, in hours since an instant."""
    return {
        "venue_room": "101",
        "event_scheduled_start": AS_OF + timedelta(hours=start),
        "event_scheduled_end": AS_OF + timedelta(hours=end),
    } | columns


def in_one(found: Conflicts) -> pl.DataFrame:
    """Frames of conflicts, or none, as one."""
    return pl.concat([ROOM_CONFLICTS.empty(), *found.frames])


def conflicts(*events: Row) -> pl.DataFrame:
    return in_one(room_conflicts(events_frame(*events), as_of_frame(ACME, BOLT)))


def pairs(*events: Row) -> list[tuple[int, int]]:
    """The positions of the events that conflict."""
    positions = {identifier(position): position for position in range(len(events))}
    return [(positions[a], positions[b]) for a, b in conflicts(*events).select(PAIR).rows()]


def test_a_conflict_says_who_where_and_for_how_long() -> None:
    here: Row = {"venue_location_identifier": VENUE, "venue_room": " 101 "}
    (row,) = conflicts(booking(10, 12) | here, booking(9, 10.5) | here).rows(named=True)
    assert row == {
        "organization": ACME,
        "venue_location_identifier": VENUE,
        "venue_name": None,
        "room": "101",
        "first_event_identifier": identifier(1),
        "second_event_identifier": identifier(0),
        "overlap_start": AS_OF + timedelta(hours=10),
        "overlap_end": AS_OF + timedelta(hours=10.5),
        "overlap_minutes": 30.0,
        "basis": "exact",
        "same_class": False,
        "as_of": AS_OF,
    }


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([booking(9, 10), booking(10, 11)], [], id="touching"),
        pytest.param([booking(9, 12), booking(10, 11)], [(0, 1)], id="one within the other"),
        pytest.param([booking(9, 10), booking(9, 10)], [(0, 1)], id="identical: by identifier"),
        pytest.param([booking(9, 10), booking(8, 10)], [(1, 0)], id="the earlier comes first"),
        pytest.param(
            [booking(9, 12), booking(9, 10), booking(11, 12)],
            [(0, 1), (0, 2)],
            id="two within, apart",
        ),
        pytest.param(
            [booking(9, 12), booking(9, 12), booking(9, 12)],
            [(0, 1), (0, 2), (1, 2)],
            id="three at once are three pairs",
        ),
        pytest.param(
            [booking(9, 10), booking(9, 10, venue_room="102")], [], id="in different rooms"
        ),
        pytest.param(
            [booking(9, 10), booking(9, 10, venue_location_identifier=VENUE)],
            [],
            id="in different venues",
        ),
        pytest.param(
            [booking(9, 10), booking(9, 10, organization=BOLT)], [], id="of different organizations"
        ),
        pytest.param(
            [booking(9, 10, venue_room=" ", venue_location_identifier=VENUE)] * 2,
            [],
            id="at a venue without a room",
        ),
        pytest.param(
            [booking(9, 10), booking(9, 10, event_scheduling_status="cancelled")],
            [],
            id="one is cancelled",
        ),
        pytest.param(
            [booking(9, 11), booking(10, 10)], [], id="an event of no length is in nobody's way"
        ),
        pytest.param(
            [
                booking(9, 10, event_scheduled_start_offset_minutes=-480),
                booking(9, 10, event_scheduled_start_offset_minutes=60),
            ],
            [(0, 1)],
            id="at the same instant, in other offsets",
        ),
    ],
)
def test_two_events_conflict_where_they_have_a_room_at_once(
    events: list[Row], expected: list[tuple[int, int]]
) -> None:
    assert pairs(*events) == expected


def test_of_two_that_start_together_the_smaller_identifier_is_first() -> None:
    numbers = (5, 3, 9, 1)
    events = [booking(9, 9 + n, event_identifier=identifier(n)) for n in numbers]
    assert conflicts(*events).select(PAIR).rows() == [
        (identifier(first), identifier(second))
        for first, second in combinations(sorted(numbers), 2)
    ]


def test_an_overlap_of_a_microsecond_is_one() -> None:
    events = booking(9, 10), booking(10, 11)
    events[0]["event_scheduled_end"] += INSTANT
    assert conflicts(*events)["overlap_minutes"].to_list() == [INSTANT / timedelta(minutes=1)]


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param(CLASS, True, id="both agree"),
        pytest.param(CLASS | {"event_class_code": " A1 "}, True, id="blanks around"),
        pytest.param(CLASS | {"event_class_code": "a1"}, False, id="another case is another code"),
        pytest.param(CLASS | {"event_class_code": "B2"}, False, id="another code"),
        pytest.param(CLASS | {"event_class_code": None}, False, id="no code"),
        pytest.param(
            CLASS | {"achievement_identifier": identifier(8)}, False, id="another achievement"
        ),
        pytest.param(CLASS | {"achievement_identifier": None}, False, id="no achievement"),
    ],
)
def test_the_same_class_agrees_in_achievement_and_code(other: Row, expected: bool) -> None:
    rows = conflicts(booking(9, 10) | CLASS, booking(9, 10) | other)
    assert rows["same_class"].to_list() == [expected]


@pytest.mark.parametrize("missing", [None, " "])
@pytest.mark.parametrize("column", ["achievement_identifier", "event_class_code"])
def test_two_unknowns_are_not_the_same_class(column: str, missing: str | None) -> None:
    event = booking(9, 10) | CLASS | {column: missing}
    assert conflicts(event, event)["same_class"].to_list() == [False]


def test_a_text_with_more_conflicts_than_a_room_can_have_is_left_out_whole() -> None:
    crowd = [booking(9, 10, venue_room="Online")] * 4
    events = events_frame(*crowd, booking(9, 10), booking(9, 10))
    found = [room_conflicts(events, as_of_frame(), most_a_room=most) for most in (5, 6)]
    assert [one.left_out.rows() for one in found] == [[(ACME, None, "Online")], []]
    rooms = [in_one(one)["room"].to_list() for one in found]
    assert rooms == [["101"], ["Online"] * 6 + ["101"]]


@settings(deadline=None, max_examples=100)
@given(events=room_events, timezones=timezones, weeks=st.sampled_from([0, -1, 30]))
def test_the_pairs_are_those_that_a_comparison_of_all_with_all_finds(
    events: pl.DataFrame, timezones: pl.DataFrame, weeks: int
) -> None:
    events = later(events, weeks)
    found = in_one(room_conflicts(events, as_of_frame(*ORGANIZATIONS), timezones))
    compared = room_reference.conflicts(events, dict(timezones.iter_rows()), LONGEST_BOOKING)
    assert_frame_equal(found, compared, check_exact=True)


@settings(deadline=None, max_examples=50)
@given(events=room_events, at_once=st.integers(1, 20))
def test_conflicts_are_the_same_however_many_come_at_once(
    events: pl.DataFrame, at_once: int
) -> None:
    as_of = as_of_frame(*ORGANIZATIONS)
    found = room_conflicts(events, as_of, at_once=at_once)
    frames = [*found.frames]
    assert [frame.height for frame in frames[:-1]] == [at_once] * (len(frames) - 1)
    assert all(1 <= frame.height <= at_once for frame in frames[-1:])
    assert_frame_equal(
        pl.concat([ROOM_CONFLICTS.empty(), *frames]).sort(ROOM_CONFLICTS.grain),
        in_one(room_conflicts(events, as_of)),
    )


@settings(deadline=None, max_examples=50)
@given(events=room_events, timezones=timezones, weeks=st.sampled_from([0, -1, 30]))
def test_rooms_are_double_booked_exactly_while_events_conflict(
    events: pl.DataFrame, timezones: pl.DataFrame, weeks: int
) -> None:
    events, as_of = later(events, weeks), as_of_frame(*ORGANIZATIONS)
    instants: Counter[tuple[Any, ...]] = Counter()
    for conflict in in_one(room_conflicts(events, as_of, timezones)).iter_rows(named=True):
        overlap = conflict["overlap_start"], conflict["overlap_end"]
        room = tuple(conflict[name] for name in ROOM)
        instants |= Counter((*room, at) for at in room_reference.half_hours(overlap))
    rooms = room_utilization(events, as_of, timezones).filter(pl.col("double_booked_hours") > 0)
    hours = rooms.group_by(ROOM).agg(pl.col("double_booked_hours").sum()).rows()
    counted = Counter(room for *room_parts, _ in instants for room in [tuple(room_parts)])
    assert {tuple(room): total for *room, total in hours} == {
        room: count / 2 for room, count in counted.items()
    }
