"""Sections about exam packages: their states, the overdue and failed ones, overdue returns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import polars as pl

from booking_assets.report.content import LISTED, Section, Table, columns, listed
from booking_assets.report.scope import (
    FAILED,
    LATE,
    NEEDS_A_PERSON,
    NOT_APPLICABLE,
    TITLE,
    Batch,
    Query,
    Scope,
    first_of_each,
)
from booking_assets.tables.states import DISTRIBUTION

_TABLE = "marts.distribution_by_event"
STATES = (LATE, FAILED, *(state for state in DISTRIBUTION if state not in (LATE, FAILED)))
"""The states in the order of a page: first those that need a person."""


def packages(scope: Scope) -> Section:
    """Exam packages by state, and those that are overdue or failed."""
    counts = scope.facts.package_states
    total = counts.total()
    rows = [(state, counts[state] / total, counts[state]) for state in STATES if counts.get(state)]
    heads = columns("State", "Share:bar", "Packages:number")
    blocks: list[Table | str] = [Table("Exam packages by state", heads, rows)]
    for state, caption in ((LATE, "Overdue packages"), (FAILED, "Failed packages")):
        cells = [
            (
                row["event_scheduled_start"] or NOT_APPLICABLE,
                (row["title"], _number(row["event_number"])),
                row["distribution_expected"] or NOT_APPLICABLE,
                row["distribution_status"] or NOT_APPLICABLE,
            )
            for row in scope.figures["packages"]
            if row["distribution_state"] == state
        ]
        heads = columns("Exam starts:instant", "Exam", "Expected:instant", "Status")
        blocks.append(listed(caption, heads, cells, counts[state]))
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
    cells = [
        (
            row["return_due"],
            (row["title"], _number(row["event_number"])),
            (scope.as_of - row["return_due"]) // timedelta(days=1),
            row["return_state"],
        )
        for row in scope.figures["returns"]
    ]
    heads = columns("Due:instant", "Exam", "Days overdue:number", "State")
    return Section(
        "returns",
        "Returns overdue",
        "Exam materials that are due back and have not all come.",
        scope.as_of_note,
        [listed("Returns overdue", heads, cells, _overdue(scope))],
    )


def counts(scope: Scope) -> tuple[int, int, int]:
    """The number of overdue packages, failed packages and overdue returns."""
    states = scope.facts.package_states
    return states[LATE], states[FAILED], _overdue(scope)


def _overdue(scope: Scope) -> int:
    rows = scope.figures["returns"]
    return int(rows[0]["overdue"]) if rows else 0


def _packages(batch: Batch) -> pl.DataFrame:
    """The first packages in each state that needs a person."""
    frame = batch.rows(_TABLE).filter(pl.col("distribution_state").is_in(NEEDS_A_PERSON))
    found = frame.with_columns(title=TITLE).sort("event_scheduled_start", "title")
    return first_of_each(found, LISTED, "distribution_state")


def _returns(batch: Batch) -> pl.DataFrame:
    """The first returns that are overdue, and the number of all."""
    found = (
        batch.rows(_TABLE)
        .filter("return_overdue")
        .with_columns(title=TITLE, overdue=pl.len().over("organization"))
    )
    return first_of_each(found.sort("return_due", "title"), LISTED)


QUERIES: Mapping[str, Query] = {"packages": _packages, "returns": _returns}


def _number(number: int | None) -> str:
    return "" if number is None else f"No. {number}"
