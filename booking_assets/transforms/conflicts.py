"""Rules of `marts.room_conflicts`: the overlaps of two events in one room.

Which events book a room, and when, is in `bookings`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from booking_assets.tables.marts import ROOM_CONFLICTS
from booking_assets.transforms import bookings
from booking_assets.transforms.bookings import LONGEST_BOOKING, ROOM
from booking_assets.transforms.rules import (
    NO_TIMEZONES,
    by_time_zone,
    conform_to,
    minutes,
    with_as_of,
)

EVENT_COLUMNS: tuple[str, ...] = (
    *bookings.EVENT_COLUMNS,
    "event_identifier",
    "achievement_identifier",
    "event_class_code",
)
"""The columns of `raw.events` that `room_conflicts` reads."""

MOST_CONFLICTS_A_ROOM = 1_000_000
"""Conflicts beyond which a text is not regarded as a room: those of 1,415 concurrent events."""

CONFLICTS_AT_ONCE = 20_000
"""Conflicts in one frame: each takes a kilobyte while the frame is made."""


@dataclass(frozen=True)
class Conflicts:
    """The conflicts of rooms.

    Attributes:
        frames: `marts.room_conflicts`, each made when it is asked for, and sorted by its key.
        left_out: the rooms (`ROOM`) with more conflicts than a room can have.
    """

    frames: Iterator[pl.DataFrame]
    left_out: pl.DataFrame


def room_conflicts(
    events: pl.DataFrame,
    as_of: pl.DataFrame,
    timezones: pl.DataFrame = NO_TIMEZONES,
    longest: timedelta = LONGEST_BOOKING,
    most_a_room: int = MOST_CONFLICTS_A_ROOM,
    at_once: int = CONFLICTS_AT_ONCE,
) -> Conflicts:
    """`marts.room_conflicts`: the times in which two events have the same room.

    A room must be known: two events with a venue alone are likely in different rooms of it. A
    room without a venue is one room. Bookings that touch do not overlap; two events of several days
    overlap in each of their common days. Events are of the same class where achievement and class
    code (trimmed, not blank) both agree: a null agrees with nothing.

    Time grows with the bookings and the conflicts found; memory with the bookings. Conflicts grow
    with the square of the concurrent events, and "Online" may have thousands: a room with more than
    `most_a_room` is left out.
    """
    events = (
        bookings.room_events(with_as_of(events.select(EVENT_COLUMNS), as_of))
        .filter(pl.col("room").is_not_null())
        .sort("event_scheduled_start", "event_identifier")
        .with_row_index("event")
        .with_columns(class_number=_class_number())
    )
    windows = (
        pl.concat(
            bookings.windows(part, zone, longest) for zone, part in by_time_zone(events, timezones)
        )
        .sort("room_number", "since", "event")
        .with_row_index("position")
    )
    followed = _followed(windows)
    is_room = pl.col("following").sum().over("room_number") <= most_a_room
    pairs = _pairs(followed.filter(is_room), at_once)
    return Conflicts(
        (_conflicts(events, windows, some) for some in pairs),
        events.join(followed.filter(~is_room), on="room_number", how="semi").select(ROOM).unique(),
    )


def _followed(windows: pl.DataFrame) -> pl.DataFrame:
    """The bookings during which others begin: `room_number`, `position`, the number `following`.

    In the order of their starts, the bookings that overlap a booking and start after it directly
    follow it: they are those of its room that start before it ends.
    """
    begins = windows.select("room_number", "position", at="since", begins=1)
    ends = windows.select("room_number", "position", at="until", begins=0)
    return (
        # An end sorts before the beginnings at its instant: bookings that touch do not overlap.
        pl.concat([begins, ends])
        .sort("room_number", "at", "begins")
        .with_columns(following=pl.col("begins").cum_sum() - pl.col("position") - 1)
        .filter(pl.col("begins") == 0, pl.col("following") > 0)
        .select("room_number", "position", "following")
    )


def _pairs(followed: pl.DataFrame, at_once: int) -> Iterator[pl.DataFrame]:
    """The positions of the two bookings of each conflict, `first` and `second`, in slices.

    Conflicts are numbered by booking: a number determines the first booking, and which of those
    that follow it is the second.
    """
    until = followed["following"].cum_sum()
    since = until - followed["following"]
    count = int(followed["following"].sum())
    for start in range(0, count, at_once):
        numbers = pl.int_range(start, min(start + at_once, count), eager=True)
        row = until.search_sorted(numbers, side="right")
        first = followed["position"].gather(row)
        second = first + 1 + numbers - since.gather(row)
        yield pl.DataFrame({"first": first, "second": second})


def _conflicts(events: pl.DataFrame, windows: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """The rows of the mart for these pairs of bookings."""
    earlier, later = (windows.select(pl.all().gather(pairs[name])) for name in pairs.columns)
    # Of two events, the same is first in each of their conflicts.
    numbers = pl.DataFrame({"first": earlier["event"], "second": later["event"]})
    first = events.select(
        pl.col(*ROOM, "as_of", "class_number").gather(numbers.min_horizontal()),
        first_event_identifier=pl.col("event_identifier").gather(numbers.min_horizontal()),
    )
    second = events.select(
        second_event_identifier=pl.col("event_identifier").gather(numbers.max_horizontal()),
        second_class_number=pl.col("class_number").gather(numbers.max_horizontal()),
    )
    start, end = pl.col("overlap_start"), pl.col("overlap_end")
    return conform_to(
        pl.concat([first, second], how="horizontal")
        .with_columns(
            overlap_start=later["since"],
            overlap_end=pl.min_horizontal(earlier["until"], later["until"]),
            is_daily=earlier["is_daily"] | later["is_daily"],
        )
        .with_columns(
            overlap_minutes=minutes((end - start).dt.total_microseconds()),
            basis=pl.when("is_daily").then(pl.lit("daily")).otherwise(pl.lit("exact")),
            same_class=(pl.col("class_number") == pl.col("second_class_number")).fill_null(
                value=False
            ),
        ),
        ROOM_CONFLICTS,
    )


def _class_number() -> pl.Expr:
    """A number for the achievement and class code, in this frame alone; null where either is."""
    code = pl.col("event_class_code").str.strip_chars()
    achievement = pl.col("achievement_identifier").str.strip_chars()
    known = (code != "") & (achievement != "")
    return pl.when(known).then(pl.struct(achievement, code)).rank("dense")
