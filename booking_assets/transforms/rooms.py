"""Rules of `marts.room_utilization`, and `room_bookings`: which events book a room.

Pairs of events in one room are in `conflicts`.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from booking_assets.tables.marts import ROOM_UTILIZATION
from booking_assets.transforms.rules import (
    conform_to,
    equals_ignoring_case,
    hours,
    local_time,
    with_as_of,
)

EVENT_COLUMNS: tuple[str, ...] = (
    "organization",
    "venue_location_identifier",
    "venue_room",
    "event_scheduling_status",
    "event_scheduled_start",
    "event_scheduled_start_offset_minutes",
    "event_scheduled_end",
    "capacity_maximum",
)
"""The columns of `raw.events` that `room_utilization` reads."""

ROOM_COLUMNS: tuple[str, ...] = ("organization", "venue_location_identifier", "venue_room")
"""The columns of `raw.events` that identify a room: its events must be passed in one frame."""

ROOM: tuple[str, ...] = ("organization", "venue_location_identifier", "room")
"""The key of a room; two nulls are the same venue, or the same room."""

OPEN_HOURS = 60.0
"""Hours a week for which a room may be booked, unless a setting says otherwise."""

LONGEST_BOOKING = timedelta(days=3653)
"""Ten years: a longer event has a mistyped date, such as 9999, and would fill 400,000 weeks."""

_SLOT = ("room_number", "week")


def room_utilization(
    events: pl.DataFrame, as_of: pl.DataFrame, open_hours: float = OPEN_HOURS
) -> pl.DataFrame:
    """`marts.room_utilization`: hours booked, double-booked and offered, by room and week.

    Bookings overlap where their instants do, independently of offsets; those that touch do not. A
    booking makes a row in each week that it reaches into. The offset of an event's start decides
    where its weeks begin, so that its hours add up to its length also when the venue's clocks
    change before its end.

    Raises:
        ValueError: `open_hours`, the hours a week for which a room may be booked, is not positive.
    """
    if not open_hours > 0:
        raise ValueError(f"open_hours is {open_hours:g}: give the hours a week, more than 0")
    bookings = room_bookings(with_as_of(events.select(EVENT_COLUMNS), as_of))
    rooms = bookings.select("room_number", *ROOM, "as_of").unique("room_number")
    return conform_to(
        _swept(_edges(_weekly(bookings)))
        .join(rooms, on="room_number", validate="m:1")
        .with_columns(
            booked_hours=hours(pl.col("booked")),
            double_booked_hours=hours(pl.col("double_booked")),
            seat_hours=hours(pl.col("offered")),
            # A column: polars does not divide exactly by a constant (see `rules`).
            open_hours=open_hours + 0 * pl.col("booked").cast(pl.Float64),
        )
        .with_columns(room_utilization=pl.col("booked_hours") / pl.col("open_hours")),
        ROOM_UTILIZATION,
    )


def room_bookings(events: pl.DataFrame) -> pl.DataFrame:
    """The events that book a room or a venue for a time, each with its room.

    They are not cancelled, end after they start (one without an end books nothing), and last
    `LONGEST_BOOKING` at most.

    Returns:
        The given columns, `room` (the trimmed text; null where blank) and `room_number`, which
        stands for `ROOM` in this frame alone.
    """
    text = pl.col("venue_room").str.strip_chars()
    length = pl.col("event_scheduled_end") - pl.col("event_scheduled_start")
    bookings = events.with_columns(room=pl.when(text != "").then(text)).filter(
        ~equals_ignoring_case("event_scheduling_status", "Cancelled"),
        pl.any_horizontal(pl.col("venue_location_identifier", "room").is_not_null()),
        length > timedelta(0),
        length <= LONGEST_BOOKING,
    )
    rooms = bookings.select(ROOM).unique().with_row_index("room_number")
    return bookings.join(rooms, on=ROOM, nulls_equal=True, validate="m:1")


def _weekly(bookings: pl.DataFrame) -> pl.DataFrame:
    """The share of each booking in each week that it reaches into: `week`, `since`, `until`."""
    start, end = pl.col("event_scheduled_start"), pl.col("event_scheduled_end")
    local_start = local_time("event_scheduled_start")
    local_last = local_start + (end - start) - pl.duration(microseconds=1)
    monday, offset = pl.col("monday"), pl.col("offset")
    return (
        bookings.with_columns(
            offset=local_start - start,
            monday=local_start.dt.truncate("1w"),
            last_monday=local_last.dt.truncate("1w"),
        )
        .with_columns(
            later=pl.int_ranges((pl.col("last_monday") - monday).dt.total_days() // 7 + 1)
        )
        .explode("later")
        .with_columns(monday=monday + pl.duration(weeks=pl.col("later")))
        .with_columns(
            week=monday.dt.date(),
            since=pl.max_horizontal(start, monday - offset),
            until=pl.min_horizontal(end, monday - offset + pl.duration(weeks=1)),
        )
    )


def _edges(shares: pl.DataFrame) -> pl.DataFrame:
    """The begin and end of each booking, sorted by room, week and time.

    `change` is 1 at a begin and -1 at an end; `offered`, the seats x microseconds, is at the begin.
    """
    # 2**31 seats for a week are more microseconds than 64 bits hold.
    seats = pl.col("capacity_maximum").clip(lower_bound=0).fill_null(0).cast(pl.Int128)
    length = (pl.col("until") - pl.col("since")).dt.total_microseconds()
    begins = shares.select(*_SLOT, at="since", change=pl.lit(1), offered=seats * length)
    ends = shares.select(*_SLOT, at="until", change=pl.lit(-1), offered=pl.lit(0, pl.Int128))
    # Ends sort before beginnings at the same instant: bookings that touch do not overlap.
    return pl.concat([begins, ends]).sort(*_SLOT, "at", "change")


def _swept(edges: pl.DataFrame) -> pl.DataFrame:
    """Totals by room and week, in microseconds, in one pass over the sorted edges."""
    concurrent, lasts = pl.col("concurrent"), pl.col("lasts")
    return (
        edges.with_columns(
            # Every room and week ends with 0 concurrent bookings: one running sum serves all, and
            # the gap between two of them is not counted.
            concurrent=pl.col("change").cum_sum(),
            lasts=(pl.col("at").shift(-1) - pl.col("at")).dt.total_microseconds(),
        )
        .group_by(_SLOT)
        .agg(
            events=(pl.col("change") > 0).sum(),
            booked=lasts.filter(concurrent > 0).sum(),
            double_booked=lasts.filter(concurrent > 1).sum(),
            offered=pl.col("offered").sum(),
            peak_concurrent_events=concurrent.max(),
        )
    )
