"""Sections about rooms and people: when rooms are booked, who came, what changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import polars as pl

from booking_assets.report.content import (
    LISTED,
    Bar,
    BarChart,
    HeatMap,
    Section,
    Table,
    columns,
    listed,
)
from booking_assets.report.scope import (
    ATTENDED,
    BOOKINGS,
    NOT_APPLICABLE,
    ROOM_WEEKS,
    TITLE,
    Batch,
    Query,
    Scope,
    first_of_each,
)

NO_SHOW_DAYS = 90
ROOMS_AT_ONCE = 200
"""Rooms whose booked hours are listed at once: those of 2,000 took 130 MiB."""
_ATTENDED = "marts.attendance_by_event"


def rooms(scope: Scope) -> Section:
    """Rooms booked by weekday and hour, on average of 13 weeks."""
    rows = scope.figures["rooms"]
    counts = {(row["weekday"], row["of_day"]): row["len"] for row in rows}
    used = sorted({hour for _, hour in counts})
    shown = range(used[0], used[-1] + 1) if used else range(0)
    cells = [[counts.get((day, hour), 0) / ROOM_WEEKS for day in range(1, 8)] for hour in shown]
    blocks: list[HeatMap | str] = ["No room is booked in this time."]
    for row in rows[:1]:
        first, last = row["end"] - timedelta(weeks=ROOM_WEEKS), row["end"] - timedelta(days=1)
        caption = f"Rooms booked by weekday and hour, {first:%d %b %Y} to {last:%d %b %Y}"
        blocks = [HeatMap(caption, shown, cells)]
    too_long = scope.facts.long_bookings
    if too_long:
        blocks.append(f"{too_long:,} events of more than a day are not in it.")
    return Section(
        "rooms",
        "When rooms are booked",
        f"Rooms that are booked within the hour, on average of {ROOM_WEEKS} weeks, by events that"
        " are not cancelled and take a day at most.",
        scope.as_of_note,
        blocks,
    )


def _room_hours(batch: Batch) -> pl.DataFrame:
    """The number of rooms booked by weekday and hour, in the weeks before `end`."""
    bookings = batch.rows(BOOKINGS)
    zones = bookings.partition_by("zone", as_dict=True) or {(None,): bookings}
    local = pl.concat([_local_bookings(own, zone) for (zone,), own in zones.items()])
    day, today = pl.col("first").dt.date(), pl.col("today")
    newest = pl.when(day <= today).then(day).max().over("organization").fill_null(today)
    # Weeks begin on Monday.
    end = newest + pl.duration(days=8 - newest.dt.weekday().cast(pl.Int64))
    part = pl.col("room") // ROOMS_AT_ONCE
    booked = local.select("organization", "room", "first", "last", end=end, part=part)
    parts = booked.partition_by("part") or [booked]
    hours = pl.concat(map(_booked_hours, parts))
    return hours.group_by(pl.exclude("len")).agg(pl.col("len").sum())


def _booked_hours(bookings: pl.DataFrame) -> pl.DataFrame:
    """The same of some rooms."""
    first, hour = pl.col("end") - timedelta(weeks=ROOM_WEEKS), pl.col("hour")
    booked = pl.datetime_ranges("first", "last", "1h")
    return (
        bookings.select("organization", "room", "end", hour=booked)
        .explode("hour")
        .filter(hour.dt.date().is_between(first, pl.col("end"), closed="left"))
        .unique(["organization", "room", "hour"])
        .group_by("organization", "end", weekday=hour.dt.weekday(), of_day=hour.dt.hour())
        .len()
    )


def _local_bookings(bookings: pl.DataFrame, zone: str | None) -> pl.DataFrame:
    """The first and the last hour that an event books, by the clock of the venue."""
    start = pl.col("event_scheduled_start")
    local = (
        start.dt.convert_time_zone(zone).dt.replace_time_zone(None)
        if zone
        else start.dt.replace_time_zone(None)
        + pl.duration(minutes=pl.col("event_scheduled_start_offset_minutes").fill_null(0))
    )
    length = pl.col("event_scheduled_end") - start
    room = pl.col("venue_room").str.replace_all(r"\s+", " ").str.strip_chars().str.to_lowercase()
    times = bookings.select(
        *("organization", "today"),
        # A number: the texts would be repeated for each hour.
        room=pl.struct("venue_location_identifier", room.replace("", None)).rank("dense"),
        first=local.dt.truncate("1h"),
        # An event that ends at 10:00 does not book the hour from 10 to 11.
        last=(local + length - timedelta(microseconds=1)).dt.truncate("1h"),
    )
    return times.unique()


_ATTENDANCE = {
    "events": "Events",
    "taken": "Registered",
    "present": "Present",
    "absent": "Absent",
    "incomplete": "Incomplete",
    "unmarked": "Not marked",
    "other": "Other",
}


def attendance(scope: Scope) -> tuple[Section, float | None]:
    """No-show rate by month, and that of the last 90 days."""
    months = [month for month in scope.months if month <= scope.newest_month]
    by_month = {row["month"]: row for row in scope.figures["attendance"]}
    bars, cells = [], []
    for month in months:
        row = by_month.get(month)
        rate = _no_show_rate(row) if row else None
        bars.append(Bar(month, rate, row is not None and rate is None, scope.is_open(month)))
        if row:
            cells.append((month, *(row[name] for name in _ATTENDANCE), rate))
    recent_rate = next(map(_no_show_rate, scope.figures["recent attendance"]), None)
    counts = [f"{heading}:number" for heading in _ATTENDANCE.values()]
    heads = columns("Month:month", *counts, "No-show rate:percent")
    table = Table("Attendance by month", heads, cells[::-1], is_behind=bool(cells))
    known = [rate for rate in (bar.ratio for bar in bars) if rate is not None]
    chart = BarChart("No-show rate", f"highest {max(known):.0%}" if known else "unknown", bars)
    section = Section(
        "attendance",
        "Attendance and no-shows",
        "Absent people as a share of those marked present or absent, in events that have ended, by"
        " the month in which they start. A month in which nobody is marked is unknown.",
        scope.seats_as_of_note,
        [chart, table] if cells else ["Unknown: no attendance is recorded in this time."],
    )
    return section, recent_rate


def _attendance(batch: Batch) -> pl.DataFrame:
    """Figures of attendance by month, of events that have ended."""
    ended = batch.rows(_ATTENDED).filter(lifecycle_status="Completed")
    months = ended.group_by("organization", month=pl.col("local_date").dt.truncate("1mo"))
    return months.agg(pl.col("events", *ATTENDED).sum())


def _recent_attendance(batch: Batch) -> pl.DataFrame:
    """Figures of attendance of the last 90 days."""
    is_recent = pl.col("local_date") > pl.col("today") - timedelta(days=NO_SHOW_DAYS)
    ended = batch.rows(_ATTENDED).filter(is_recent, lifecycle_status="Completed")
    return ended.group_by("organization").agg(pl.col("events", *ATTENDED).sum())


def _no_show_rate(sums: Mapping[str, int]) -> float | None:
    marked = sums["present"] + sums["absent"]
    return sums["absent"] / marked if marked else None


CHANGES = {"inserted": "New", "deleted": "Deleted", "updated": "Changed"}


def changes(scope: Scope) -> tuple[Section, int | str]:
    """What changed since the last report, and how many events."""
    if scope.since is None:
        text = "This is the first report: changes are listed from the next one on."
        return Section("changes", "What changed", "", scope.as_of_note, [text]), NOT_APPLICABLE
    number = next(iter(scope.figures["number of changes"]), dict.fromkeys(("rows", "events"), 0))
    cells = [
        (
            row["changed_at"],
            CHANGES.get(row["change"], row["change"]),
            row["title"],
            (row["column_name"] or NOT_APPLICABLE).replace("_", " "),
            _value(row, "old_value"),
            _value(row, "new_value"),
        )
        for row in scope.figures["changes"]
    ]
    heads = columns("Seen:instant", "Change", "Event", "What", "Before", "After")
    counted = ", ".join(f"{number.get(c, 0):,} {word.lower()}" for c, word in CHANGES.items())
    section = Section(
        "changes",
        "What changed since the last report",
        f"The last report was as of {scope.clock.instant(scope.since)}. Events since: {counted}.",
        scope.as_of_note,
        [listed("Changes since the last report", heads, cells, number["rows"])],
    )
    return section, number["events"]


def _changes(batch: Batch) -> pl.DataFrame:
    """The first changes since the last report, the newest first."""
    key = ["organization", "event_identifier"]
    events = batch.frames["marts.capacity_by_event"]
    found = batch.rows("marts.event_changes").join(
        events.select(*key, "event_number", "event_title"), on=key, how="left"
    )
    order = ("changed_at", "title", "column_name")
    newest = found.with_columns(title=TITLE).sort(order, descending=[True, False, False])
    return first_of_each(newest, LISTED)


def _number_of_changes(batch: Batch) -> pl.DataFrame:
    """The number of changes, and of the events that changed, in all and by the kind of change."""
    event = pl.col("event_identifier")
    return (
        batch.rows("marts.event_changes")
        .group_by("organization")
        .agg(
            rows=pl.len(),
            events=event.n_unique(),
            **{kind: event.filter(pl.col("change") == kind).n_unique() for kind in CHANGES},
        )
    )


def _value(row: Mapping[str, object], name: str) -> object:
    """A former or new value of a changed column; empty where there was none."""
    if row["column_name"] is None:
        return NOT_APPLICABLE
    return "empty" if row[name] is None else row[name]


QUERIES: Mapping[str, Query] = {
    "rooms": _room_hours,
    "attendance": _attendance,
    "recent attendance": _recent_attendance,
    "changes": _changes,
    "number of changes": _number_of_changes,
}
