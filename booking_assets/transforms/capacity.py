"""Rules of `marts.capacity_by_event` and `marts.capacity_utilization`.

Unknown seats are null, never zero.
"""

from __future__ import annotations

import polars as pl

from booking_assets.tables.marts import CAPACITY_BY_EVENT, CAPACITY_UTILIZATION
from booking_assets.tables.raw import EVENTS
from booking_assets.transforms.rules import (
    conform_to,
    equals_ignoring_case,
    first_match,
    local_time,
    normalized,
    with_as_of,
)

EVENT_COLUMNS: tuple[str, ...] = (
    *(name for name in CAPACITY_BY_EVENT.column_names if name in EVENTS.column_names),
    "event_publication_status",
    "event_scheduling_status",
    "registration_deadline",
    "registration_locked",
    "registration_start",
    "event_scheduled_start_offset_minutes",
)
"""The columns of `raw.events` that `capacity_by_event` reads."""

REGISTRATION_COLUMNS: tuple[str, ...] = (
    "organization",
    "event_identifier",
    "approval_status",
    "attendance_status",
)
"""The columns of `raw.registrations` that `capacity_by_event` reads."""

CAPACITY_COLUMNS: tuple[str, ...] = (
    "organization",
    "event_type",
    "venue_location_identifier",
    "local_date",
    "lifecycle_status",
    "capacity_minimum",
    "capacity_maximum",
    "seats_waitlisted",
    "seats_taken",
    "availability",
    "as_of",
)
"""The columns of `marts.capacity_by_event` that `capacity_utilization` reads."""

GROUP_COLUMNS: tuple[str, ...] = ("organization", "event_type", "venue_location_identifier")
"""Rows of `marts.capacity_by_event` with equal values here must be passed to
`capacity_utilization` in one frame."""

_COUNTED_SEATS = ("seats_confirmed", "seats_invited", "seats_waitlisted")


def capacity_by_event(
    events: pl.DataFrame,
    as_of: pl.DataFrame,
    registrations: pl.DataFrame | None = None,
    seats_as_of: pl.DataFrame | None = None,
    unknown_events: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """`marts.capacity_by_event`: limits, seats, availability and registration state of each event.

    A limit that is null, zero or negative is no limit, in every rule. Seats are counted only where
    all of an organization's registrations are known: an event without registrations then has 0
    seats taken. Elsewhere its seats are null, and every column that depends on them.

    Args:
        events: Rows of `raw.events`.
        as_of: See `transforms`.
        registrations: Rows of `raw.registrations`; None where none were ever collected. Those of
            events that are not in `events` count nowhere.
        seats_as_of: `organization` and `seats_as_of`, one row an organization whose registrations
            are known: the start of their newest complete collection.
        unknown_events: `organization` and `event_identifier` of the events that were first
            collected by a later run than the stored registrations.
    """
    taken, maximum = pl.col("seats_taken"), pl.col("capacity_maximum")
    return conform_to(
        with_as_of(events.select(EVENT_COLUMNS), as_of)
        .pipe(_with_seats, registrations, seats_as_of, unknown_events)
        .with_columns(
            _limit("capacity_minimum"),
            _limit("capacity_maximum"),
            local_date=local_time("event_scheduled_start").dt.date(),
            lifecycle_status=_lifecycle_status(),
            seats_taken=pl.col("seats_confirmed") + pl.col("seats_invited"),
        )
        .with_columns(
            seats_available=(maximum - taken).clip(lower_bound=0),
            utilization=taken / maximum,
            availability=_availability(),
            registration_state=_registration_state(),
        ),
        CAPACITY_BY_EVENT,
    )


def capacity_utilization(by_event: pl.DataFrame) -> pl.DataFrame:
    """`marts.capacity_utilization`: seats offered, required, published and taken, by month.

    Seats taken are those of events that have a maximum, so that they compare with the seats
    offered. Seats required are those of all events; `minimum_fill` counts only the minima of
    events that have a maximum, for the same reason. Cancelled events are in `events_cancelled`
    alone, and a group of nothing else offers zero seats. An event without a start is in the month
    null.
    """
    active = pl.col("lifecycle_status") != "Cancelled"
    published = pl.col("lifecycle_status").is_in(["Published", "In Progress", "Completed"])
    limited = pl.col("capacity_maximum").is_not_null()
    # With an event of unknown seats in the group, sums of the others would be too low.
    known = pl.col("seats_taken").is_not_null().all()

    def seats(column: str, where: pl.Expr) -> pl.Expr:
        # The sum of 32-bit integers is a 32-bit integer in polars, and overflows without an error.
        return pl.col(column).cast(pl.Int64).filter(where).sum()

    def events_that_are(availability: str) -> pl.Expr:
        return pl.when(known).then((active & (pl.col("availability") == availability)).sum())

    return conform_to(
        by_event.with_columns(month=pl.col("local_date").dt.month_start())
        .group_by(CAPACITY_UTILIZATION.grain)
        .agg(
            events=active.sum(),
            events_cancelled=(~active).sum(),
            events_unlimited=(active & ~limited).sum(),
            seats_offered=seats("capacity_maximum", active),
            seats_required=seats("capacity_minimum", active),
            seats_required_of_limited=seats("capacity_minimum", active & limited),
            seats_published=seats("capacity_maximum", published),
            seats_taken=pl.when(known).then(seats("seats_taken", active & limited)),
            seats_waitlisted=pl.when(known).then(seats("seats_waitlisted", active)),
            events_under=events_that_are("Under"),
            events_over=events_that_are("Over"),
            events_full=events_that_are("Full"),
            events_empty=events_that_are("Empty"),
            events_open=events_that_are("Open"),
            as_of=pl.col("as_of").first(),
        )
        .with_columns(
            utilization=_ratio_of_offered("seats_taken"),
            minimum_fill=_ratio_of_offered("seats_required_of_limited"),
        ),
        CAPACITY_UTILIZATION,
    )


def _limit(column: str) -> pl.Expr:
    return pl.when(pl.col(column) > 0).then(pl.col(column)).alias(column)


def _lifecycle_status() -> pl.Expr:
    as_of = pl.col("as_of")
    return first_match(
        (equals_ignoring_case("event_scheduling_status", "Cancelled"), "Cancelled"),
        (pl.col("event_scheduled_end") <= as_of, "Completed"),
        (pl.col("event_scheduled_start") <= as_of, "In Progress"),
        (equals_ignoring_case("event_publication_status", "Published"), "Published"),
        otherwise="Drafted",
    )


def _availability() -> pl.Expr:
    taken = pl.col("seats_taken")
    minimum, maximum = pl.col("capacity_minimum"), pl.col("capacity_maximum")
    return first_match(
        (pl.col("registration_locked").is_not_null(), "Full"),
        (taken.is_null(), None),
        (taken < minimum, "Under"),
        (taken > maximum, "Over"),
        (taken == maximum, "Full"),
        (taken == 0, "Empty"),
        otherwise="Open",
    )


def _registration_state() -> pl.Expr:
    as_of = pl.col("as_of")
    closes = pl.coalesce("registration_deadline", "event_scheduled_start")
    return first_match(
        (pl.col("lifecycle_status") != "Published", "Closed"),
        (pl.col("registration_locked").is_not_null(), "Locked"),
        (pl.col("registration_start") > as_of, "Not Open"),
        (closes <= as_of, "Closed"),
        otherwise="Open",
    )


def _with_seats(
    events: pl.DataFrame,
    registrations: pl.DataFrame | None,
    seats_as_of: pl.DataFrame | None,
    unknown_events: pl.DataFrame | None,
) -> pl.DataFrame:
    if registrations is None or seats_as_of is None:
        return events.with_columns(
            *(pl.lit(None, dtype=pl.Int64).alias(name) for name in _COUNTED_SEATS),
            seats_as_of=pl.lit(None, dtype=CAPACITY_BY_EVENT.dtypes["seats_as_of"]),
        )
    key = ("organization", "event_identifier")
    unknown = events.select(key).clear() if unknown_events is None else unknown_events.select(key)
    return (
        events.join(_seats_by_event(registrations), on=key, how="left", validate="m:1")
        .join(seats_as_of, on="organization", how="left", validate="m:1")
        .join(unknown.with_columns(is_unknown=True), on=key, how="left", validate="m:1")
        .with_columns(
            seats_as_of=pl.when(pl.col("is_unknown").is_null()).then(pl.col("seats_as_of"))
        )
        .with_columns(
            pl.when(pl.col("seats_as_of").is_not_null()).then(pl.col(name).fill_null(0)).alias(name)
            for name in _COUNTED_SEATS
        )
    )


def _seats_by_event(registrations: pl.DataFrame) -> pl.DataFrame:
    """Confirmed, invited and waitlisted registrations of each event that has any."""
    unanswered = normalized("approval_status").fill_null("") == ""
    return (
        registrations.select(REGISTRATION_COLUMNS)
        .filter(~equals_ignoring_case("attendance_status", "Withdrawn/Cancelled"))
        .group_by("organization", "event_identifier")
        .agg(
            (unanswered | equals_ignoring_case("approval_status", "Registered"))
            .sum()
            .alias("seats_confirmed"),
            equals_ignoring_case("approval_status", "Invitation Sent").sum().alias("seats_invited"),
            equals_ignoring_case("approval_status", "Waitlisted").sum().alias("seats_waitlisted"),
        )
    )


def _ratio_of_offered(column: str) -> pl.Expr:
    offered = pl.col("seats_offered")
    return pl.when(offered > 0).then(pl.col(column) / offered)
