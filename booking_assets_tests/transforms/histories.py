"""Helpers of the tests of histories: collections on successive days, and what they write."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from booking_assets.tables.marts import EVENT_HISTORY
from booking_assets.transforms.history import KEY, ChangedVersions, changed_versions
from booking_assets_tests.transforms.replay import digest, versions
from booking_assets_tests.transforms.rows import (
    ACME,
    AS_OF,
    DAY,
    Row,
    as_of_frame,
    events_frame,
    identifier,
)

EMPTY = EVENT_HISTORY.empty()
MEMBERS = EVENT_HISTORY.members


def day(number: int) -> datetime:
    """The start of a day's collection."""
    return AS_OF + number * DAY


def last_versions(history: pl.DataFrame) -> pl.DataFrame:
    """Each event's last version, without a digest where the event is deleted."""
    is_open = pl.col("valid_to").is_null()
    return (
        history.sort(EVENT_HISTORY.grain)
        .unique(KEY, keep="last")
        .select(*KEY, "valid_from", "valid_to", digest=pl.when(is_open).then(digest()))
    )


def changes(history: pl.DataFrame, events: pl.DataFrame, as_of: pl.DataFrame) -> ChangedVersions:
    return changed_versions(
        last_versions(history),
        events.select(*KEY, digest(), seen_at="collected_at"),
        as_of,
    )


def written(history: pl.DataFrame, events: pl.DataFrame, as_of: pl.DataFrame) -> pl.DataFrame:
    """The history after the changes were written, as a warehouse does it."""
    changed = changes(history, events, as_of)
    closed = history.update(changed.closed, on=EVENT_HISTORY.grain)
    added = versions(changed.added, history, events)
    return pl.concat([closed, added]).sort(EVENT_HISTORY.grain)


def history_of(*days: Mapping[int, Row]) -> pl.DataFrame:
    """The history after full collections of `ACME` on successive days, from day 0."""
    history = EMPTY
    for number, events in enumerate(days):
        history = written(history, collected(number, events), as_of_frame(at=day(number)))
    return history


def collected(number: int, events: Mapping[int, Row], organization: str = ACME) -> pl.DataFrame:
    """What a full collection of a day stores."""
    return events_frame(
        *(
            {
                "event_identifier": identifier(event),
                "organization": organization,
                "collected_at": day(number),
            }
            | members
            for event, members in events.items()
        )
    )
