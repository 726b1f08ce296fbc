"""Rules of `marts.event_history` and `marts.seat_history`: which versions end and which begin.

The statements that write them, and those of `marts.event_changes`, are in `warehouse.versions`.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from booking_assets.tables.raw import EVENTS
from booking_assets.transforms.rules import first_match, with_as_of

KEY: tuple[str, ...] = EVENTS.grain

_UNCHANGED = "unchanged"


@dataclass(frozen=True)
class ChangedVersions:
    """The changes of a history after a collection.

    Attributes:
        closed: The open versions that end: their key and valid_to.
        added: The versions that begin: their key, valid_to and change. Their members are those of
            the stored row; of a deleted event, those of its last version.
    """

    closed: pl.DataFrame
    added: pl.DataFrame


def changed_versions(
    last_versions: pl.DataFrame, rows: pl.DataFrame, as_of: pl.DataFrame
) -> ChangedVersions:
    """The changes of a history by the newest collections, from keys, instants and digests.

    Rows may be passed in any batches, as long as an event's row and its last version are in one.

    A row without an open version is `inserted`, also after a deletion. One whose members differ is
    `updated`: its version ends where the next begins. One that is gone is `deleted`: its version
    ends, and a row without duration records it. Thus the versions without an end are the stored
    rows, and those with valid_from <= t < valid_to (or no valid_to) are the rows of the time t.

    A version begins when its row was seen, but at least a microsecond after the event's last one
    began, and not before that ended: the history is in order, and complete, also where a clock was
    set back.

    A digest is a hash of the members, made in one session for both sides and never stored: equal
    digests of different rows (one in 2**64 changes) would hide a change.

    Args:
        last_versions: Each event's last version in the history: organization, event_identifier,
            valid_from, valid_to and digest, which is null where that version has ended. Those of
            organizations that are not in `as_of` stay unchanged.
        rows: The stored rows: organization, event_identifier, seen_at and digest.
        as_of: See `transforms`; it is also the instant of deletions.

    Returns:
        The changes, sorted by organization, event and valid_from; none where nothing changed.
    """
    seen = with_as_of(rows, as_of).drop("as_of")
    known = last_versions.join(as_of, on="organization", how="inner", validate="m:1")
    is_open, is_stored = pl.col("digest").is_not_null(), pl.col("digest_seen").is_not_null()
    after_last = pl.max_horizontal(pl.col("valid_from") + pl.duration(microseconds=1), "valid_to")
    changes = (
        known.join(seen, on=KEY, how="full", coalesce=True, validate="1:1", suffix="_seen")
        .with_columns(
            change=first_match(
                (~is_open & is_stored, "inserted"),
                (is_open & ~is_stored, "deleted"),
                (pl.col("digest") != pl.col("digest_seen"), "updated"),
                otherwise=_UNCHANGED,
            ),
            at=pl.max_horizontal(pl.coalesce("seen_at", "as_of"), after_last),
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
