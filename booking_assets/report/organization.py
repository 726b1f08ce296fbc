"""Makes an organization's page from its frames: key figures, then a section for each question."""

from __future__ import annotations

from booking_assets.report import exams, seats, usage
from booking_assets.report.content import Page, Section, Tile
from booking_assets.report.scope import NOT_APPLICABLE, Scope


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
    waiting = scope.upcoming["seats_waitlisted"].drop_nulls()
    waitlisted = int(waiting.sum()) if len(waiting) or not scope.upcoming.height else None
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
