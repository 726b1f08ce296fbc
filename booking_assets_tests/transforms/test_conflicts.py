"""Conflicts by worked cases, and beside a comparison of every event with every other."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from itertools import combinations
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from booking_assets.tables.marts import ROOM_CONFLICTS
from booking_assets.transforms.conflicts import room_conflicts
from booking_assets.transforms.rooms import room_utilization
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
from booking_assets_tests.transforms.strategies import HALF_HOUR, ORGANIZATIONS, room_events

PAIR = ("first_event_identifier", "second_event_identifier")
CLASS = {"achievement_identifier": identifier(7), "event_class_code": "A1"}


def booking(start: float, end: float, **columns: Any) -> Row:
    """A booking of room 101, in hours since an instant."""
    return {
        "venue_room": "101",
        "event_scheduled_start": AS_OF + timedelta(hours=start),
        "event_scheduled_end": AS_OF + timedelta(hours=end),
    } | columns


def in_one(frames: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Frames of conflicts, or none, as one."""
    return pl.concat([ROOM_CONFLICTS.empty(), *frames])


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
            id="at the same instant, whatever the offsets",
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
    found = [
        in_one(room_conflicts(events, as_of_frame(), most))["room"].to_list() for most in (5, 6)
    ]
    assert found == [["101"], ["Online"] * 6 + ["101"]]


def every_pair(events: pl.DataFrame) -> pl.DataFrame:
    """`room_conflicts` the slow way: each event beside each other one."""
    rows = []
    for pair in combinations(events.iter_rows(named=True), 2):
        first, second = sorted(
            pair, key=lambda one: (str(one["event_scheduled_start"]), one["event_identifier"])
        )
        instants = [one[f"event_scheduled_{at}"] for one in pair for at in ("start", "end")]
        rooms = [(one["venue_room"] or "").strip() for one in pair]
        statuses = [(one["event_scheduling_status"] or "").strip().lower() for one in pair]
        same_place = all(
            first[name] == second[name] for name in ("organization", "venue_location_identifier")
        )
        if "" in rooms or len({*rooms}) > 1 or not same_place or "cancelled" in statuses:
            continue
        if None in instants or instants[0] >= instants[1] or instants[2] >= instants[3]:
            continue
        start, end = max(instants[0], instants[2]), min(instants[1], instants[3])
        if start >= end:
            continue
        classes = {
            (one["achievement_identifier"], (one["event_class_code"] or "").strip()) for one in pair
        }
        rows.append(
            {name: first.get(name) for name in ROOM_CONFLICTS.column_names}
            | {
                "room": rooms[0],
                "first_event_identifier": first["event_identifier"],
                "second_event_identifier": second["event_identifier"],
                "overlap_start": start,
                "overlap_end": end,
                "overlap_minutes": (end - start) / timedelta(minutes=1),
                "same_class": len(classes) == 1 and all(classes.pop()),
                "as_of": AS_OF,
            }
        )
    return pl.DataFrame(rows, schema=ROOM_CONFLICTS.dtypes).sort(ROOM_CONFLICTS.grain)


@settings(deadline=None, max_examples=100)
@given(events=room_events)
def test_the_pairs_are_those_that_a_comparison_of_all_with_all_finds(events: pl.DataFrame) -> None:
    found = in_one(room_conflicts(events, as_of_frame(*ORGANIZATIONS)))
    assert_frame_equal(found, every_pair(events), check_exact=True)


@settings(deadline=None, max_examples=50)
@given(events=room_events, at_once=st.integers(1, 20))
def test_conflicts_are_the_same_however_many_come_at_once(
    events: pl.DataFrame, at_once: int
) -> None:
    as_of = as_of_frame(*ORGANIZATIONS)
    frames = [*room_conflicts(events, as_of, at_once=at_once)]
    assert [frame.height for frame in frames[:-1]] == [at_once] * (len(frames) - 1)
    assert all(1 <= frame.height <= at_once for frame in frames[-1:])
    assert_frame_equal(
        in_one(frames).sort(ROOM_CONFLICTS.grain), in_one(room_conflicts(events, as_of))
    )


@settings(deadline=None, max_examples=50)
@given(events=room_events)
def test_rooms_are_double_booked_exactly_while_events_conflict(events: pl.DataFrame) -> None:
    # In one offset: where offsets differ, two events can share an instant and not the week.
    events = events.with_columns(event_scheduled_start_offset_minutes=pl.lit(0, dtype=pl.Int32))
    as_of = as_of_frame(*ORGANIZATIONS)
    instants = set()
    for conflict in in_one(room_conflicts(events, as_of)).iter_rows(named=True):
        at = conflict["overlap_start"]
        while at < conflict["overlap_end"]:
            instants.add((*(conflict[name] for name in ROOM_CONFLICTS.column_names[:3]), at))
            at += HALF_HOUR
    rooms = room_utilization(events, as_of).filter(pl.col("room").is_not_null())
    assert rooms["double_booked_hours"].sum() == len(instants) / 2
