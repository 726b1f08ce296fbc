"""The rows and figures of an organization that its page shows, of all that the snapshot has of it.

A page shows the next weeks, a quarter of room bookings, what needs a person and what changed. Large
organizations are read in parts, and each is reduced to that, so that memory does not grow with
their events. What a page says of these rows is in the sections.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TypeVar

import polars as pl

from booking_assets.report.scope import (
    ATTENDED,
    NEEDS_A_PERSON,
    ROOM_WEEKS,
    Facts,
    is_long,
    is_room_event,
    is_upcoming,
)
from booking_assets.tables.capacity import ATTENDANCE_BY_EVENT, CAPACITY_BY_EVENT
from booking_assets.tables.marts import DISTRIBUTION_BY_EVENT, EVENT_CHANGES, SEAT_HISTORY
from booking_assets.tables.raw import EVENTS

Frames = Mapping[str, pl.DataFrame]
_ID = "event_identifier"
_OFFSETS = timedelta(days=2)
"""More than a clock anywhere differs from UTC, and a booking takes."""
_T = TypeVar("_T", date, datetime)


@dataclass
class ShownRows:
    """Collects the rows of an organization, part by part: an event's rows are in one part.

    Args:
        as_of: the instant that the page is for.
        since, last_sequence: of the last report, as in `Scope`: which changes the page lists.
    """

    as_of: datetime
    since: datetime | None
    last_sequence: int | None
    facts: Facts = field(default_factory=Facts)
    _parts: dict[str, list[pl.DataFrame]] = field(default_factory=dict)

    def add(self, part: Frames) -> None:
        """Add a part, reduced to what the page shows."""
        self.facts = _added(self.facts, _facts(part))
        for name, frame in self.reduced(part).items():
            # Texts of a filtered frame hold those of the whole one; new texts do not.
            own = frame.with_columns(pl.col(pl.String) + "")
            self._parts.setdefault(name, []).append(own)

    @property
    def frames(self) -> dict[str, pl.DataFrame]:
        """What the page is made from, by the table's name."""
        frames = {name: pl.concat(parts) for name, parts in self._parts.items()}
        # The same for any parts: the digest of the page is made of them.
        shown = self._shown(frames[CAPACITY_BY_EVENT.name], frames[EVENT_CHANGES.name])
        return frames | {
            CAPACITY_BY_EVENT.name: shown,
            EVENTS.name: _of(shown, frames[EVENTS.name]),
            ATTENDANCE_BY_EVENT.name: by_day(
                frames[ATTENDANCE_BY_EVENT.name], pl.col("events").sum()
            ),
        }

    def reduced(self, part: Frames) -> dict[str, pl.DataFrame]:
        """The rows of a part that the page shows; attendance as its sums by day."""
        changes = part[EVENT_CHANGES.name].filter(self.is_new)
        shown = self._shown(part[CAPACITY_BY_EVENT.name], changes)
        packages = part[DISTRIBUTION_BY_EVENT.name]
        curves = shown.filter(is_upcoming(self.as_of), pl.col("capacity_maximum").is_not_null())
        return {
            **part,
            CAPACITY_BY_EVENT.name: shown,
            EVENT_CHANGES.name: changes,
            EVENTS.name: _of(shown, part[EVENTS.name]),
            SEAT_HISTORY.name: _of(curves, part[SEAT_HISTORY.name]),
            DISTRIBUTION_BY_EVENT.name: packages.filter(
                pl.col("distribution_state").is_in(NEEDS_A_PERSON) | pl.col("return_overdue")
            ),
            ATTENDANCE_BY_EVENT.name: by_day(
                part[ATTENDANCE_BY_EVENT.name], pl.len().cast(pl.Int64)
            ),
        }

    def _shown(self, events: pl.DataFrame, changes: pl.DataFrame) -> pl.DataFrame:
        return events.filter(
            is_upcoming(self.as_of)
            | self._is_of_the_room_weeks(events)
            | pl.col(_ID).is_in(changes[_ID].unique().implode())
        )

    @property
    def is_new(self) -> pl.Expr:
        """Whether a change came since the last report; none where this is the first."""
        if self.since is None:
            return pl.lit(value=False)
        if self.last_sequence is None:
            return pl.col("changed_at") > self.since
        return pl.col("sequence") > self.last_sequence

    def _is_of_the_room_weeks(self, events: pl.DataFrame) -> pl.Expr:
        """The bookings of rooms in the weeks before the newest one, and a few more.

        The newest of all is no earlier than that of a part.
        """
        start, latest = pl.col("event_scheduled_start"), self.as_of - _OFFSETS
        is_booking = is_room_event() & ~is_long()
        found = events.filter(is_booking, start <= latest)["event_scheduled_start"].max()
        newest = found if isinstance(found, datetime) else latest
        first = newest - timedelta(weeks=ROOM_WEEKS) - 2 * _OFFSETS
        return is_booking & start.is_between(first, self.as_of + timedelta(weeks=1) + _OFFSETS)


def _of(events: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of these events."""
    return rows.join(events.select(_ID), on=_ID, how="semi")


def by_day(attended: pl.DataFrame, events: pl.Expr) -> pl.DataFrame:
    """Attendance by day and state of the event, with the number of events."""
    return attended.group_by("local_date", "lifecycle_status", maintain_order=True).agg(
        pl.col(*ATTENDED).sum(), events=events
    )


def _facts(part: Frames) -> Facts:
    events, packages = part[CAPACITY_BY_EVENT.name], part[DISTRIBUTION_BY_EVENT.name]
    return Facts(
        events=events.height,
        newest_day=events["local_date"].max(),  # type: ignore[arg-type]
        seats_as_of=events["seats_as_of"].max(),  # type: ignore[arg-type]
        long_bookings=events.filter(is_room_event(), is_long()).height,
        package_states=Counter(dict(packages.group_by("distribution_state").len().rows())),
        sequence=part[EVENT_CHANGES.name]["sequence"].max() or 0,  # type: ignore[arg-type]
    )


def _added(one: Facts, other: Facts) -> Facts:
    return Facts(
        events=one.events + other.events,
        newest_day=_latest(one.newest_day, other.newest_day),
        seats_as_of=_latest(one.seats_as_of, other.seats_as_of),
        long_bookings=one.long_bookings + other.long_bookings,
        package_states=one.package_states + other.package_states,
        sequence=max(one.sequence, other.sequence),
    )


def _latest(*instants: _T | None) -> _T | None:
    return max(filter(None, instants), default=None)
