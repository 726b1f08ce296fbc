"""Builders of small raw frames: a test gives the columns that matter, all others are null."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import polars as pl

from booking_assets.tables.raw import EVENTS
from booking_assets.transforms.rules import NO_TIMEZONES
from booking_assets.transforms.seats import REGISTRATION_COLUMNS

Row = dict[str, Any]

AS_OF = datetime(2026, 3, 10, 12, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
DAY = timedelta(days=1)
PAST = AS_OF - DAY
FUTURE = AS_OF + DAY

ACME = "acme"
BOLT = "bolt"
VENUE = "a0000000-0000-0000-0000-000000000001"


def identifier(number: int) -> str:
    """The identifier of the event at a position, counted from zero."""
    return str(UUID(int=number))


def events_frame(*rows: Row) -> pl.DataFrame:
    """`raw.events` of these rows: of `ACME` and identified by position where a row does not say."""
    complete = [
        {
            "organization": ACME,
            "event_identifier": identifier(position),
            "organization_identifier": identifier(0),
            "collected_at": AS_OF,
        }
        | row
        for position, row in enumerate(rows)
    ]
    return pl.DataFrame(complete, schema=EVENTS.dtypes)


def as_of_frame(*organizations: str, at: datetime = AS_OF) -> pl.DataFrame:
    """The same instant for each of these organizations (`ACME` alone where none is named)."""
    return pl.DataFrame(
        {"organization": organizations or (ACME,)}, schema={"organization": pl.String}
    ).with_columns(as_of=pl.lit(at, dtype=EVENTS.dtypes["collected_at"]))


def timezones_frame(timezones: Mapping[str, str]) -> pl.DataFrame:
    """The time zones of organizations."""
    return pl.DataFrame([*timezones.items()], schema=NO_TIMEZONES.schema, orient="row")


def seats_frame(organizations: Collection[str], at: datetime = AS_OF) -> pl.DataFrame:
    """The organizations whose registrations are known, and since when."""
    frame = as_of_frame(*organizations, at=at) if organizations else as_of_frame().clear()
    return frame.rename({"as_of": "seats_as_of"})


def registrations_frame(*rows: Row) -> pl.DataFrame:
    """Columns of `raw.registrations` that count: of `ACME`'s first event unless a row says."""
    complete = [{"organization": ACME, "event_identifier": identifier(0)} | row for row in rows]
    return pl.DataFrame(complete, schema=dict.fromkeys(REGISTRATION_COLUMNS, pl.String))


def known_of(by_event: pl.DataFrame) -> list[str]:
    """The organizations whose registrations are known by these rows of `capacity_by_event`."""
    return by_event.drop_nulls("seats_as_of")["organization"].unique().to_list()
