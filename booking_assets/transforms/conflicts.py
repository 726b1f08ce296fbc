"""Conflicts: which two events have the same room at the same time.

What lives here: the rules of `marts.room_conflicts`.
What must not: which events book a room (`rooms`), and a join of all events of a room with all.
Read more: `docs/marts.md`.
"""

from __future__ import annotations

import polars as pl

from booking_assets.tables.marts import ROOM_CONFLICTS
from booking_assets.transforms.durations import minutes
from booking_assets.transforms.rooms import room_bookings
from booking_assets.transforms.rules import as_table, with_as_of

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
"""Conflicts beyond which a text is taken to name no room: that of 1,415 events all at once."""


def room_conflicts(
    events: pl.DataFrame, as_of: pl.DataFrame, most_a_room: int = MOST_CONFLICTS_A_ROOM
) -> pl.DataFrame:
    """`marts.room_conflicts`: the pairs of events that overlap in a room.

    A room must be known: two events that name a venue alone are likely in different rooms of it. A
    room without a venue is one room. Bookings that touch do not overlap.

    Time and memory grow with the events and with the pairs that are found, never with the pairs
    that are not. Pairs grow with the square of the events at once, and "Online" may hold
    thousands: a room with more than `most_a_room` pairs is left out whole.
    `room_utilization.peak_concurrent_events` shows it all the same.

    Args:
        events: Rows of `raw.events`, at least `EVENT_COLUMNS`.
        as_of: `organization` and `as_of`, one row an organization.
        most_a_room: Conflicts beyond which a room is left out.

    Returns:
        One row a pair, sorted by organization and identifiers. The first event is the one that
        starts first; of two that start together, the one with the smaller identifier. They are the
        same class where achievement and class code (trimmed, not blank) both agree: a null agrees
        with nothing.

    Raises:
        ValueError: An organization has events and no `as_of`.
    """
    bookings = (
        room_bookings(with_as_of(events.select(EVENT_COLUMNS), as_of))
        .filter(pl.col("room").is_not_null())
        .sort("room_number", "event_scheduled_start", "event_identifier")
        .with_row_index("position")
    )
    pairs = _pairs(bookings, most_a_room)
    first = bookings.select(pl.all().gather(pairs["first"]))
    second = bookings.select(pl.all().gather(pairs["second"]).name.prefix("second_"))
    start = pl.col("second_event_scheduled_start")
    end = pl.min_horizontal("event_scheduled_end", "second_event_scheduled_end")
    return as_table(
        pl.concat([first, second], how="horizontal").with_columns(
            first_event_identifier="event_identifier",
            overlap_start=start,
            overlap_end=end,
            overlap_minutes=minutes((end - start).dt.total_microseconds()),
            same_class=_agree("achievement_identifier") & _agree("event_class_code"),
        ),
        ROOM_CONFLICTS,
    )


def _pairs(bookings: pl.DataFrame, most_a_room: int) -> pl.DataFrame:
    """The positions of the two bookings of each conflict: `first` and `second`.

    In the order of their starts, the bookings that overlap one and start after it stand right
    behind it: they are those of its room that start before it ends.
    """
    begins = bookings.select("room_number", "position", at="event_scheduled_start", begins=1)
    ends = bookings.select("room_number", "position", at="event_scheduled_end", begins=0)
    following = pl.col("following")
    return (
        # An end sorts before the beginnings at its instant: bookings that touch do not overlap.
        pl.concat([begins, ends])
        .sort("room_number", "at", "begins")
        .with_columns(reach=pl.col("begins").cum_sum())
        .filter(pl.col("begins") == 0)
        .with_columns(following=pl.col("reach") - pl.col("position") - 1)
        .filter(following > 0, following.sum().over("room_number") <= most_a_room)
        .select(
            first="position",
            second=pl.int_ranges(pl.col("position") + 1, "reach"),
        )
        .explode("second")
    )


def _agree(column: str) -> pl.Expr:
    first, second = pl.col(column).str.strip_chars(), pl.col(f"second_{column}").str.strip_chars()
    return ((first == second) & (first != "")).fill_null(value=False)
