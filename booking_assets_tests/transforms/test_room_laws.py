"""Laws of rooms: hours are conserved, no booking frees a room, order means nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from booking_assets.tables.marts import ROOM_CONFLICTS, ROOM_UTILIZATION
from booking_assets.transforms import conflicts, rooms
from booking_assets_tests.transforms.laws import (
    AS_OF,
    assert_keeps_contract,
    assert_same,
    by_organization,
    later,
    laws,
    seeds,
    shuffled,
    weeks,
)
from booking_assets_tests.transforms.rows import Row, events_frame, identifier
from booking_assets_tests.transforms.strategies import bookings, room_events

MEASURES = ("booked_hours", "double_booked_hours", "seat_hours", "room_utilization")
COUNTS = ("events", "peak_concurrent_events")

given_rooms = given(events=room_events)


def utilization_of(events: pl.DataFrame) -> pl.DataFrame:
    return rooms.room_utilization(events, AS_OF)


def conflicts_of(events: pl.DataFrame, as_of: pl.DataFrame = AS_OF) -> pl.DataFrame:
    return pl.concat([ROOM_CONFLICTS.empty(), *conflicts.room_conflicts(events, as_of)])


def offsets(minutes: int | None) -> Any:
    return pl.lit(minutes, dtype=pl.Int32)


@laws
@given_rooms
def test_rooms_keep_their_contracts_and_grains(events: pl.DataFrame) -> None:
    assert_keeps_contract(utilization_of(events), ROOM_UTILIZATION)
    assert_keeps_contract(conflicts_of(events), ROOM_CONFLICTS)


@laws
@given(events=room_events, seed=seeds)
def test_the_order_of_rows_means_nothing_to_rooms(events: pl.DataFrame, seed: int) -> None:
    assert_same(utilization_of(shuffled(events, seed)), utilization_of(events))
    assert_same(conflicts_of(shuffled(events, seed)), conflicts_of(events))


@laws
@given_rooms
def test_merging_organizations_adds_up_for_rooms(events: pl.DataFrame) -> None:
    apart = by_organization(events)
    assert_same(pl.concat(map(utilization_of, apart)), utilization_of(events))
    assert_same(pl.concat(map(conflicts_of, apart)), conflicts_of(events))


@laws
@given_rooms
def test_the_hours_of_every_booking_are_in_its_weeks_and_nowhere_else(events: pl.DataFrame) -> None:
    one_seat_each = events.with_columns(capacity_maximum=pl.lit(1, dtype=pl.Int32))
    length = pl.col("event_scheduled_end") - pl.col("event_scheduled_start")
    booked = rooms.room_bookings(events).select(length.sum()).item() or timedelta(0)
    assert utilization_of(one_seat_each)["seat_hours"].sum() == booked / timedelta(hours=1)


@laws
@given_rooms
def test_a_room_is_booked_twice_no_longer_than_once_and_once_no_longer_than_a_week(
    events: pl.DataFrame,
) -> None:
    # In one offset, since a week is as much longer as the offsets of its bookings differ.
    rows = utilization_of(events.with_columns(event_scheduled_start_offset_minutes=offsets(330)))
    assert (rows["double_booked_hours"] <= rows["booked_hours"]).all()
    assert rows["booked_hours"].is_between(0, 168, closed="right").all()
    assert rows["peak_concurrent_events"].is_between(1, rows["events"]).all()
    assert ((rows["peak_concurrent_events"] > 1) == (rows["double_booked_hours"] > 0)).all()


@laws
@given(events=room_events, one_more=bookings)
def test_one_more_booking_frees_no_room(events: pl.DataFrame, one_more: Row) -> None:
    more = pl.concat([events, events_frame(one_more | {"event_identifier": identifier(99)})])
    grain = ROOM_UTILIZATION.grain
    pairs = utilization_of(events).join(
        utilization_of(more), on=grain, how="left", nulls_equal=True, suffix="_after"
    )
    for column in MEASURES + COUNTS:
        assert (pairs[column] <= pairs[f"{column}_after"]).fill_null(value=False).all()
    known = conflicts_of(events)
    assert_same(
        conflicts_of(more)
        .join(known, on=ROOM_CONFLICTS.grain, how="semi")
        .sort(ROOM_CONFLICTS.grain),
        known,
    )


@laws
@given(events=room_events, offset=st.integers(-840, 840))
def test_the_offset_in_which_an_instant_was_written_moves_no_conflict(
    events: pl.DataFrame, offset: int
) -> None:
    rewritten = events.with_columns(event_scheduled_start_offset_minutes=offsets(offset))
    assert_same(conflicts_of(rewritten), conflicts_of(events))


@laws
@given(events=room_events, written=st.lists(st.integers(-840, 840), min_size=12, max_size=12))
def test_offsets_that_keep_a_booking_in_its_week_change_nothing(
    events: pl.DataFrame, written: list[int]
) -> None:
    # From Sunday noon to Monday noon in UTC; four days on, no offset leaves the week.
    days = timedelta(days=4)
    within = events.filter(
        pl.col("event_scheduled_end") - pl.col("event_scheduled_start") <= timedelta(days=1)
    ).with_columns(pl.col("event_scheduled_start", "event_scheduled_end") - pl.lit(days))
    rewritten = within.with_columns(
        event_scheduled_start_offset_minutes=pl.Series(written[: within.height], dtype=pl.Int32)
    )
    assert_same(utilization_of(rewritten), utilization_of(within))


@laws
@given_rooms
def test_an_unknown_offset_is_the_offset_of_utc_for_rooms(events: pl.DataFrame) -> None:
    offset = pl.col("event_scheduled_start_offset_minutes")
    assert_same(utilization_of(events.with_columns(offset.fill_null(0))), utilization_of(events))


@laws
@given(events=room_events, weeks=weeks)
def test_rooms_know_no_other_time_than_what_they_are_given(
    events: pl.DataFrame, weeks: int
) -> None:
    as_of = later(AS_OF, weeks)
    moved = later(events, weeks)
    assert_same(rooms.room_utilization(moved, as_of), later(utilization_of(events), weeks))
    assert_same(conflicts_of(moved, as_of), later(conflicts_of(events), weeks))


@laws
@given_rooms
def test_the_columns_to_read_are_enough_for_rooms(events: pl.DataFrame) -> None:
    assert_same(utilization_of(events.select(rooms.EVENT_COLUMNS)), utilization_of(events))
    assert_same(conflicts_of(events.select(conflicts.EVENT_COLUMNS)), conflicts_of(events))
