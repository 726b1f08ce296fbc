"""Sections about rooms and people: when rooms are booked, who came, what changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import polars as pl

from booking_assets.report.content import Bar, BarChart, HeatMap, Section, Table, columns, listed
from booking_assets.report.scope import (
    ATTENDED,
    NOT_APPLICABLE,
    ROOM_WEEKS,
    TITLE,
    Scope,
    is_long,
    is_room_event,
)

NO_SHOW_DAYS = 90


def rooms(scope: Scope) -> Section:
    """Rooms booked by weekday and hour, on average of 13 weeks."""
    local = _local_bookings(scope)
    today = scope.clock.local(scope.as_of).date()
    days = local["first"].dt.date()
    newest = days.filter(days <= today).max() if local.height else None
    last = newest if isinstance(newest, date) else today
    # Weeks begin on Monday.
    end = last + timedelta(days=7 - last.weekday())
    start = end - timedelta(weeks=ROOM_WEEKS)
    hours = (
        local.with_columns(hour=pl.datetime_ranges("first", "last", "1h"))
        .explode("hour")
        .filter(pl.col("hour").dt.date().is_between(start, end, closed="left"))
        .unique(["venue_location_identifier", "room", "hour"])
        .group_by(weekday=pl.col("hour").dt.weekday(), of_day=pl.col("hour").dt.hour())
        .len()
    )
    counts = {(weekday, hour): count for weekday, hour, count in hours.rows()}
    used = sorted({hour for _, hour in counts})
    shown = range(used[0], used[-1] + 1) if used else range(0)
    cells = [[counts.get((day, hour), 0) / ROOM_WEEKS for day in range(1, 8)] for hour in shown]
    caption = f"Rooms booked by weekday and hour, {start:%d %b %Y} to {end - timedelta(1):%d %b %Y}"
    too_long = scope.facts.long_bookings
    blocks: list[HeatMap | str] = (
        [HeatMap(caption, shown, cells)] if used else ["No room is booked in this time."]
    )
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


def _local_bookings(scope: Scope) -> pl.DataFrame:
    """The first and the last hour that an event books, by the clock of the venue."""
    zone = scope.organization.get("timezone")
    start = pl.col("event_scheduled_start")
    local = (
        start.dt.convert_time_zone(zone).dt.replace_time_zone(None)
        if zone
        else start.dt.replace_time_zone(None)
        + pl.duration(minutes=pl.col("event_scheduled_start_offset_minutes").fill_null(0))
    )
    length = pl.col("event_scheduled_end") - start
    room = pl.col("venue_room").str.replace_all(r"\s+", " ").str.strip_chars().str.to_lowercase()
    return (
        scope.events.filter(is_room_event(), ~is_long())
        .join(scope.frames["raw.events"], on="event_identifier", how="left")
        .select(
            "venue_location_identifier",
            room=room.replace("", None),
            first=local.dt.truncate("1h"),
            # An event that ends at 10:00 does not book the hour from 10 to 11.
            last=(local + length - timedelta(microseconds=1)).dt.truncate("1h"),
        )
    )


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
    ended = scope.frames["marts.attendance_by_event"].filter(lifecycle_status="Completed")
    sums = pl.col("events", *ATTENDED).sum()
    months = [month for month in scope.months if month <= scope.newest_month]
    by_month = {
        row["month"]: row
        for row in ended.group_by(month=pl.col("local_date").dt.truncate("1mo"))
        .agg(sums)
        .to_dicts()
    }
    bars, cells = [], []
    for month in months:
        row = by_month.get(month)
        rate = _no_show_rate(row) if row else None
        bars.append(Bar(month, rate, row is not None and rate is None, scope.is_open(month)))
        if row:
            cells.append((month, *(row[name] for name in _ATTENDANCE), rate))
    recent = ended.filter(
        pl.col("local_date") > scope.clock.local(scope.as_of).date() - timedelta(days=NO_SHOW_DAYS)
    )
    recent_rate = _no_show_rate(recent.select(sums).row(0, named=True)) if recent.height else None
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


def _no_show_rate(sums: Mapping[str, int]) -> float | None:
    marked = sums["present"] + sums["absent"]
    return sums["absent"] / marked if marked else None


CHANGES = {"inserted": "New", "deleted": "Deleted", "updated": "Changed"}


def changes(scope: Scope) -> tuple[Section, int | str]:
    """What changed since the last report, and how many events."""
    if scope.since is None:
        text = "This is the first report: changes are listed from the next one on."
        return Section("changes", "What changed", "", scope.as_of_note, [text]), NOT_APPLICABLE
    found = (
        scope.frames["marts.event_changes"]
        .join(
            scope.events.select("event_identifier", "event_number", "event_title", "local_date"),
            on="event_identifier",
            how="left",
        )
        .with_columns(title=TITLE)
        .sort("changed_at", "title", "column_name", descending=[True, False, False])
    )
    events = dict(found.group_by("change").agg(pl.col("event_identifier").n_unique()).rows())
    cells = [
        (
            row["changed_at"],
            CHANGES.get(row["change"], row["change"]),
            row["title"],
            (row["column_name"] or NOT_APPLICABLE).replace("_", " "),
            _value(row, "old_value"),
            _value(row, "new_value"),
        )
        for row in found.to_dicts()
    ]
    heads = columns("Seen:instant", "Change", "Event", "What", "Before", "After")
    counted = ", ".join(f"{events.get(c, 0):,} {word.lower()}" for c, word in CHANGES.items())
    section = Section(
        "changes",
        "What changed since the last report",
        f"The last report was as of {scope.clock.instant(scope.since)}. Events since: {counted}.",
        scope.as_of_note,
        [listed("Changes since the last report", heads, cells)],
    )
    return section, found["event_identifier"].n_unique()


def _value(row: Mapping[str, object], name: str) -> object:
    """A former or new value of a changed column; empty where there was none."""
    if row["column_name"] is None:
        return NOT_APPLICABLE
    return "empty" if row[name] is None else row[name]
