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
        closed: The open versions that end: organization, event_identifier, valid_from (their key)
            and valid_to.
        added: The versions that begin: organization, event_identifier, valid_from, valid_to and
            change. Their members are those of the stored event; of a deleted one, its last.
    """

    closed: pl.DataFrame
    added: pl.DataFrame


def changed_versions(
    open_versions: pl.DataFrame, events: pl.DataFrame, as_of: pl.DataFrame
) -> ChangedVersions:
    """The changes of the history by the newest collections, from keys, instants and digests.

    Rows may be passed in any batches, as long as an event's row and its open version are in one.

    An event without an open version is `inserted`, also when it was there before: it has come back.
    One whose members differ is `updated`: its version ends where the next one begins. One that is
    gone is `deleted`: its version ends, and a row without duration says so. Thus the versions
    without an end are exactly the events stored, and those with valid_from <= t < valid_to (or no
    valid_to) are exactly the events of the time t.

    A row that was collected no later than its open version began says nothing new: where a clock
    was set back, the change is found by the next collection, and no version ends before it begins.

    A digest is a hash of `MEMBERS`: equal rows have equal digests. Nobody promises the same digest
    in two releases, so it is never stored: both sides are digested in one run. A change goes unseen
    if its digests collide, once in 2**64 changes: each event is compared with its own past alone.

    Args:
        open_versions: Rows of `marts.event_history` without valid_to: organization,
            event_identifier, valid_from and digest. Those of organizations that are not in
            `as_of` stay untouched.
        events: Rows of `raw.events`: organization, event_identifier, collected_at and digest.
        as_of: `organization` and `as_of`, one row an organization: the start of the newest
            complete collection, which is the instant of its deletions.

    Returns:
        The changes, sorted by organization, event and valid_from; none where nothing changed.

    Raises:
        ValueError: An organization has events and no `as_of`.
    """
    collected = with_as_of(events, as_of).drop("as_of")
    known = open_versions.join(as_of, on="organization", how="inner", validate="m:1")
    collected_at, valid_from = pl.col("collected_at"), pl.col("valid_from")
    changes = (
        known.join(
            collected, on=KEY, how="full", coalesce=True, validate="1:1", suffix="_collected"
        )
        .with_columns(
            change=first_match(
                (valid_from.is_null(), "inserted"),
                (collected_at.is_null() & (valid_from < pl.col("as_of")), "deleted"),
                (
                    (pl.col("digest") != pl.col("digest_collected")) & (valid_from < collected_at),
                    "updated",
                ),
                otherwise=_UNCHANGED,
            ),
            at=pl.coalesce("collected_at", "as_of"),
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
