"""Rooms the slow way: a loop over days with zoneinfo, over half hours, and over all pairs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, timezone, tzinfo
from functools import cached_property
from itertools import combinations, product
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from booking_assets.tables.marts import ROOM_CONFLICTS, ROOM_UTILIZATION
from booking_assets_tests.transforms.rows import AS_OF, DAY, Row
from booking_assets_tests.transforms.strategies import HALF_HOUR

Window = tuple[datetime, datetime]
SATURDAY = 5


@dataclass
class Room:
    """A room with its events; a term is an event that is too long to be a booking."""

    organization: str
    venue: str | None
    zone: str | None
    longest: timedelta
    spellings: list[str] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)

    @cached_property
    def name(self) -> str | None:
        return most_often(self.spellings) if self.spellings else None

    @cached_property
    def clock(self) -> tzinfo:
        starts = [one["event_scheduled_start_offset_minutes"] or 0 for one in self.events]
        return ZoneInfo(self.zone) if self.zone else fixed(most_often(starts))

    def is_term(self, event: Row) -> bool:
        length: timedelta = event["event_scheduled_end"] - event["event_scheduled_start"]
        return length > self.longest

    def week(self, at: datetime) -> Any:
        local = at.astimezone(self.clock)
        return local.date() - timedelta(days=local.weekday())

    def written(self, event: Row, end: str) -> datetime:
        """A start or end as written, or by the time zone, without an offset."""
        offset = fixed(event[f"event_scheduled_{end}_offset_minutes"] or 0)
        clock = ZoneInfo(self.zone) if self.zone else offset
        at: datetime = event[f"event_scheduled_{end}"]
        return at.astimezone(clock).replace(tzinfo=None)

    def windows(self, event: Row) -> list[Window]:
        start, end = event["event_scheduled_start"], event["event_scheduled_end"]
        first, last = self.written(event, "start"), self.written(event, "end")
        if self.is_term(event):
            return []
        if end - start <= DAY or last <= first:
            return [(start, end)]
        nights = DAY * (last.time() <= first.time())
        final = last.date() - nights
        days = [first.date() + count * DAY for count in range((final - first.date()).days + 1)]
        if days[0].weekday() < SATURDAY and days[-1].weekday() < SATURDAY:
            days = [day for day in days if day.weekday() < SATURDAY]
        windows = []
        for day in days:
            since = self.instant(day, first.time())
            until = self.instant(day + nights, last.time())
            windows.append((since, min(until, self.instant(day + DAY, first.time()))))
        return [(since, until) for since, until in windows if since < until]

    def instant(self, day: Any, at: time) -> datetime:
        return datetime.combine(day, at, self.clock).astimezone(UTC)


def fixed(minutes: int) -> tzinfo:
    return timezone(timedelta(minutes=minutes))


def most_often(values: list[Any]) -> Any:
    counts = Counter(values)
    return min(value for value, count in counts.items() if count == max(counts.values()))


def rooms_of(events: pl.DataFrame, zones: Mapping[str, str], longest: timedelta) -> list[Room]:
    rooms: dict[tuple[Any, ...], Room] = {}
    for event in events.iter_rows(named=True):
        name = " ".join((event["venue_room"] or "").split())
        venue, organization = event["venue_location_identifier"], event["organization"]
        start, end = event["event_scheduled_start"], event["event_scheduled_end"]
        if (event["event_scheduling_status"] or "").strip().lower() == "cancelled":
            continue
        if None in (start, end) or start >= end or (not name and venue is None):
            continue
        empty = Room(organization, venue, zones.get(organization), longest)
        room = rooms.setdefault((organization, venue, name.lower()), empty)
        room.spellings += [name] if name else []
        room.events.append(event)
    return list(rooms.values())


def half_hours(window: Window) -> Iterator[datetime]:
    at, until = window
    while at < until:
        yield at
        at += HALF_HOUR


def utilization(events: pl.DataFrame, zones: Mapping[str, str], longest: timedelta) -> pl.DataFrame:
    """`room_utilization`: each half hour of each window."""
    rows = []
    for room in rooms_of(events, zones, longest):
        taken: defaultdict[Any, Counter[datetime]] = defaultdict(Counter)
        seats: Counter[Any] = Counter()
        present: defaultdict[Any, set[str]] = defaultdict(set)
        terms = Counter(
            room.week(one["event_scheduled_start"]) for one in room.events if room.is_term(one)
        )
        for event in room.events:
            for at in (at for window in room.windows(event) for at in half_hours(window)):
                week = room.week(at)
                taken[week][at] += 1
                seats[week] += max(event["capacity_maximum"] or 0, 0)
                present[week].add(event["event_identifier"])
        for week in {*taken, *terms}:
            counts = taken[week].values()
            known = room.name is not None
            rows.append(
                {
                    "organization": room.organization,
                    "venue_location_identifier": room.venue,
                    "room": room.name,
                    "week": week,
                    "booked_hours": len(counts) / 2,
                    "double_booked_hours": sum(n > 1 for n in counts) / 2 if known else None,
                    "events": len(present[week]),
                    "events_too_long": terms[week],
                    "seat_hours": seats[week] / 2,
                    "peak_concurrent_events": max(counts, default=0) if known else None,
                    "open_hours": 60.0,
                    "room_utilization": len(counts) / 2 / 60,
                    "as_of": AS_OF,
                }
            )
    return pl.DataFrame(rows, schema=ROOM_UTILIZATION.dtypes).sort(ROOM_UTILIZATION.grain)


def conflicts(events: pl.DataFrame, zones: Mapping[str, str], longest: timedelta) -> pl.DataFrame:
    """`room_conflicts`: each window of each event beside each of each other event."""
    rows = []
    for room in rooms_of(events, zones, longest):
        in_order = sorted(
            room.events, key=lambda one: (one["event_scheduled_start"], one["event_identifier"])
        )
        for first, second in combinations(in_order if room.name else [], 2):
            pair = (first, second)
            lengths = [one["event_scheduled_end"] - one["event_scheduled_start"] for one in pair]
            (achievement, code), other_class = (
                (one["achievement_identifier"], (one["event_class_code"] or "").strip())
                for one in pair
            )
            same_class = bool(achievement and code) and (achievement, code) == other_class
            for one, other in product(room.windows(first), room.windows(second)):
                start, end = max(one[0], other[0]), min(one[1], other[1])
                if start < end:
                    rows.append(
                        {
                            "organization": room.organization,
                            "venue_location_identifier": room.venue,
                            "room": room.name,
                            "first_event_identifier": first["event_identifier"],
                            "second_event_identifier": second["event_identifier"],
                            "overlap_start": start,
                            "overlap_end": end,
                            "overlap_minutes": (end - start) / timedelta(minutes=1),
                            "basis": "exact" if max(lengths) <= DAY else "daily",
                            "same_class": same_class,
                            "as_of": AS_OF,
                        }
                    )
    return pl.DataFrame(rows, schema=ROOM_CONFLICTS.dtypes).sort(ROOM_CONFLICTS.grain)
