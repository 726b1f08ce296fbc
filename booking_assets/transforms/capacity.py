"""Rules of `marts.capacity_by_event`, `marts.capacity_utilization` and `marts.course_utilization`.

Unknown seats are null, never zero. Which registrations take a seat is in `seats`.
"""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from booking_assets.tables.capacity import (
    CAPACITY_BY_EVENT,
    CAPACITY_UTILIZATION,
    COURSE_UTILIZATION,
    CapacityByEvent,
)
from booking_assets.tables.contract import Table
from booking_assets.tables.raw import EVENTS
from booking_assets.transforms.rules import (
    by_time_zone,
    conform_to,
    equals_ignoring_case,
    local_time,
    state,
    with_as_of,
)
from booking_assets.transforms.seats import KEY, with_seat

EVENT_COLUMNS: tuple[str, ...] = (
    *(name for name in CAPACITY_BY_EVENT.column_names if name in EVENTS.column_names),
    "event_publication_status",
    "event_scheduling_status",
    "registration_locked",
    "event_scheduled_start_offset_minutes",
)
"""The columns of `raw.events` that `capacity_by_event` reads."""

FIGURE_COLUMNS: tuple[str, ...] = (
    "local_date",
    "lifecycle_status",
    "capacity_minimum",
    "capacity_maximum",
    "seats_waitlisted",
    "seats_taken",
    "availability",
    "as_of",
)
"""The columns of `marts.capacity_by_event` that both utilizations read, besides their group."""

VENUE_GROUP: tuple[str, ...] = ("organization", "event_type", "venue_location_identifier")
"""Rows of `marts.capacity_by_event` with equal values here must be passed to
`capacity_utilization` in one frame."""

COURSE_GROUP: tuple[str, ...] = ("organization", "achievement_identifier")
"""The same for `course_utilization`."""

_COUNTED_SEATS = ("seats_confirmed", "seats_invited", "seats_waitlisted", "seats_other")


def capacity_by_event(
    events: pl.DataFrame,
    as_of: pl.DataFrame,
    registrations: pl.DataFrame,
    seats_as_of: pl.DataFrame,
    unknown_events: pl.DataFrame,
    timezones: pl.DataFrame,
) -> pl.DataFrame:
    """`marts.capacity_by_event`: limits, seats, availability and registration state of each event.

    A limit that is null, zero or negative is no limit, in every rule. Seats are counted only where
    all of an organization's registrations are known: an event without registrations then has 0
    seats taken. Elsewhere its seats are null, and every column that depends on them.

    Args:
        events: Rows of `raw.events`.
        as_of: See `transforms`.
        registrations: Rows of `raw.registrations`; those of events that are not in `events` count
            nowhere.
        seats_as_of: `organization` and `seats_as_of`, one row an organization whose registrations
            are known: the start of their newest complete collection.
        unknown_events: `organization` and `event_identifier` of the events that were first
            collected by a later run than the stored registrations.
        timezones: `organization` and `timezone`, one row an organization that has one.
    """
    taken, maximum = pl.col("seats_taken"), pl.col("capacity_maximum")
    return conform_to(
        with_as_of(events.select(EVENT_COLUMNS), as_of)
        .pipe(_with_seats, registrations, seats_as_of, unknown_events)
        .pipe(_with_local_date, timezones)
        .with_columns(
            _limit("capacity_minimum"),
            _limit("capacity_maximum"),
            lifecycle_status=_lifecycle_status(),
            seats_taken=pl.col("seats_confirmed") + pl.col("seats_invited"),
            is_locked=pl.col("registration_locked").is_not_null(),
        )
        .with_columns(
            seats_available=(maximum - taken).clip(lower_bound=0),
            utilization=taken / maximum,
            availability=_availability(),
            is_below_minimum=taken < pl.col("capacity_minimum").fill_null(0),
            registration_state=_registration_state(),
        ),
        CAPACITY_BY_EVENT,
    )


def capacity_utilization(by_event: pl.DataFrame, known: Collection[str]) -> pl.DataFrame:
    """`marts.capacity_utilization`: seats offered, required, published and taken, by month.

    Seats taken are those of events that have a maximum and known seats, so that they compare with
    the known seats offered. Seats required are those of all events; `minimum_fill` counts only the
    minima of events that have a maximum, for the same reason. Cancelled events are in
    `events_cancelled` alone, and a group of nothing else offers zero seats. An event without a
    start is in the month null.

    Args:
        by_event: Rows of `marts.capacity_by_event`.
        known: The organizations whose registrations are known.
    """
    return _utilization(by_event, known, CAPACITY_UTILIZATION)


def course_utilization(by_event: pl.DataFrame, known: Collection[str]) -> pl.DataFrame:
    """`marts.course_utilization`: the figures of `capacity_utilization` by achievement."""
    return _utilization(by_event, known, COURSE_UTILIZATION)


def _utilization(by_event: pl.DataFrame, known: Collection[str], table: Table) -> pl.DataFrame:
    active = pl.col("lifecycle_status") != "Cancelled"
    published = pl.col("lifecycle_status").is_in(["Published", "In Progress", "Completed"])
    limited = pl.col("capacity_maximum").is_not_null()
    has_seats = pl.col("seats_taken").is_not_null()
    is_known = pl.col("organization").first().is_in(list(known))

    def seats(column: str, where: pl.Expr) -> pl.Expr:
        # The sum of 32-bit integers is a 32-bit integer in polars, and overflows without an error.
        return pl.col(column).cast(pl.Int64).filter(where).sum()

    def where_known(figure: pl.Expr) -> pl.Expr:
        return pl.when(is_known).then(figure)

    return conform_to(
        by_event.with_columns(month=pl.col("local_date").dt.month_start())
        .group_by(table.grain)
        .agg(
            *(
                where_known((active & (pl.col("availability") == word)).sum()).alias(
                    f"events_{word.lower()}"
                )
                for word in CapacityByEvent.availability.words
            ),
            as_of=pl.col("as_of").first(),
            events=active.sum(),
            events_cancelled=(~active).sum(),
            events_unlimited=(active & ~limited).sum(),
            seats_offered=seats("capacity_maximum", active),
            seats_required=seats("capacity_minimum", active),
            seats_required_of_limited=seats("capacity_minimum", active & limited),
            seats_published=seats("capacity_maximum", published),
            seats_taken=where_known(seats("seats_taken", active & limited)),
            events_unknown=(active & ~has_seats).sum(),
            seats_offered_known=seats("capacity_maximum", active & has_seats),
            seats_taken_unlimited=where_known(seats("seats_taken", active & ~limited)),
            seats_waitlisted=where_known(seats("seats_waitlisted", active)),
        )
        .with_columns(
            utilization=_ratio("seats_taken", "seats_offered_known"),
            minimum_fill=_ratio("seats_required_of_limited", "seats_offered"),
        ),
        table,
    )


def _limit(column: str) -> pl.Expr:
    return pl.when(pl.col(column) > 0).then(pl.col(column)).alias(column)


def _lifecycle_status() -> pl.Expr:
    as_of = pl.col("as_of")
    return state(
        CapacityByEvent.lifecycle_status,
        (equals_ignoring_case("event_scheduling_status", "Cancelled"), "Cancelled"),
        (pl.col("event_scheduled_end") <= as_of, "Completed"),
        (pl.col("event_scheduled_start") <= as_of, "In Progress"),
        (equals_ignoring_case("event_publication_status", "Published"), "Published"),
        otherwise="Drafted",
    )


def _availability() -> pl.Expr:
    taken = pl.col("seats_taken")
    minimum, maximum = pl.col("capacity_minimum"), pl.col("capacity_maximum")
    return state(
        CapacityByEvent.availability,
        (pl.col("is_locked"), "Full"),
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
    return state(
        CapacityByEvent.registration_state,
        (pl.col("lifecycle_status") != "Published", "Closed"),
        (pl.col("is_locked"), "Locked"),
        (pl.col("registration_start") > as_of, "Not Open"),
        (closes <= as_of, "Closed"),
        otherwise="Open",
    )


def _with_seats(
    events: pl.DataFrame,
    registrations: pl.DataFrame,
    seats_as_of: pl.DataFrame,
    unknown_events: pl.DataFrame,
) -> pl.DataFrame:
    unknown = unknown_events.select(KEY)
    counted = with_seat(registrations, events).group_by(KEY)
    seats = counted.agg(
        (pl.col("seat") == name.removeprefix("seats_")).sum().alias(name) for name in _COUNTED_SEATS
    )
    return (
        events.join(seats, on=KEY, how="left", validate="1:1")
        .join(seats_as_of, on="organization", how="left", validate="m:1")
        .join(unknown.with_columns(is_unknown=True), on=KEY, how="left", validate="m:1")
        .with_columns(
            seats_as_of=pl.when(pl.col("is_unknown").is_null()).then(pl.col("seats_as_of"))
        )
        .with_columns(
            pl.when(pl.col("seats_as_of").is_not_null()).then(pl.col(name).fill_null(0)).alias(name)
            for name in _COUNTED_SEATS
        )
    )


def _with_local_date(events: pl.DataFrame, timezones: pl.DataFrame) -> pl.DataFrame:
    return pl.concat(
        part.with_columns(local_date=local_time("event_scheduled_start", zone).dt.date())
        for zone, part in by_time_zone(events, timezones)
    )


def _ratio(part: str, whole: str) -> pl.Expr:
    return pl.when(pl.col(whole) > 0).then(pl.col(part) / pl.col(whole))
