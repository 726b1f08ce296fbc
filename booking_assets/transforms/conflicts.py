"""Rules of `marts.room_conflicts`: pairs of events that have one room at the same time.

Which events book a room is decided by `rooms.room_bookings`.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from booking_assets.tables.marts import ROOM_CONFLICTS
from booking_assets.transforms.rooms import ROOM, room_bookings
from booking_assets.transforms.rules import conform_to, minutes, with_as_of

EVENT_COLUMNS: tuple[str, ...] = (
    "organization",
    "event_identifier",
    "achievement_identifier",
    "venue_location_identifier",
    "event_class_code",
    "event_scheduling_status",
    "venue_room",
    "event_scheduled_end",
    "event_scheduled_start",
)
"""The columns of `raw.events` that `room_conflicts` reads."""

MOST_CONFLICTS_A_ROOM = 1_000_000
"""Conflicts beyond which a text is not regarded as a room: those of 1,415 concurrent events."""

CONFLICTS_AT_ONCE = 50_000
"""Conflicts in one frame: each takes a kilobyte while the frame is made."""


def room_conflicts(
    events: pl.DataFrame,
    as_of: pl.DataFrame,
    most_a_room: int = MOST_CONFLICTS_A_ROOM,
    at_once: int = CONFLICTS_AT_ONCE,
) -> Iterator[pl.DataFrame]:
    """`marts.room_conflicts`: the pairs of events that overlap in a room.

    A room must be known: two events with a venue alone are likely in different rooms of it. A
    room without a venue is one room. Bookings that touch do not overlap. Events are of the same
    class where achievement and class code (trimmed, not blank) both agree: a null agrees with
    nothing.

    Time grows with the events and the pairs found; memory with the events. Pairs grow with the
    square of the concurrent events, and "Online" may have thousands: a room with more than
    `most_a_room` pairs is left out; `room_utilization.peak_concurrent_events` shows it.

    Returns:
        Frames of `at_once` pairs, each sorted by its key.
    """
    bookings = (
        room_bookings(with_as_of(events.select(EVENT_COLUMNS), as_of))
        .filter(pl.col("room").is_not_null())
        .sort("room_number", "event_scheduled_start", "event_identifier")
        .with_row_index("position")
        .with_columns(class_number=_class_number())
    )
    for pairs in _pairs(_followed(bookings, most_a_room), at_once):
        yield _conflicts(bookings, pairs)


def _followed(bookings: pl.DataFrame, most_a_room: int) -> pl.DataFrame:
    """The bookings during which others begin: `position`, and the number `following`.

    In the order of their starts, the bookings that overlap a booking and start after it directly
    follow it: they are those of its room that start before it ends.
    """
    begins = bookings.select("room_number", "position", at="event_scheduled_start", begins=1)
    ends = bookings.select("room_number", "position", at="event_scheduled_end", begins=0)
    following = pl.col("following")
    return (
        # An end sorts before the beginnings at its instant: bookings that touch do not overlap.
        pl.concat([begins, ends])
        .sort("room_number", "at", "begins")
        .with_columns(following=pl.col("begins").cum_sum() - pl.col("position") - 1)
        .filter(pl.col("begins") == 0, following > 0)
        .filter(following.sum().over("room_number") <= most_a_room)
        .select("position", "following")
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


def _conflicts(bookings: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """The rows of the mart for these pairs."""
    first = bookings.select(
        pl.col(*ROOM, "as_of", "event_identifier", "event_scheduled_end", "class_number").gather(
            pairs["first"]
        )
    )
    second = bookings.select(
        pl.col("event_identifier", "event_scheduled_start", "event_scheduled_end", "class_number")
        .gather(pairs["second"])
        .name.prefix("second_")
    )
    start = pl.col("second_event_scheduled_start")
    end = pl.min_horizontal("event_scheduled_end", "second_event_scheduled_end")
    same_class = pl.col("class_number") == pl.col("second_class_number")
    return conform_to(
        pl.concat([first, second], how="horizontal").with_columns(
            first_event_identifier="event_identifier",
            overlap_start=start,
            overlap_end=end,
            overlap_minutes=minutes((end - start).dt.total_microseconds()),
            same_class=same_class.fill_null(value=False),
        ),
        ROOM_CONFLICTS,
    )


def _class_number() -> pl.Expr:
    """A number for the achievement and class code, in this frame alone; null where either is."""
    code = pl.col("event_class_code").str.strip_chars()
    achievement = pl.col("achievement_identifier").str.strip_chars()
    known = (code != "") & (achievement != "")
    return pl.when(known).then(pl.struct(achievement, code)).rank("dense")
