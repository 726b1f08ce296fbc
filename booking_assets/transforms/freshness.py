"""Rules of `marts.organization_freshness`: the age and completeness of each organization's data.

The instant of publishing is an argument: transforms read no clock.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from booking_assets.tables.marts import ORGANIZATION_FRESHNESS
from booking_assets.transforms.rules import conform_to, minutes


def organization_freshness(
    newest: pl.DataFrame,
    events: pl.DataFrame,
    registrations: pl.DataFrame | None,
    event_counts: pl.DataFrame,
    published_at: datetime,
) -> pl.DataFrame:
    """`marts.organization_freshness`: the data's age, and what is stored beside what was counted.

    Args:
        newest: Each organization's newest complete collection of events: its row of
            `raw.collections`.
        events: What is stored of events, one row an organization: `organization`, `stored_loaded`
            and `stored_rejected`.
        registrations: What is stored of registrations, likewise, and `rows_loaded`: what their
            newest complete collection logged, null where there is none. None where registrations
            were never collected.
        event_counts: `raw.event_counts`.
        published_at: The instant of publishing, with its zone.

    Returns:
        One row an organization that any of the frames names, sorted by it.

    Raises:
        ValueError: `published_at` has no zone.
    """
    if published_at.tzinfo is None:
        raise ValueError(f"published_at is {published_at.isoformat()}: give it a time zone")
    age = pl.lit(published_at).dt.convert_time_zone("UTC") - pl.col("as_of")
    sources = [
        newest.select("organization", last_complete_at="finished_at", as_of="started_at"),
        events.select("organization", events="stored_loaded", rejected="stored_rejected"),
        event_counts.select("organization", "event_count"),
        *([] if registrations is None else [_complete_registrations(registrations)]),
    ]
    known = pl.concat(sources, how="align_full")
    if registrations is None:
        known = known.with_columns(registrations=pl.lit(None))
    return conform_to(
        known.with_columns(pl.col("events", "rejected").fill_null(0)).with_columns(
            complete=(pl.col("events") + pl.col("rejected")).eq_missing(pl.col("event_count")),
            age_minutes=minutes(age.dt.total_microseconds()),
        ),
        ORGANIZATION_FRESHNESS,
    )


def _complete_registrations(registrations: pl.DataFrame) -> pl.DataFrame:
    """How many are stored of the organizations whose registrations were once complete."""
    return registrations.filter(pl.col("rows_loaded").is_not_null()).select(
        "organization", registrations="stored_loaded"
    )
