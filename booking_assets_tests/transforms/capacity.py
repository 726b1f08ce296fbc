"""Events and registrations for the tests of capacity, and the marts made of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import polars as pl

from booking_assets.transforms.capacity import capacity_by_event, capacity_utilization
from booking_assets.transforms.rules import NO_TIMEZONES
from booking_assets.transforms.seats import KEY
from booking_assets_tests.transforms.rows import (
    ACME,
    FUTURE,
    Row,
    as_of_frame,
    events_frame,
    identifier,
    known_of,
    registrations_frame,
    seats_frame,
)

CANCELLED = {"event_scheduling_status": "Cancelled"}
PUBLISHED = {"event_publication_status": "Published"}
OPEN = PUBLISHED | {"event_scheduled_start": FUTURE, "event_scheduled_end": FUTURE}


def registered(seats: int, event: int = 0) -> list[Row]:
    """Confirmed registrations of the event at a position."""
    return [{"event_identifier": identifier(event), "approval_status": "Registered"}] * seats


def derived(
    events: pl.DataFrame,
    as_of: pl.DataFrame,
    registrations: pl.DataFrame | None = None,
    seats_as_of: pl.DataFrame | None = None,
    unknown_events: pl.DataFrame | None = None,
    timezones: pl.DataFrame = NO_TIMEZONES,
) -> pl.DataFrame:
    """`marts.capacity_by_event`; where no registrations are passed, none were ever collected."""
    are_known = registrations is not None and seats_as_of is not None
    return capacity_by_event(
        events,
        as_of,
        registrations_frame() if registrations is None else registrations,
        seats_as_of if seats_as_of is not None and are_known else seats_frame(()),
        events.select(KEY).clear() if unknown_events is None else unknown_events,
        timezones,
    )


def by_event(
    *events: Row,
    registrations: Sequence[Row] | None = None,
    known: Collection[str] = (ACME,),
    organizations: Collection[str] = (ACME,),
) -> pl.DataFrame:
    return derived(
        events_frame(*events),
        as_of_frame(*organizations),
        None if registrations is None else registrations_frame(*registrations),
        seats_frame(known),
    )


def by_month(rows: pl.DataFrame) -> pl.DataFrame:
    return capacity_utilization(rows, known_of(rows))
