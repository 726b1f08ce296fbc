"""Rules of `marts.event_history`: which versions of events end and which begin.

The statements that write them are in `warehouse.versions`.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from booking_assets.tables.raw import EVENTS
from booking_assets.transforms.rules import first_match, with_as_of

KEY: tuple[str, ...] = EVENTS.grain

MEMBERS: tuple[str, ...] = tuple(name for name in EVENTS.column_names if name != "collected_at")
"""The columns whose values make a version."""

_UNCHANGED = "unchanged"


@dataclass(frozen=True)
class ChangedVersions:
    """The changes of the history after a collection.

    Attributes:
        closed: The open versions that end: their key and valid_to.
        added: The versions that begin: their key, valid_to and change. Their members are those of
            the stored event; of a deleted event, those of its last version.
    """

    closed: pl.DataFrame
    added: pl.DataFrame


def changed_versions(
    last_versions: pl.DataFrame, events: pl.DataFrame, as_of: pl.DataFrame
) -> ChangedVersions:
    """The changes of the history by the newest collections, from keys, instants and digests.

    Rows may be passed in any batches, as long as an event's row and its last version are in one.

    An event without an open version is `inserted`, also after a deletion. One whose members differ
    is `updated`: its version ends where the next begins. One that is gone is `deleted`: its version
    ends, and a row without duration records it. Thus the versions without an end are the stored
    events, and those with valid_from <= t < valid_to (or no valid_to) are the events of the time t.

    A version begins when its row was collected, but at least a microsecond after the event's last
    one: the history is in order, and complete, also where a clock was set back.

    A digest is a hash of `MEMBERS`, made in one session for both sides and never stored: equal
    digests of different rows (one in 2**64 changes) would hide a change.

    Args:
        last_versions: Each event's last version in `marts.event_history`: organization,
            event_identifier, valid_from and digest, which is null where the event is deleted.
            Those of organizations that are not in `as_of` stay unchanged.
        events: Rows of `raw.events`: organization, event_identifier, collected_at and digest.
        as_of: See `transforms`; it is also the instant of deletions.

    Returns:
        The changes, sorted by organization, event and valid_from; none where nothing changed.
    """
    collected = with_as_of(events, as_of).drop("as_of")
    known = last_versions.join(as_of, on="organization", how="inner", validate="m:1")
    is_open, is_stored = pl.col("digest").is_not_null(), pl.col("digest_collected").is_not_null()
    after_last = pl.col("valid_from") + pl.duration(microseconds=1)
    changes = (
        known.join(
            collected, on=KEY, how="full", coalesce=True, validate="1:1", suffix="_collected"
        )
        .with_columns(
            change=first_match(
                (~is_open & is_stored, "inserted"),
                (is_open & ~is_stored, "deleted"),
                (pl.col("digest") != pl.col("digest_collected"), "updated"),
                otherwise=_UNCHANGED,
            ),
            at=pl.max_horizontal(pl.coalesce("collected_at", "as_of"), after_last),
        )
        .filter(pl.col("change") != _UNCHANGED)
        .sort(KEY)
    )
    return ChangedVersions(
        closed=changes.filter(pl.col("change") != "inserted").select(
            *KEY, "valid_from", valid_to="at"
        ),
        added=changes.select(
            *KEY,
            valid_from="at",
            valid_to=pl.when(pl.col("change") == "deleted").then("at"),
            change="change",
        ),
    )
