"""Sections about seats: utilization, rankings, events below their minimum, booking curves."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta

import polars as pl

from booking_assets.report.content import (
    LISTED,
    Bar,
    BarChart,
    Curve,
    Section,
    Table,
    columns,
    listed,
)
from booking_assets.report.scope import (
    MONTHS_AHEAD,
    MONTHS_BACK,
    NOT_APPLICABLE,
    Batch,
    Query,
    Row,
    Scope,
    add_months,
    first_of_each,
    label,
)

CHARTED_TYPES = 4
RANKED = 8
CURVES = 20
HISTORY_DAYS = 60
EARLIER = (28, 14, 7)
"""Days before as_of for which the table of the booking curves has the seats."""

_SUMS = ("events", "seats_offered", "seats_offered_known", "seats_taken", "events_unknown")
_COURSE = label("achievement_title", "achievement_identifier", "no course")
_VENUE = label("venue_name", "venue_location_identifier", "no venue")


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
    rows = scope.figures["utilization"]
    kinds: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        kinds[row["kind"]].append(row)
    offered = {kind: sum(row["seats_offered"] for row in own) for kind, own in kinds.items()}
    charted = sorted(filter(offered.get, kinds), key=lambda kind: (-offered[kind], kind))
    charts = [_utilization_chart(scope, kind, kinds[kind]) for kind in charted[:CHARTED_TYPES]]
    heads = columns(
        *("Month:month", "Type", "Events:number", "Cancelled:number", "Without a maximum:number"),
        *("Seats offered:number", "… of events with known seats:number", "Seats taken:number"),
        "Utilization:percent",
    )
    counts = ("month", "kind", "events", "events_cancelled", "events_unlimited", "seats_offered")
    cells = [
        (*(row[name] for name in counts), row["seats_offered_known"], _taken(row), _ratio(row))
        for row in rows
    ]
    return Section(
        "utilization",
        "Utilization by month and type",
        "Seats taken as a share of the seats offered, by the month in which an event starts."
        " Cancelled events and events without a maximum are left out.",
        scope.seats_as_of_note,
        [*charts, Table("Utilization by month and type", heads, cells, is_behind=bool(charts))],
    )


def _utilization_rows(batch: Batch) -> pl.DataFrame:
    """Figures by month and type, for the months that charts show."""
    kind = pl.col("event_type").str.strip_chars().replace("", None).fill_null("No type")
    newest, written = pl.col("newest_month"), pl.col("kind").str.to_lowercase()
    first, last = newest.dt.offset_by(f"-{MONTHS_BACK}mo"), newest.dt.offset_by(f"{MONTHS_AHEAD}mo")
    return (
        batch.rows("marts.capacity_utilization")
        .filter(pl.col("month").is_between(first, last))
        .with_columns(kind=kind)
        # `exam` and `Exam` are one type, written as most events have it.
        .with_columns(kind=pl.col("kind").sort_by("events").last().over("organization", written))
        .group_by("organization", "kind", "month")
        .agg(pl.col(*_SUMS, "events_cancelled", "events_unlimited").sum())
        .sort("month", "kind", descending=[True, False])
    )


def _utilization_chart(scope: Scope, kind: str, rows: Sequence[Row]) -> BarChart:
    by_month = {row["month"]: row for row in rows}
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
    known, taken = (
        sum(row[name] for row in rows) for name in ("seats_offered_known", "seats_taken")
    )
    summary = f"{taken:,} of {known:,} seats taken" if known else "seats unknown"
    return BarChart(kind, summary, bars)


def rankings(scope: Scope) -> Section:
    """The fullest and emptiest courses and venues of a year."""
    first, last = add_months(scope.newest_month, -11), scope.newest_month
    blocks: list[Table | str] = []
    for what in ("courses", "venues"):
        known = [row for row in scope.figures[what] if row["seats_offered_known"]]
        # With fewer than twice as many, each half.
        shown = min(RANKED, (len(known) + 1) // 2)
        fullest, others = known[:shown], known[shown:]
        unknown = len(scope.figures[what]) - len(known)
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


def _ranked(table: str, identifier: str, name: pl.Expr) -> Query:
    def query(batch: Batch) -> pl.DataFrame:
        """Courses or venues of the newest year, the fullest first."""
        newest, known = pl.col("newest_month"), pl.col("seats_offered_known")
        is_of_year = pl.col("month").is_between(newest.dt.offset_by("-11mo"), newest)
        return (
            batch.rows(table)
            .filter(is_of_year, pl.col(identifier).is_not_null())
            .group_by("organization", identifier)
            .agg(name.drop_nulls().last().alias("name"), pl.col(_SUMS).sum())
            .filter(pl.col("seats_offered") > 0)
            .with_columns(ratio=pl.when(known > 0).then(pl.col("seats_taken") / known))
            .sort("ratio", "seats_offered_known", "name", descending=[True, True, False])
        )

    return query


def _ranking(caption: str, rows: Sequence[Row]) -> Table:
    heads = columns("Name", "Utilization:bar", "Taken:number", "Offered:number")
    cells = [(r["name"], r["ratio"], r["seats_taken"], r["seats_offered_known"]) for r in rows]
    return Table(caption, heads, cells)


def below_minimum(scope: Scope) -> tuple[Section, int | None]:
    """Events of the next 60 days below their minimum, and their number."""
    below, unknown = (_ahead(scope)[name] for name in ("below_minimum", "minimum_unknown"))
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
        for row in scope.figures["below minimum"]
    ]
    table = listed("Events below their minimum", heads, cells, below)
    notes = [f"{unknown} more have a minimum, and their seats are unknown."] if unknown else []
    section = Section(
        "minimum",
        "Classes below their minimum, next 60 days",
        "Classes and other events that start within 60 days, are not cancelled, and have fewer"
        " registrations (confirmed and invited) than their minimum.",
        scope.seats_as_of_note,
        [table, *notes],
    )
    return section, None if unknown and not below else below


def _below_minimum(batch: Batch) -> pl.DataFrame:
    """The first events of the next 60 days below their minimum."""
    found = batch.upcoming.filter(pl.col("capacity_minimum").is_not_null(), "is_below_minimum")
    return first_of_each(found, LISTED).with_columns(course=_COURSE, venue=_VENUE)


def booking_curves(scope: Scope) -> Section:
    """Seats taken over time of the next events."""
    versions: defaultdict[str, list[Row]] = defaultdict(list)
    for row in scope.figures["seat history"]:
        versions[row["event_identifier"]].append(row)
    before = [f"{days} days before:number" for days in EARLIER]
    heads = columns(
        *("Starts:day", "Event", "Last 60 days:curve", *before, "Now:number", "Maximum:number")
    )
    cells = []
    for row in scope.figures["curves"]:
        own = versions[row["event_identifier"]]
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
        [Table("Booking curves", heads, cells, total=_ahead(scope)["limited"])],
    )


def _curves(batch: Batch) -> pl.DataFrame:
    """The first events of the next 60 days with a maximum."""
    return first_of_each(batch.upcoming.filter(pl.col("capacity_maximum").is_not_null()), CURVES)


def _seat_history(batch: Batch) -> pl.DataFrame:
    """The seats taken over time of these events."""
    key = ("organization", "event_identifier")
    found = batch.frames["marts.seat_history"].join(_curves(batch).select(key), on=key, how="semi")
    taken = pl.col("seats_confirmed") + pl.col("seats_invited")
    return found.with_columns(taken=taken).sort("valid_from")


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
    ahead = _ahead(scope)
    taken = ahead["taken"] if ahead["known"] or not ahead["limited"] else None
    return taken, ahead["offered"], ahead["limited"] - ahead["known"]


def waitlisted(scope: Scope) -> int | None:
    """People on waiting lists in the next 60 days; None where nothing is known of them."""
    ahead = _ahead(scope)
    return ahead["waitlisted"] if ahead["waitlists"] or not ahead["events"] else None


def _ahead(scope: Scope) -> Counter[str]:
    """Figures of the events of the next 60 days."""
    counts = {name: n for row in scope.figures["ahead"] for name, n in row.items()}
    counts.pop("organization", None)
    return Counter(counts)


def _ahead_rows(batch: Batch) -> pl.DataFrame:
    limited, taken = pl.col("capacity_maximum").is_not_null(), pl.col("seats_taken")
    known, is_below = limited & taken.is_not_null(), pl.col("is_below_minimum")
    has_minimum = pl.col("capacity_minimum").is_not_null()
    return batch.upcoming.group_by("organization").agg(
        events=pl.len(),
        limited=limited.sum(),
        known=known.sum(),
        offered=pl.col("capacity_maximum").filter(known).sum(),
        taken=taken.filter(known).sum(),
        waitlists=pl.col("seats_waitlisted").count(),
        waitlisted=pl.col("seats_waitlisted").sum(),
        below_minimum=(has_minimum & is_below).sum(),
        minimum_unknown=(has_minimum & is_below.is_null()).sum(),
    )


QUERIES: Mapping[str, Query] = {
    "utilization": _utilization_rows,
    "courses": _ranked("marts.course_utilization", "achievement_identifier", _COURSE),
    "venues": _ranked("marts.capacity_utilization", "venue_location_identifier", _VENUE),
    "ahead": _ahead_rows,
    "below minimum": _below_minimum,
    "curves": _curves,
    "seat history": _seat_history,
}
