"""Which events book a room, and for which times: shared by `rooms` and `conflicts`.

The rules for readers are in `docs/marts.md`.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from booking_assets.transforms.rules import equals_ignoring_case, local_time

EVENT_COLUMNS: tuple[str, ...] = (
    "organization",
    "venue_location_identifier",
    "venue_room",
    "event_scheduling_status",
    "event_scheduled_start",
    "event_scheduled_start_offset_minutes",
    "event_scheduled_end",
    "event_scheduled_end_offset_minutes",
)
"""The columns of `raw.events` that decide which room an event books, and when."""

ROOM_COLUMNS: tuple[str, ...] = ("organization", "venue_location_identifier", "venue_room")
"""The columns of `raw.events` that identify a room: its events must be passed in one frame."""

ROOM: tuple[str, ...] = ("organization", "venue_location_identifier", "room")
"""The key of a room; two nulls are the same venue, or the same room."""

LONGEST_BOOKING = timedelta(days=31)
"""A longer event books nothing, unless a setting says otherwise: it is a term."""

CLOCK = "clock_offset_minutes"
"""The offset of a room's clock where its organization has no time zone."""

_DAY = timedelta(days=1)
_START, _END = "event_scheduled_start", "event_scheduled_end"


def room_events(events: pl.DataFrame) -> pl.DataFrame:
    """The events with a room or a venue that are not cancelled and end after they start.

    Rooms are compared without case and surrounding blanks; inner blanks count as one space.

    Returns:
        The given columns and: `room`, as most of its events write it (null where blank);
        `room_number`, which stands for `ROOM` in this frame alone; and `clock_offset_minutes`, the
        offset in which most of its events start. Of equal counts, the smallest wins.
    """
    written = pl.col("venue_room").str.replace_all(r"\s+", " ").str.strip_chars()
    offset = pl.col(f"{_START}_offset_minutes").fill_null(0)
    key = ("organization", "venue_location_identifier", "room_key")
    booking = (
        events.filter(~equals_ignoring_case("event_scheduling_status", "Cancelled"))
        .filter(lasts_longer(timedelta(0)))
        .with_columns(written=pl.when(written != "").then(written))
        .with_columns(room_key=pl.col("written").str.to_lowercase())
        .filter(pl.any_horizontal(pl.col(key[1:]).is_not_null()))
    )
    rooms = (
        booking.group_by(key)
        .agg(pl.col("written").mode().min().alias("room"), offset.mode().min().alias(CLOCK))
        .with_row_index("room_number")
    )
    return booking.join(rooms, on=key, nulls_equal=True, validate="m:1").drop("written", "room_key")


def lasts_longer(length: timedelta) -> pl.Expr:
    """Whether events last longer; one that lasts longer than the longest booking books nothing."""
    return pl.col(_END) - pl.col(_START) > length


def windows(events: pl.DataFrame, zone: str | None, longest: timedelta) -> pl.DataFrame:
    """The times for which events of `room_events` book their rooms, each a window.

    An event of up to 24 hours has one window. A longer one has a window each day, from the start's
    time of day to the end's, or each night where the end's is not later: see `_daily`. Windows of
    an event never overlap.

    Args:
        events: those of one time zone, each with a number `event`.
        zone: the clock of their rooms; None: `clock_offset_minutes`.
        longest: the length of the longest event that books a room.

    Returns:
        The columns `event`, `room_number`, `clock_offset_minutes`, `since`, `until` and `is_daily`;
        windows of an event follow one another.
    """
    first, last = local_time(_START, zone), local_time(_END, zone)
    booking = events.filter(~lasts_longer(longest)).select(
        *("event", "room_number", CLOCK),
        since=_START,
        until=_END,
        first=first,
        last=last,
        # Offsets as far apart as those of Samoa and Hawaii can make an event end before it starts.
        is_daily=lasts_longer(_DAY) & (first < last),
    )
    columns = ("event", "room_number", CLOCK, "since", "until", "is_daily")
    daily = _daily(booking.filter("is_daily"), zone)
    return pl.concat([booking.filter(~pl.col("is_daily")).select(columns), daily.select(columns)])


def instant(local: pl.Expr, zone: str | None) -> pl.Expr:
    """The instant at which a room's clock shows a local time, which is typed as UTC.

    Of a time that comes twice, the first; a time that is left out is counted by the offset before,
    as Python's zoneinfo does.
    """
    if zone is None:
        return local - pl.duration(minutes=CLOCK)

    def placed(at: pl.Expr) -> pl.Expr:
        zoned = at.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
        return zoned.dt.convert_time_zone("UTC")

    return placed(local).fill_null(placed(local - _DAY) + _DAY)


def _daily(events: pl.DataFrame, zone: str | None) -> pl.DataFrame:
    """A window for each day of the events, or for each night, which belongs to its first day.

    Those that begin on a Saturday or Sunday count only if the first or the last one does.
    """
    first, last = pl.col("first"), pl.col("last")
    lasts = last.dt.time().cast(pl.Duration("us")) - first.dt.time().cast(pl.Duration("us"))
    begin, final = first + pl.duration(days="day"), first + pl.duration(days="final_day")

    def is_weekend(at: pl.Expr) -> pl.Expr:
        return at.dt.weekday() > 5  # noqa: PLR2004 - Friday

    return (
        events.with_columns(
            lasts=pl.when(lasts > timedelta(0)).then(lasts).otherwise(lasts + _DAY),
        )
        .with_columns(final_day=(last - first - pl.col("lasts")).dt.total_days())
        .with_columns(day=pl.int_ranges(pl.col("final_day") + 1))
        .explode("day")
        .filter(~is_weekend(begin) | is_weekend(first) | is_weekend(final))
        .with_columns(
            since=instant(begin, zone),
            # Where clocks are put forward, a night could end after the next one began.
            until=pl.min_horizontal(
                instant(begin + pl.col("lasts"), zone), instant(begin + _DAY, zone)
            ),
        )
        .filter(pl.col("since") < pl.col("until"))
    )
