"""Makes the pages of organizations: key figures, then a section for each question.

A section has its queries, over all organizations that are drawn together, beside it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import polars as pl

from booking_assets.report import exams, seats, usage
from booking_assets.report.content import Page, Section, Tile
from booking_assets.report.scope import NOT_APPLICABLE, Batch, Query, Row, Scope

_QUERIES: Mapping[str, Query] = {**seats.QUERIES, **exams.QUERIES, **usage.QUERIES}


def with_figures(scopes: Sequence[Scope], frames: Mapping[str, pl.DataFrame]) -> Iterator[Scope]:
    """The organizations with their figures, from the rows of all of them, by the table's name."""
    batch = Batch.of(frames, scopes)
    figures: defaultdict[str, defaultdict[str, list[Row]]]
    figures = defaultdict(lambda: defaultdict(list))
    for name, query in _QUERIES.items():
        for row in query(batch).iter_rows(named=True):
            figures[row["organization"]][name].append(row)
    for scope in scopes:
        yield replace(scope, figures=figures.pop(scope.slug, defaultdict(list)))


def organization_page(scope: Scope) -> Page:
    """The page, with the figures that the index shows."""
    taken, offered, unknown = seats.upcoming_seats(scope)
    minimum, below = seats.below_minimum(scope)
    late, failed, overdue = exams.counts(scope)
    attendance, no_show = usage.attendance(scope)
    changes, changed = usage.changes(scope)
    ratio: float | str | None = taken / offered if taken is not None and offered else None
    seats_text = f"{taken or 0:,} of {offered:,} seats" if offered else ""
    if unknown:
        seats_text = f"{seats_text or 'no seats are known'}; {unknown:,} events are unknown"
    elif not offered:
        ratio, seats_text = NOT_APPLICABLE, "no seats are offered"
    waitlisted = seats.waitlisted(scope)
    horizon = "next 60 days"
    tiles = [
        Tile(f"Seats taken, {horizon}", ratio, seats_text, "curves"),
        Tile(f"Waitlisted, {horizon}", waitlisted, "registrations", "curves"),
        Tile(f"Below minimum, {horizon}", below, "events", "minimum", bool(below)),
        Tile("No-show rate, last 90 days", no_show, "of those marked", "attendance"),
        Tile("Packages overdue", late, "not ordered in time", "packages", bool(late)),
        Tile("Packages failed", failed, "the order failed", "packages", bool(failed)),
        Tile("Returns overdue", overdue, "exam materials", "returns", bool(overdue)),
        Tile("Events changed", changed, "since the last report", "changes"),
    ]
    sections: list[Section] = [
        seats.utilization(scope),
        minimum,
        seats.booking_curves(scope),
        seats.rankings(scope),
        exams.packages(scope),
        exams.returns(scope),
        usage.rooms(scope),
        attendance,
        changes,
    ]
    return Page(
        label=scope.label,
        slug=scope.slug,
        as_of=scope.clock.instant(scope.as_of) or "",
        problem=_problem(scope),
        tiles=tiles,
        sections=sections,
        summary={
            "taken": taken,
            "offered": offered,
            "below_minimum": below,
            "late": late,
            "failed": failed,
            "returns": overdue,
            "no_show": no_show,
            "changed": changed,
        },
    )


def _problem(scope: Scope) -> dict[str, str | None] | None:
    """Since when the data is not current, why, and what to do."""
    if scope.freshness["is_current"]:
        return None
    names = ("reason", "remedy")
    since = scope.clock.instant(scope.freshness["failing_since"])
    return {"since": since, **{name: scope.freshness[name] for name in names}}
