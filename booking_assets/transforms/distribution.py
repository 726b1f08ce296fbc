"""Rules of `marts.distribution_by_event` and `marts.distribution_status`.

The distributor's statuses are free text, kept as received.
"""

from __future__ import annotations

import polars as pl

from booking_assets.tables.marts import (
    DISTRIBUTION_BY_EVENT,
    DISTRIBUTION_STATUS,
    DistributionByEvent,
)
from booking_assets.tables.raw import EVENT_MEMBERS, EVENTS
from booking_assets.transforms.rules import (
    conform_to,
    days,
    equals_ignoring_case,
    normalized,
    state,
    with_as_of,
)

_DISTRIBUTION_MEMBERS = tuple(
    name
    for name in EVENT_MEMBERS
    if name.startswith(("distribution_", "exam_material_return_shipment_"))
)

EVENT_COLUMNS: tuple[str, ...] = (
    *(name for name in DISTRIBUTION_BY_EVENT.column_names if name in EVENTS.column_names),
    *(name for name in _DISTRIBUTION_MEMBERS if name not in DISTRIBUTION_BY_EVENT.column_names),
    "event_scheduling_status",
    "event_type",
    "integration_withhold_distribution",
)
"""The columns of `raw.events` that `distribution_by_event` reads."""

PACKAGE_COLUMNS: tuple[str, ...] = (
    *DISTRIBUTION_STATUS.grain,
    "event_scheduled_start",
    "distribution_expected",
    "lead_days",
    "days_shipped_late",
    "return_overdue",
    "status_age_days",
    "as_of",
)
"""The columns of `marts.distribution_by_event` that `distribution_status` reads."""


def distribution_by_event(events: pl.DataFrame, as_of: pl.DataFrame) -> pl.DataFrame:
    """`marts.distribution_by_event`: where the package of each exam in scope stands.

    In scope are paper exams, and events with any distribution or return member set: an event that
    was changed from paper to online keeps some.
    """
    start, as_of_instant = pl.col("event_scheduled_start"), pl.col("as_of")
    expected, ordered = pl.col("distribution_expected"), pl.col("distribution_ordered")
    shipped, tracked = pl.col("distribution_shipped"), pl.col("distribution_tracked")
    return conform_to(
        with_as_of(events.select(EVENT_COLUMNS), as_of)
        .filter(_in_scope())
        .with_columns(
            pl.col("distribution_process").fill_null("Standard"),
            distribution_state=_distribution_state(),
            days_until_expected=days(expected - as_of_instant),
            days_shipped_late=days(shipped - expected),
            lead_days=days(start - ordered),
            status_age_days=days(as_of_instant - tracked),
            return_due=_return_due(),
        )
        .with_columns(return_state=_return_state())
        .with_columns(
            return_overdue=(
                pl.col("return_state").is_in(["Not Returned", "Partially Returned"])
                & (pl.col("return_due") < as_of_instant)
            ).fill_null(value=False)
        ),
        DISTRIBUTION_BY_EVENT,
    )


def distribution_status(by_event: pl.DataFrame) -> pl.DataFrame:
    """`marts.distribution_status`: the packages counted by state, process and distributor's status.

    A null status is a group. Medians are over the events that have the figure, null where none has.
    """
    return conform_to(
        by_event.group_by(DISTRIBUTION_STATUS.grain).agg(
            events=pl.len(),
            earliest_start=pl.col("event_scheduled_start").min(),
            latest_start=pl.col("event_scheduled_start").max(),
            expected_earliest=pl.col("distribution_expected").min(),
            median_lead_days=pl.col("lead_days").median(),
            median_days_shipped_late=pl.col("days_shipped_late").median(),
            shipped_late=(pl.col("days_shipped_late") > 0).sum(),
            returns_overdue=pl.col("return_overdue").sum(),
            oldest_status_age_days=pl.col("status_age_days").max(),
            as_of=pl.col("as_of").first(),
        ),
        DISTRIBUTION_STATUS,
    )


def _in_scope() -> pl.Expr:
    paper_exam = equals_ignoring_case("event_type", "Exam") & equals_ignoring_case(
        "event_format", "Paper"
    )
    return paper_exam | pl.any_horizontal(pl.col(_DISTRIBUTION_MEMBERS).is_not_null())


def _distribution_state() -> pl.Expr:
    expected, ordered = pl.col("distribution_expected"), pl.col("distribution_ordered")
    failed = (
        equals_ignoring_case("distribution_code", "Error")
        | equals_ignoring_case("distribution_status", "Error")
        | (normalized("distribution_errors") != "")
    )
    return state(
        DistributionByEvent.distribution_state,
        (equals_ignoring_case("event_scheduling_status", "Cancelled"), "Cancelled"),
        (
            ~equals_ignoring_case("event_type", "Exam")
            | equals_ignoring_case("event_format", "Online"),
            "Not Applicable",
        ),
        (pl.col("integration_withhold_distribution") & ordered.is_null(), "Withheld"),
        # A failed order sets distribution_ordered too, so Failed precedes Ordered.
        (failed, "Failed"),
        (pl.col("distribution_shipped").is_not_null(), "Shipped"),
        (ordered.is_not_null(), "Ordered"),
        (expected < pl.col("as_of"), "Overdue"),
        (expected.is_not_null(), "Planned"),
        otherwise="Unplanned",
    )


def _return_state() -> pl.Expr:
    condition = "exam_material_return_shipment_condition"
    return state(
        DistributionByEvent.return_state,
        (pl.col("distribution_state").is_in(["Cancelled", "Not Applicable"]), "Not Required"),
        (pl.col("event_scheduled_start") > pl.col("as_of"), "Not Required"),
        # The condition is a checkbox that is set even when nothing was returned.
        (pl.col("exam_material_return_shipment_received").is_null(), "Not Returned"),
        (equals_ignoring_case(condition, "Partial"), "Partially Returned"),
        otherwise="Fully Returned",
    )


def _return_due() -> pl.Expr:
    """The vendor's own reminder dates, 14 or 60 days of 24 hours after the start."""
    exam_type, start = normalized("exam_type"), pl.col("event_scheduled_start")
    # ARC, in any case and anywhere in the text: an Accessibility and Resource Centre.
    soon = exam_type.is_in(["class", "sitting"]) | exam_type.str.contains("arc", literal=True)
    late = exam_type.str.starts_with("individual (")
    return (
        pl.when(soon)
        .then(start + pl.duration(days=14))
        .when(late)
        .then(start + pl.duration(days=60))
    )
