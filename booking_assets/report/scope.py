"""What pages are made from: rows of the snapshot, the instants that they are for, and clocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from booking_assets.tables import capacity, marts, raw
from booking_assets.tables.contract import Table

Row = Mapping[str, Any]

NOT_APPLICABLE = "\u2013"
"""Where a figure has no meaning, which is not the same as unknown."""
UPCOMING = timedelta(days=60)
"""How far ahead a page looks."""
MONTHS_BACK, MONTHS_AHEAD = 11, 6
"""The months around the newest one that charts show."""
ROOM_WEEKS = 13
"""The weeks of which room bookings are shown."""
LATE, FAILED = "Overdue", "Failed"
NEEDS_A_PERSON = (LATE, FAILED)
"""The states of packages that are listed one by one."""
BOOKINGS = "bookings"
"""The frame of the rooms booked in these weeks: each time once, with the offset of its start."""
ATTENDED = ("taken", "present", "absent", "incomplete", "unmarked", "other")
"""The figures of attendance that are summed."""

COLUMNS: Mapping[Table, tuple[str, ...]] = {
    capacity.CAPACITY_BY_EVENT: (
        *("event_identifier", "event_number", "event_title", "event_type"),
        *("achievement_identifier", "achievement_title", "venue_location_identifier"),
        *("venue_name", "venue_room", "event_scheduled_start", "event_scheduled_end"),
        *("local_date", "lifecycle_status", "capacity_minimum", "capacity_maximum"),
        *("seats_taken", "seats_waitlisted", "seats_as_of", "is_below_minimum"),
        *("registration_state", "as_of"),
    ),
    capacity.CAPACITY_UTILIZATION: (
        *("month", "event_type", "venue_location_identifier", "venue_name", "events"),
        *("events_cancelled", "events_unlimited", "seats_offered", "seats_offered_known"),
        *("seats_taken", "events_unknown"),
    ),
    capacity.COURSE_UTILIZATION: (
        *("month", "achievement_identifier", "achievement_title", "events"),
        *("seats_offered", "seats_offered_known", "seats_taken", "events_unknown"),
    ),
    marts.DISTRIBUTION_BY_EVENT: (
        *("event_identifier", "event_number", "event_title", "event_scheduled_start"),
        *("distribution_state", "distribution_status", "distribution_expected"),
        *("distribution_ordered", "return_state", "return_due", "return_overdue", "as_of"),
    ),
    marts.SEAT_HISTORY: (
        *("event_identifier", "valid_from", "valid_to", "seats_confirmed", "seats_invited"),
    ),
    capacity.ATTENDANCE_BY_EVENT: ("local_date", "lifecycle_status", *ATTENDED),
    marts.EVENT_CHANGES: (
        *("event_identifier", "changed_at", "change", "column_name", "old_value", "new_value"),
        "sequence",
    ),
    raw.EVENTS: ("event_identifier", "event_scheduled_start_offset_minutes"),
}
"""The columns of each table that a page is made from."""


@dataclass(frozen=True)
class Clock:
    """The organization's time zone, else UTC; it writes instants and days for people."""

    zone: str | None = None

    def local(self, instant: datetime) -> datetime:
        """An instant in the zone."""
        return instant.astimezone(ZoneInfo(self.zone) if self.zone else UTC)

    def instant(self, instant: datetime | None) -> str | None:
        """`26 Nov 2026, 21:13 UTC`; None stays None."""
        if instant is None:
            return None
        local = self.local(instant)
        return f"{local.day} {local:%b %Y, %H:%M %Z}"

    @staticmethod
    def day(day: date | None) -> str | None:
        """`Thu 26 Nov 2026`; None stays None."""
        return None if day is None else f"{day:%a} {day.day} {day:%b %Y}"


@dataclass(frozen=True)
class Facts:
    """Figures of all rows of an organization, also of those that its page does not show.

    `newest_day` is the latest `local_date`, `long_bookings` the number of events that book a room
    for more than a day, `package_states` the number of exam packages in each state, `sequence` the
    highest of its changes.
    """

    events: int = 0
    newest_day: date | None = None
    seats_as_of: datetime | None = None
    long_bookings: int = 0
    package_states: Counter[str] = field(default_factory=Counter)
    sequence: int = 0


@dataclass(frozen=True)
class Scope:
    """What an organization's page is made from.

    `figures` are the rows of each query over its rows of the snapshot, see `organization`; `facts`
    are of all of these.

    `organization` and `freshness` are its rows of those marts. `since` is what the last report was
    as of, None where this is the first; `last_sequence` is the highest sequence of the changes that
    it knew, None where an earlier release wrote it, which knew the instants alone.
    """

    slug: str
    organization: Mapping[str, Any]
    freshness: Mapping[str, Any]
    facts: Facts
    since: datetime | None = None
    last_sequence: int | None = None
    figures: Mapping[str, Sequence[Row]] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The organization's name, else its slug."""
        return str(self.organization.get("label") or self.slug)

    @property
    def clock(self) -> Clock:
        """The clock by which its instants are written."""
        return Clock(self.organization.get("timezone"))

    @property
    def as_of(self) -> datetime:
        """The instant that the figures are for."""
        found: datetime = self.freshness["events_as_of"]
        return found

    @property
    def seats_as_of(self) -> datetime | None:
        """The instant that the seats are for; None where they are unknown."""
        return self.facts.seats_as_of

    @property
    def as_of_note(self) -> str:
        """What figures about events are as of."""
        return f"As of {self.clock.instant(self.as_of)}."

    @property
    def seats_as_of_note(self) -> str:
        """What figures about seats are as of."""
        if self.seats_as_of is None:
            return f"{self.as_of_note} Seats are unknown: {self._why_unknown}"
        return f"Seats as of {self.clock.instant(self.seats_as_of)}."

    @property
    def _why_unknown(self) -> str:
        if not self.facts.events:
            return "there are no events."
        return "no registrations could be read for this organization."

    @cached_property
    def newest_month(self) -> date:
        """The month of as_of, or that of the newest event where all events are older."""
        day = min(self.today, self.facts.newest_day or self.today)
        return day.replace(day=1)

    @cached_property
    def today(self) -> date:
        """The day of as_of by the organization's clock."""
        return self.clock.local(self.as_of).date()

    @cached_property
    def months(self) -> list[date]:
        """The months that charts show: up to a year back and half a year ahead."""
        return [
            add_months(self.newest_month, number)
            for number in range(-MONTHS_BACK, MONTHS_AHEAD + 1)
        ]

    def is_open(self, month: date) -> bool:
        """Whether a month has not ended as of as_of."""
        return add_months(month, 1) > self.today


@dataclass(frozen=True)
class Batch:
    """Rows of the organizations whose pages are drawn together, by the table's name.

    A query takes 0.05 ms and more, and a page some 50 of them: so each is of all organizations.
    `pages` has a row for each: its slug, `instant`, `today`, `newest_month` and `zone`.
    """

    frames: Mapping[str, pl.DataFrame]
    pages: pl.DataFrame

    @classmethod
    def of(cls, frames: Mapping[str, pl.DataFrame], scopes: Sequence[Scope]) -> Batch:
        """The batch of these organizations."""
        columns: dict[str, pl.DataType] = {
            "organization": pl.String(),
            "instant": pl.Datetime("us", "UTC"),
            "today": pl.Date(),
            "newest_month": pl.Date(),
            "zone": pl.String(),
        }
        rows = [(s.slug, s.as_of, s.today, s.newest_month, s.clock.zone) for s in scopes]
        return cls(frames, pl.DataFrame(rows, schema=columns, orient="row"))

    def rows(self, table: str) -> pl.DataFrame:
        """The rows of a table with the columns of `pages`."""
        return self.frames[table].join(self.pages, on="organization")

    @cached_property
    def upcoming(self) -> pl.DataFrame:
        """Events of the next 60 days that are not cancelled, in the order of their start."""
        found = self.rows("marts.capacity_by_event").filter(is_upcoming(pl.col("instant")))
        return found.sort("event_scheduled_start", "event_identifier").with_columns(title=TITLE)


Query = Callable[[Batch], pl.DataFrame]
"""Gives rows of `figures` of a batch, with the slug of the organization in each."""


def first_of_each(rows: pl.DataFrame, number: int, *others: str) -> pl.DataFrame:
    """The first rows of each organization, and of each of `others`."""
    return rows.filter(pl.int_range(pl.len()).over("organization", *others) < number)


def is_upcoming(as_of: pl.Expr) -> pl.Expr:
    """An event of the 60 days after an instant that is not cancelled."""
    start = pl.col("event_scheduled_start")
    is_held = pl.col("lifecycle_status") != "Cancelled"
    return is_held & (start > as_of) & (start <= as_of + UPCOMING)


def is_room_event() -> pl.Expr:
    """An event that books a room or a venue."""
    venue, room = pl.col("venue_location_identifier"), pl.col("venue_room")
    return (
        (pl.col("lifecycle_status") != "Cancelled")
        & (venue.is_not_null() | room.is_not_null())
        & (pl.col("event_scheduled_end") > pl.col("event_scheduled_start"))
    )


def is_long() -> pl.Expr:
    """An event of more than a day."""
    return pl.col("event_scheduled_end") - pl.col("event_scheduled_start") > timedelta(days=1)


def add_months(month: date, number: int) -> date:
    """The first day of the month so many months later."""
    index = month.year * 12 + month.month - 1 + number
    return date(index // 12, index % 12 + 1, 1)


def label(name: str, identifier: str, nothing: str) -> pl.Expr:
    """A name, else the first 8 characters of the identifier, else `nothing`."""
    return pl.coalesce(pl.col(name), pl.col(identifier).str.slice(0, 8), pl.lit(nothing))


TITLE = pl.coalesce(
    pl.col("event_title").str.strip_chars().replace("", None),
    pl.format("Event {}", "event_number"),
    pl.format("Event {}", pl.col("event_identifier").str.slice(0, 8)),
)
"""An event's title, else its number, else the first characters of its identifier."""
