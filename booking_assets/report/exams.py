"""Sections about exam packages: their states, the overdue and failed ones, overdue returns."""

from __future__ import annotations

from datetime import timedelta

from booking_assets.report.content import LISTED, Section, Table, columns, listed
from booking_assets.report.scope import FAILED, LATE, NOT_APPLICABLE, TITLE, Scope
from booking_assets.tables.states import DISTRIBUTION

STATES = (LATE, FAILED, *(state for state in DISTRIBUTION if state not in (LATE, FAILED)))
"""The states in the order of a page: first those that need a person."""


def packages(scope: Scope) -> Section:
    """Exam packages by state, and those that are overdue or failed."""
    frame = scope.frames["marts.distribution_by_event"].with_columns(title=TITLE)
    counts = scope.facts.package_states
    total = counts.total()
    rows = [(state, counts[state] / total, counts[state]) for state in STATES if counts.get(state)]
    heads = columns("State", "Share:bar", "Packages:number")
    blocks: list[Table | str] = [Table("Exam packages by state", heads, rows)]
    for state, caption in ((LATE, "Overdue packages"), (FAILED, "Failed packages")):
        found = frame.filter(distribution_state=state).sort("event_scheduled_start", "title")
        cells = [
            (
                row["event_scheduled_start"] or NOT_APPLICABLE,
                (row["title"], _number(row["event_number"])),
                row["distribution_expected"] or NOT_APPLICABLE,
                row["distribution_status"] or NOT_APPLICABLE,
            )
            for row in found.head(LISTED).to_dicts()
        ]
        heads = columns("Exam starts:instant", "Exam", "Expected:instant", "Status")
        blocks.append(listed(caption, heads, cells, found.height))
    return Section(
        "packages",
        "Exam packages",
        "Where the packages of paper exams are. Overdue: expected to ship and not ordered."
        " Failed: the distributor refused the order.",
        scope.as_of_note,
        blocks,
    )


def returns(scope: Scope) -> Section:
    """Exam materials that are due back."""
    frame = scope.frames["marts.distribution_by_event"].with_columns(title=TITLE)
    found = frame.filter("return_overdue").sort("return_due", "title")
    cells = [
        (
            row["return_due"],
            (row["title"], _number(row["event_number"])),
            (scope.as_of - row["return_due"]) // timedelta(days=1),
            row["return_state"],
        )
        for row in found.head(LISTED).to_dicts()
    ]
    heads = columns("Due:instant", "Exam", "Days overdue:number", "State")
    return Section(
        "returns",
        "Returns overdue",
        "Exam materials that are due back and have not all come.",
        scope.as_of_note,
        [listed("Returns overdue", heads, cells, found.height)],
    )


def counts(scope: Scope) -> tuple[int, int, int]:
    """The number of overdue packages, failed packages and overdue returns."""
    states = scope.facts.package_states
    overdue = scope.frames["marts.distribution_by_event"]["return_overdue"].sum()
    return states[LATE], states[FAILED], int(overdue)


def _number(number: int | None) -> str:
    return "" if number is None else f"No. {number}"
