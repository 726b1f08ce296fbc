"""Sections about seats: utilization, rankings, events below their minimum, booking curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import polars as pl

from booking_assets.report.content import Bar, BarChart, Curve, Section, Table, columns, listed
from booking_assets.report.scope import NOT_APPLICABLE, TITLE, Scope, add_months, label

CHARTED_TYPES = 4
RANKED = 8
CURVES = 20
HISTORY_DAYS = 60
EARLIER = (28, 14, 7)
"""Days before as_of for which the table of the booking curves has the seats."""

_SUMS = ("events", "seats_offered", "seats_offered_known", "seats_taken", "events_unknown")
_COURSE = label("achievement_title", "achievement_identifier", "no course")
_VENUE = label("venue_name", "venue_location_identifier", "no venue")

Row = Mapping[str, Any]


def _taken(row: Row) -> int | str | None:
    """Seats taken; None where seats were offered and none of them is known."""
    if not row["seats_offered"]:
        return NOT_APPLICABLE
    return int(row["seats_taken"]) if row["seats_offered_known"] else None


def _ratio(row: Row) -> float | str | None:
    """Seats taken of those offered whose events' seats are known."""
    taken = _taken(row)
    return taken / row["seats_offered_known"] if isinstance(taken, int) else taken


def utilization(scope: Scope) -> Section:
    """Utilization by month and event type."""
    months = scope.months
    kind = pl.col("event_type").str.strip_chars().replace("", None).fill_null("No type")
    rows = (
        scope.frames["marts.capacity_utilization"]
        .filter(pl.col("month").is_between(months[0], months[-1]))
        .with_columns(kind=kind)
        # `exam` and `Exam` are one type, written as most events have it.
        .with_columns(
            kind=pl.col("kind").sort_by("events").last().over(pl.col("kind").str.to_lowercase())
        )
        .group_by("kind", "month")
        .agg(pl.col(*_SUMS, "events_cancelled", "events_unlimited").sum())
        .sort("month", "kind", descending=[True, False])
    )
    totals = rows.group_by("kind").agg(pl.col(_SUMS).sum())
    charted = totals.filter(pl.col("seats_offered") > 0).top_k(CHARTED_TYPES, by="seats_offered")
    charts = [
        _utilization_chart(scope, rows.filter(kind=total["kind"]), total)
        for total in charted.sort("seats_offered", "kind", descending=[True, False]).to_dicts()
    ]
    heads = columns(
        *("Month:month", "Type", "Events:number", "Cancelled:number", "Without a maximum:number"),
        *("Seats offered:number", "… of events with known seats:number", "Seats taken:number"),
        "Utilization:percent",
    )
    counts = ("month", "kind", "events", "events_cancelled", "events_unlimited", "seats_offered")
    cells = [
        (*(row[name] for name in counts), row["seats_offered_known"], _taken(row), _ratio(row))
        for row in rows.to_dicts()
    ]
    return Section(
        "utilization",
        "Utilization by month and type",
        "Seats taken as a share of the seats offered, by the month in which an event starts."
        " Cancelled events and events without a maximum are left out.",
        scope.seats_as_of_note,
        [*charts, Table("Utilization by month and type", heads, cells, is_behind=bool(charts))],
    )


def _utilization_chart(scope: Scope, rows: pl.DataFrame, total: Row) -> BarChart:
    by_month = {row["month"]: row for row in rows.to_dicts()}
    bars = []
    for month in scope.months:
        row = by_month.get(month)
        ratio = _ratio(row) if row else NOT_APPLICABLE
        bars.append(
            Bar(
                month,
                ratio if isinstance(ratio, float) else None,
                is_unknown=ratio is None,
                is_open=scope.is_open(month),
            )
        )
    known, taken = total["seats_offered_known"], total["seats_taken"]
    summary = f"{taken:,} of {known:,} seats taken" if known else "seats unknown"
    return BarChart(total["kind"], summary, bars)


def rankings(scope: Scope) -> Section:
    """The fullest and emptiest courses and venues of a year."""
    first, last = add_months(scope.newest_month, -11), scope.newest_month
    blocks: list[Table | str] = []
    for what, table, identifier, name in (
        ("courses", "marts.course_utilization", "achievement_identifier", _COURSE),
        ("venues", "marts.capacity_utilization", "venue_location_identifier", _VENUE),
    ):
        groups = (
            scope.frames[table]
            .filter(pl.col("month").is_between(first, last), pl.col(identifier).is_not_null())
            .group_by(identifier)
            .agg(name.drop_nulls().last().alias("name"), pl.col(_SUMS).sum())
            .filter(pl.col("seats_offered") > 0)
        )
        known = (
            groups.filter(pl.col("seats_offered_known") > 0)
            .with_columns(ratio=pl.col("seats_taken") / pl.col("seats_offered_known"))
            .sort("ratio", "seats_offered_known", "name", descending=[True, True, False])
            .to_dicts()
        )
        # With fewer than twice as many, each half.
        shown = min(RANKED, (len(known) + 1) // 2)
        fullest, others = known[:shown], known[shown:]
        unknown = groups.height - len(known)
        if known or not unknown:
            blocks.append(_ranking(f"Fullest {what}", fullest))
            blocks.append(_ranking(f"Emptiest {what}", others[-RANKED:][::-1]))
        if unknown:
            blocks.append(f"{unknown:,} {what} are not ranked: their seats are unknown.")
    return Section(
        "rankings",
        "Fullest and emptiest courses and venues",
        f"By seats taken of seats offered, from {first:%B %Y} to {last:%B %Y}."
        " Names that are unknown are shown as the first characters of their identifier.",
        scope.seats_as_of_note,
        blocks,
    )


def _ranking(caption: str, rows: Sequence[Row]) -> Table:
    heads = columns("Name", "Utilization:bar", "Taken:number", "Offered:number")
    cells = [(r["name"], r["ratio"], r["seats_taken"], r["seats_offered_known"]) for r in rows]
    return Table(caption, heads, cells)


def below_minimum(scope: Scope) -> tuple[Section, int | None]:
    """Events of the next 60 days below their minimum, and their number."""
    limited = scope.upcoming.filter(pl.col("capacity_minimum").is_not_null())
    found = limited.filter(pl.col("is_below_minimum"))
    unknown = limited["is_below_minimum"].null_count()
    heads = columns(
        *("Starts:day", "Event", "Registered:number"),
        *("Minimum:number", "Missing:number", "Registration"),
    )
    cells = [
        (
            row["local_date"],
            (row["title"], f"{row['course']} · {row['venue']}"),
            row["seats_taken"],
            row["capacity_minimum"],
            row["capacity_minimum"] - row["seats_taken"],
            row["registration_state"],
        )
        for row in found.with_columns(title=TITLE, course=_COURSE, venue=_VENUE).to_dicts()
    ]
    table = listed("Events below their minimum", heads, cells)
    notes = [f"{unknown} more have a minimum, and their seats are unknown."] if unknown else []
    section = Section(
        "minimum",
        "Classes below their minimum, next 60 days",
        "Classes and other events that start within 60 days, are not cancelled, and have fewer"
        " registrations (confirmed and invited) than their minimum.",
        scope.seats_as_of_note,
        [table, *notes],
    )
    return section, None if unknown and not found.height else found.height


def booking_curves(scope: Scope) -> Section:
    """Seats taken over time of the next events."""
    limited = scope.upcoming.filter(pl.col("capacity_maximum").is_not_null())
    upcoming = limited.head(CURVES).with_columns(title=TITLE)
    history = (
        scope.frames["marts.seat_history"]
        .join(upcoming.select("event_identifier"), on="event_identifier", how="semi")
        .with_columns(taken=pl.col("seats_confirmed") + pl.col("seats_invited"))
        .sort("valid_from")
    )
    versions = history.partition_by("event_identifier", as_dict=True)
    before = [f"{days} days before:number" for days in EARLIER]
    heads = columns(
        *("Starts:day", "Event", "Last 60 days:curve", *before, "Now:number", "Maximum:number")
    )
    cells = []
    for row in upcoming.to_dicts():
        own = versions.get((row["event_identifier"],), history.clear()).to_dicts()
        cells.append(
            (
                row["local_date"],
                row["title"],
                _curve(scope, own, row["capacity_maximum"]),
                *(_taken_before(scope, own, days) for days in EARLIER),
                row["seats_taken"],
                row["capacity_maximum"],
            )
        )
    return Section(
        "curves",
        "Booking curves of upcoming classes",
        f"Seats taken in the next {CURVES} classes and other events with a maximum that start"
        " within 60 days; the dashed line is the maximum. What was not seen yet is unknown.",
        scope.seats_as_of_note,
        [Table("Booking curves", heads, cells, total=limited.height)],
    )


def _curve(scope: Scope, versions: Sequence[Row], maximum: int) -> Curve:
    """The steps of the last 60 days."""
    end = scope.seats_as_of or scope.as_of
    steps: list[tuple[float, int | None]] = []
    for version in versions:
        ends = version["valid_to"] or end
        if ends <= end - timedelta(days=HISTORY_DAYS):
            continue
        start = max(version["valid_from"], end - timedelta(days=HISTORY_DAYS))
        days = [(instant - end) / timedelta(days=1) for instant in (start, min(ends, end))]
        if steps and steps[-1][0] < days[0]:
            steps.append((steps[-1][0], None))
        steps += [(day, version["taken"]) for day in days]
    return Curve(steps, maximum)


def _taken_before(scope: Scope, versions: Sequence[Row], days: int) -> int | None:
    """The seats taken so many days before as_of; None where they were not seen."""
    instant = (scope.seats_as_of or scope.as_of) - timedelta(days=days)
    for version in versions:
        if version["valid_from"] <= instant < (version["valid_to"] or scope.as_of):
            taken: int | None = version["taken"]
            return taken
    return None


def upcoming_seats(scope: Scope) -> tuple[int | None, int, int]:
    """Seats taken and offered in the next 60 days, and the events whose seats are unknown."""
    limited = scope.upcoming.filter(pl.col("capacity_maximum").is_not_null())
    known = limited.filter(pl.col("seats_taken").is_not_null())
    offered = int(known["capacity_maximum"].sum())
    taken = int(known["seats_taken"].sum()) if known.height or not limited.height else None
    return taken, offered, limited.height - known.height
