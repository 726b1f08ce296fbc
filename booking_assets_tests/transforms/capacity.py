"""Events and registrations for the tests of capacity, and the marts made of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import polars as pl

from booking_assets.transforms.capacity import capacity_by_event, capacity_utilization
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


def by_event(
    *events: Row,
    registrations: Sequence[Row] | None = None,
    known: Collection[str] = (ACME,),
    organizations: Collection[str] = (ACME,),
) -> pl.DataFrame:
    return capacity_by_event(
        events_frame(*events),
        as_of_frame(*organizations),
        None if registrations is None else registrations_frame(*registrations),
        seats_frame(known),
    )


def by_month(rows: pl.DataFrame) -> pl.DataFrame:
    return capacity_utilization(rows, known_of(rows))
