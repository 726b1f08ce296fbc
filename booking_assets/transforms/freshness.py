"""Rules of `marts.organization_freshness`: the age and completeness of each organization's data.

The instant of publishing is an argument: transforms read no clock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

import polars as pl

from booking_assets.tables.marts import ORGANIZATION_FRESHNESS
from booking_assets.transforms.rules import conform_to, minutes

NEVER = ("It was never collected", "Run `booking-assets refresh`")
"""Reason and remedy of an organization, or its registrations, without any collection."""

_ATTEMPT = ("last_attempt_at", "last_status", "failing_since", "reason", "remedy")


def organization_freshness(
    organizations: Mapping[str, bool],
    attempts: pl.DataFrame,
    stored: Mapping[str, pl.DataFrame],
    event_counts: pl.DataFrame,
    published_at: datetime,
    withheld: Mapping[str, tuple[str, str]],
    named: Collection[str],
) -> pl.DataFrame:
    """`marts.organization_freshness`: the data's age, and the newest collection's result.

    Args:
        organizations: The organizations in the settings, and whether registrations are wanted.
        attempts: The newest collection of each organization and resource, as `Warehouse.attempts`
            returns it.
        stored: By resource, the stored rows: organization, stored_loaded and stored_rejected.
        event_counts: `raw.event_counts`.
        published_at: The instant of publishing, with its zone.
        withheld: The organizations that are not published, each with the reason and the remedy.
        named: The organizations whose groups are wanted.
    """
    rows = pl.DataFrame(
        {"organization": [*organizations], "wanted": [*organizations.values()]},
        schema={"organization": pl.String, "wanted": pl.Boolean},
    )
    text = dict.fromkeys(("organization", "withheld_reason", "withheld_remedy"), pl.String)
    hidden = [(slug, *why) for slug, why in withheld.items()]
    for source in (
        _of_resource(attempts, "events"),
        _of_resource(attempts, "registrations"),
        _of_resource(attempts, "groups").select("organization", "groups_complete_at"),
        stored["events"].select("organization", events="stored_loaded", rejected="stored_rejected"),
        stored["registrations"].select("organization", registrations="stored_loaded"),
        event_counts.select("organization", "event_count"),
        pl.DataFrame(hidden, schema=text, orient="row"),
    ):
        rows = rows.join(source, on="organization", how="left", validate="1:1")
    complete = pl.col("events_last_status").eq_missing(pl.lit("complete"))
    seats_complete = pl.col("registrations_last_status").eq_missing(pl.lit("complete"))
    wanted = pl.col("wanted")
    seats_known = wanted & pl.col("registrations_complete_at").is_not_null()
    seats_fail = complete & wanted & ~seats_complete
    age = pl.lit(published_at).dt.convert_time_zone("UTC") - pl.col("events_as_of")
    return conform_to(
        rows.with_columns(
            *(
                pl.when(seats_fail)
                .then(pl.col(f"registrations_{name}"))
                .otherwise(pl.col(f"events_{name}"))
                .alias(name)
                for name in _ATTEMPT
            ),
            pl.col("events", "rejected").fill_null(0),
            events_as_of="events_complete_at",
            registrations_as_of=pl.when(wanted).then(pl.col("registrations_complete_at")),
            groups_as_of=pl.when(pl.col("organization").is_in([*named])).then(
                pl.col("groups_complete_at")
            ),
            registrations=pl.when(seats_known).then(pl.col("registrations").fill_null(0)),
            is_current=complete & (~wanted | seats_complete),
            is_published=pl.col("withheld_reason").is_null(),
        ).with_columns(
            reason=pl.coalesce("withheld_reason", "reason", _where_never_collected(NEVER[0])),
            remedy=pl.coalesce("withheld_remedy", "remedy", _where_never_collected(NEVER[1])),
            age_minutes=minutes(age.dt.total_microseconds().clip(lower_bound=0)),
        ),
        ORGANIZATION_FRESHNESS,
    )


def _where_never_collected(text: str) -> pl.Expr:
    return pl.when(pl.col("last_status").is_null()).then(pl.lit(text))


def _of_resource(attempts: pl.DataFrame, resource: str) -> pl.DataFrame:
    """The rows of a resource, their columns prefixed with its name."""
    own = attempts.filter(pl.col("resource") == resource).drop("resource")
    return own.select("organization", pl.exclude("organization").name.prefix(f"{resource}_"))
