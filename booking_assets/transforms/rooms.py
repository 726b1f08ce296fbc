"""Rules of `marts.room_utilization`: hours booked, double-booked and offered, by room and week.

Which events book a room, and when, is in `bookings`; pairs of events in one room in `conflicts`.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from booking_assets.tables.marts import ROOM_UTILIZATION
from booking_assets.transforms import bookings
from booking_assets.transforms.bookings import CLOCK, LONGEST_BOOKING, ROOM, instant, lasts_longer
from booking_assets.transforms.rules import (
    NO_TIMEZONES,
    by_time_zone,
    conform_to,
    hours,
    local_time,
    with_as_of,
)

EVENT_COLUMNS: tuple[str, ...] = (*bookings.EVENT_COLUMNS, "capacity_maximum")
"""The columns of `raw.events` that `room_utilization` reads."""

OPEN_HOURS = 60.0
"""Hours a week for which a room may be booked, unless a setting says otherwise."""

_SLOT = ("room_number", "week")


def room_utilization(
    events: pl.DataFrame,
    as_of: pl.DataFrame,
    timezones: pl.DataFrame = NO_TIMEZONES,
    open_hours: float = OPEN_HOURS,
    longest: timedelta = LONGEST_BOOKING,
) -> pl.DataFrame:
    """`marts.room_utilization`: hours booked, double-booked and offered, by room and week.

    Bookings overlap where their instants do, independently of offsets; those that touch do not. A
    booking makes a row in each week that it reaches into. Weeks begin by the clock of the room: the
    time zone of its organization, else the offset in which most of its events start.
    """
    booking = bookings.room_events(with_as_of(events.select(EVENT_COLUMNS), as_of))
    booking = booking.with_row_index("event")
    shares, terms = [], []
    for zone, part in by_time_zone(booking, timezones):
        shares.append(_weekly(bookings.windows(part, zone, longest), zone))
        terms.append(_terms(part, zone, longest))
    rooms = booking.select("room_number", *ROOM, "as_of").unique("room_number")
    # Events with a venue alone are likely in different rooms of it.
    room_is_known = pl.col("room").is_not_null()
    return conform_to(
        _swept(_edges(booking, pl.concat(shares), pl.concat(terms)))
        .join(rooms, on="room_number", validate="m:1")
        .with_columns(
            booked_hours=hours(pl.col("booked")),
            double_booked_hours=pl.when(room_is_known).then(hours(pl.col("double_booked"))),
            peak_concurrent_events=pl.when(room_is_known).then("peak"),
            seat_hours=hours(pl.col("offered")),
            # A column: polars does not divide exactly by a constant (see `rules`).
            open_hours=open_hours + 0 * pl.col("booked").cast(pl.Float64),
        )
        .with_columns(room_utilization=pl.col("booked_hours") / pl.col("open_hours")),
        ROOM_UTILIZATION,
    )


def _weekly(windows: pl.DataFrame, zone: str | None) -> pl.DataFrame:
    """The share of each window in each week that it reaches into: `week`, `since`, `until`."""
    monday = pl.col("monday")
    return (
        windows.with_columns(ends=pl.col("until") - pl.duration(microseconds=1))
        .with_columns(monday=_monday("since", zone), last_monday=_monday("ends", zone))
        .with_columns(
            later=pl.int_ranges((pl.col("last_monday") - monday).dt.total_days() // 7 + 1)
        )
        .explode("later")
        .with_columns(monday=monday + pl.duration(weeks=pl.col("later")))
        .with_columns(
            week=monday.dt.date(),
            since=pl.max_horizontal("since", instant(monday, zone)),
            until=pl.min_horizontal("until", instant(monday + pl.duration(weeks=1), zone)),
        )
    )


def _monday(column: str, zone: str | None) -> pl.Expr:
    """The begin of the week of an instant by the room's clock, a local time typed as UTC."""
    return local_time(column, zone, CLOCK).dt.truncate("1w")


def _edges(events: pl.DataFrame, shares: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """The begin and end of each booking in each week, and `terms`, sorted by room, week and time.

    `change` is 1 at a begin and -1 at an end. At the begin are `offered`, the seats x microseconds,
    and `events`, 1 in the first of a week's bookings of an event.
    """
    # 2**31 seats for a week are more microseconds than 64 bits hold.
    seats = events["capacity_maximum"].clip(0).fill_null(0).cast(pl.Int128)
    length = (pl.col("until") - pl.col("since")).dt.total_microseconds()
    same = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in ("event", "week"))
    begins = shares.select(
        *_SLOT,
        at="since",
        change=pl.lit(1),
        offered=seats.gather(shares["event"]) * length,
        events=~same.fill_null(value=False),
    )
    ends = shares.select(*_SLOT, at="until", change=pl.lit(-1))
    # Ends sort before beginnings at the same instant: bookings that touch do not overlap.
    return pl.concat([begins, ends, terms], how="diagonal").sort(*_SLOT, "at", "change")


def _terms(events: pl.DataFrame, zone: str | None, longest: timedelta) -> pl.DataFrame:
    """The starts of events that are too long to be a booking: a `change` of 0."""
    return events.filter(lasts_longer(longest)).select(
        "room_number",
        week=_monday("event_scheduled_start", zone).dt.date(),
        at="event_scheduled_start",
        change=pl.lit(0),
    )


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
            pl.col("events", "offered").sum(),
            events_too_long=(pl.col("change") == 0).sum(),
            booked=lasts.filter(concurrent > 0).sum(),
            double_booked=lasts.filter(concurrent > 1).sum(),
            peak=concurrent.max(),
        )
    )
