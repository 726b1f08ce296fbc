"""Laws of rooms: hours are conserved, no booking frees a room, order means nothing."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from booking_assets.tables.marts import ROOM_CONFLICTS, ROOM_UTILIZATION
from booking_assets.transforms import bookings, conflicts, rooms
from booking_assets.transforms.rules import NO_TIMEZONES
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
from booking_assets_tests.transforms.rows import Row, events_frame, identifier, timezones_frame
from booking_assets_tests.transforms.strategies import ORGANIZATIONS, room_events, timezones
from booking_assets_tests.transforms.strategies import bookings as booking_rows

MEASURES = ("booked_hours", "double_booked_hours", "seat_hours", "room_utilization")
COUNTS = ("events", "events_too_long", "peak_concurrent_events")
NOTHING, WEEK = timedelta(0), timedelta(weeks=1)

given_rooms = given(events=room_events)


def utilization_of(events: pl.DataFrame, timezones: pl.DataFrame = NO_TIMEZONES) -> pl.DataFrame:
    return rooms.room_utilization(events, AS_OF, timezones)


def conflicts_of(
    events: pl.DataFrame, as_of: pl.DataFrame = AS_OF, timezones: pl.DataFrame = NO_TIMEZONES
) -> pl.DataFrame:
    found = conflicts.room_conflicts(events, as_of, timezones)
    return pl.concat([ROOM_CONFLICTS.empty(), *found.frames])


def lower(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col("room").str.to_lowercase())


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
def test_the_hours_of_every_short_booking_are_in_its_weeks_and_nowhere_else(
    events: pl.DataFrame,
) -> None:
    length = pl.col("event_scheduled_end") - pl.col("event_scheduled_start")
    short = events.filter(length <= timedelta(days=1)).with_columns(
        capacity_maximum=pl.lit(1, dtype=pl.Int32)
    )
    booked = bookings.room_events(short).select(length.sum()).item() or timedelta(0)
    assert utilization_of(short)["seat_hours"].sum() == booked / timedelta(hours=1)


@laws
@given(events=room_events, timezones=timezones, weeks=weeks)
def test_a_room_is_booked_twice_no_longer_than_once_and_once_no_longer_than_a_week(
    events: pl.DataFrame, timezones: pl.DataFrame, weeks: int
) -> None:
    rows = utilization_of(later(events, weeks), timezones).with_columns(
        pl.col("double_booked_hours", "peak_concurrent_events").fill_null(0)
    )
    assert (rows["double_booked_hours"] <= rows["booked_hours"]).all()
    assert ((rows["events"] > 0) == (rows["booked_hours"] > 0)).all()
    assert (rows["events"] + rows["events_too_long"] > 0).all()
    assert (rows["peak_concurrent_events"] <= rows["events"]).all()
    assert ((rows["peak_concurrent_events"] > 1) == (rows["double_booked_hours"] > 0)).all()
    zones = dict(timezones.iter_rows())
    for row in rows.iter_rows(named=True):
        clock = ZoneInfo(zones.get(row["organization"], "UTC"))
        ends = [datetime.combine(row["week"] + at, time.min, clock) for at in (NOTHING, WEEK)]
        first, last = (end.astimezone(UTC) for end in ends)
        assert 0 <= row["booked_hours"] <= (last - first) / timedelta(hours=1)


@laws
@given(events=room_events, one_more=booking_rows, zone=st.sampled_from(["UTC", "Europe/London"]))
def test_one_more_booking_frees_no_room(events: pl.DataFrame, one_more: Row, zone: str) -> None:
    # With time zones: one more offset could be that of the room's clock.
    zones = timezones_frame(dict.fromkeys(ORGANIZATIONS, zone))
    more = pl.concat([events, events_frame(one_more | {"event_identifier": identifier(99)})])
    # Nor does one more spelling make another room.
    pairs = lower(utilization_of(events, zones)).join(
        lower(utilization_of(more, zones)),
        on=ROOM_UTILIZATION.grain,
        how="left",
        nulls_equal=True,
        suffix="_after",
    )
    for column in MEASURES + COUNTS:
        before = pairs.filter(pl.col(column).is_not_null())
        assert (before[column] <= before[f"{column}_after"]).fill_null(value=False).all()
    known = lower(conflicts_of(events, timezones=zones))
    assert_same(
        lower(conflicts_of(more, timezones=zones))
        .join(known, on=ROOM_CONFLICTS.grain, how="semi")
        .sort(ROOM_CONFLICTS.grain),
        known,
    )


@laws
@given(events=room_events, offset=st.integers(-840, 840))
def test_the_offset_in_which_an_instant_was_written_means_nothing_where_the_time_zone_is_known(
    events: pl.DataFrame, offset: int
) -> None:
    zones = timezones_frame(dict.fromkeys(ORGANIZATIONS, "Europe/London"))
    rewritten = events.with_columns(
        event_scheduled_start_offset_minutes=offsets(offset),
        event_scheduled_end_offset_minutes=offsets(-offset),
    )
    assert_same(conflicts_of(rewritten, AS_OF, zones), conflicts_of(events, AS_OF, zones))
    assert_same(utilization_of(rewritten, zones), utilization_of(events, zones))


@laws
@given(events=room_events, offset=st.integers(-840, 840))
def test_the_offset_in_which_an_instant_was_written_moves_no_conflict_of_short_bookings(
    events: pl.DataFrame, offset: int
) -> None:
    events = events.filter(
        pl.col("event_scheduled_end") - pl.col("event_scheduled_start") <= timedelta(days=1)
    )
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
    offset = pl.col(r"^event_scheduled_(start|end)_offset_minutes$")
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
