"""The rows and figures of organizations that their pages show, of all that the snapshot has.

A page shows the next weeks, a quarter of room bookings, what needs a person and what changed. Large
organizations are read in parts, and each is reduced to that, so that memory does not grow with
their events; small ones are reduced together. What a page says of these rows is in the sections.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from io import BytesIO
from typing import TypeVar

import polars as pl

from booking_assets.report.scope import (
    ATTENDED,
    BOOKINGS,
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
_OWNER = "organization"
_ID = (_OWNER, "event_identifier")
BOOKING = (
    *(_OWNER, "venue_location_identifier", "venue_room", "event_scheduled_start"),
    *("event_scheduled_end", "event_scheduled_start_offset_minutes"),
)
"""The columns of the bookings of rooms, which are kept without the event: many share a time."""
_OFFSETS = timedelta(days=2)
"""More than a clock anywhere differs from UTC, and a booking takes."""
_T = TypeVar("_T", date, datetime)


@dataclass
class ShownRows:
    """Collects the rows of organizations, part by part: an event's rows are in one part.

    Args:
        pages: a row for each organization: its slug, the instant that its page is for, and `since`
            and `last_sequence` of its last report, as in `Scope`: which changes the page lists.
    """

    pages: pl.DataFrame
    facts: dict[str, Facts] = field(default_factory=dict)
    _parts: dict[str, list[bytes]] = field(default_factory=dict)
    _bookings: list[pl.DataFrame] = field(default_factory=list)

    def add(self, part: Frames) -> None:
        """Add a part, reduced to what the pages show."""
        for slug, facts in _facts(part).items():
            self.facts[slug] = _added(self.facts.get(slug, Facts()), facts)
        reduced = self.reduced(part)
        # Texts of a filtered frame hold those of the whole one; new texts do not.
        bookings = reduced.pop(BOOKINGS).with_columns(pl.col(pl.String) + "")
        # As many as there are hours in the rooms, however many events there are.
        self._bookings = [pl.concat([*self._bookings, bookings]).unique()]
        for name, frame in reduced.items():
            # Frames that lie among what is freed between them take twice their size.
            packed = BytesIO()
            frame.write_ipc_stream(packed, compression="lz4")
            self._parts.setdefault(name, []).append(packed.getvalue())

    def frames(self) -> dict[str, pl.DataFrame]:
        """What the pages are made from, by the table's name; the parts are dropped."""
        frames = {
            name: pl.concat(map(pl.read_ipc_stream, self._parts.pop(name)), rechunk=True)
            for name in [*self._parts]
        }
        # The same for any parts: the digest of the page is made of them.
        shown = self._shown(frames[CAPACITY_BY_EVENT.name], frames[EVENT_CHANGES.name])
        return frames | {
            CAPACITY_BY_EVENT.name: shown,
            BOOKINGS: self._of_the_room_weeks(self._bookings.pop()),
            ATTENDANCE_BY_EVENT.name: by_day(
                frames[ATTENDANCE_BY_EVENT.name], pl.col("events").sum()
            ),
        }

    def reduced(self, part: Frames) -> dict[str, pl.DataFrame]:
        """The rows of a part that the pages show; attendance as its sums by day."""
        changes = self.new(part[EVENT_CHANGES.name])
        events, packages = part[CAPACITY_BY_EVENT.name], part[DISTRIBUTION_BY_EVENT.name]
        shown = self._shown(events, changes)
        bookings = self._of_the_room_weeks(events.filter(is_room_event(), ~is_long()))
        curves = shown.join(self.pages, on=_OWNER).filter(
            is_upcoming(pl.col("instant")), pl.col("capacity_maximum").is_not_null()
        )
        return {
            **{name: frame for name, frame in part.items() if name != EVENTS.name},
            CAPACITY_BY_EVENT.name: shown,
            EVENT_CHANGES.name: changes,
            BOOKINGS: bookings.join(part[EVENTS.name], on=_ID, how="left").select(BOOKING),
            SEAT_HISTORY.name: _of(curves, part[SEAT_HISTORY.name]),
            DISTRIBUTION_BY_EVENT.name: packages.filter(
                pl.col("distribution_state").is_in(NEEDS_A_PERSON) | pl.col("return_overdue")
            ),
            ATTENDANCE_BY_EVENT.name: by_day(
                part[ATTENDANCE_BY_EVENT.name], pl.len().cast(pl.Int64)
            ),
        }

    def new(self, changes: pl.DataFrame) -> pl.DataFrame:
        """The changes that came since the last report; none where the page is the first."""
        is_later = pl.col("changed_at") > pl.col("since")
        known = pl.col("sequence") > pl.col("last_sequence")
        is_new = pl.when(pl.col("last_sequence").is_null()).then(is_later).otherwise(known)
        found = changes.join(self.pages, on=_OWNER).filter(pl.col("since").is_not_null(), is_new)
        return found.select(changes.columns)

    def _shown(self, events: pl.DataFrame, changes: pl.DataFrame) -> pl.DataFrame:
        changed = changes.select(_ID).unique().with_columns(is_changed=True)
        found = (
            events.join(self.pages, on=_OWNER)
            .join(changed, on=_ID, how="left")
            .filter(is_upcoming(pl.col("instant")) | pl.col("is_changed"))
        )
        return found.select(events.columns)

    def _of_the_room_weeks(self, bookings: pl.DataFrame) -> pl.DataFrame:
        """The bookings in the weeks before an organization's newest one, and a few more.

        The newest of all is no earlier than that of a part.
        """
        start, latest = pl.col("event_scheduled_start"), pl.col("instant") - _OFFSETS
        newest = pl.when(start <= latest).then(start).max().over(_OWNER).fill_null(latest)
        first = newest - timedelta(weeks=ROOM_WEEKS) - 2 * _OFFSETS
        last = pl.col("instant") + timedelta(weeks=1) + _OFFSETS
        found = bookings.join(self.pages, on=_OWNER).filter(start.is_between(first, last))
        return found.select(bookings.columns)


def page_rows(rows: Sequence[tuple[str, datetime, datetime | None, int | None]]) -> pl.DataFrame:
    """The `pages` of `ShownRows`."""
    instant = pl.Datetime("us", "UTC")
    columns: dict[str, pl.DataType] = {
        _OWNER: pl.String(),
        "instant": instant,
        "since": instant,
        "last_sequence": pl.Int64(),
    }
    return pl.DataFrame(rows, schema=columns, orient="row")


def _of(events: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of these events."""
    return rows.join(events.select(_ID), on=_ID, how="semi")


def by_day(attended: pl.DataFrame, events: pl.Expr) -> pl.DataFrame:
    """Attendance by day and state of the event, with the number of events."""
    days = attended.group_by(_OWNER, "local_date", "lifecycle_status", maintain_order=True)
    return days.agg(pl.col(*ATTENDED).sum(), events=events)


def _facts(part: Frames) -> dict[str, Facts]:
    """The facts of each organization."""
    events = (
        part[CAPACITY_BY_EVENT.name]
        .group_by(_OWNER)
        .agg(
            events=pl.len(),
            newest_day=pl.col("local_date").max(),
            seats_as_of=pl.col("seats_as_of").max(),
            long_bookings=(is_room_event() & is_long()).sum(),
        )
    )
    of_events = {row.pop(_OWNER): row for row in events.to_dicts()}
    states: defaultdict[str, Counter[str]] = defaultdict(Counter)
    packages = part[DISTRIBUTION_BY_EVENT.name].group_by(_OWNER, "distribution_state").len()
    for slug, state, number in packages.rows():
        states[slug][state] = number
    changes = part[EVENT_CHANGES.name].group_by(_OWNER).agg(pl.col("sequence").max())
    sequences = dict(changes.rows())
    return {
        slug: Facts(
            **of_events.get(slug, {}),
            package_states=states[slug],
            sequence=sequences.get(slug) or 0,
        )
        for slug in {*of_events, *states, *sequences}
    }


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
