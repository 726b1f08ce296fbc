"""What the warehouse does with changed versions, in polars: the history that tests replay."""

from __future__ import annotations

import polars as pl

from booking_assets.tables.marts import EVENT_HISTORY
from booking_assets.tables.raw import EVENTS
from booking_assets.transforms.history import KEY
from booking_assets.transforms.rules import conform_to


def digest() -> pl.Expr:
    """A row's members as 64 bits."""
    return pl.struct(EVENT_HISTORY.members).hash(seed=0).alias("digest")


def versions(
    added: pl.DataFrame, open_versions: pl.DataFrame, events: pl.DataFrame
) -> pl.DataFrame:
    """The added versions as rows of `marts.event_history`.

    Args:
        added: `ChangedVersions.added`.
        open_versions: Rows of `marts.event_history` before the change, at least the open versions
            of the events that are gone.
        events: Rows of `raw.events`, at least those that are new or changed.

    Returns:
        One row an added version, sorted by the table's grain. A deleted event is as it was last.
    """
    is_deleted = pl.col("change") == "deleted"
    sources = (
        (added.filter(is_deleted), open_versions.filter(pl.col("valid_to").is_null())),
        (added.filter(~is_deleted), events),
    )
    return conform_to(
        pl.concat(
            changes.join(rows.select(EVENTS.column_names), on=KEY, how="left", validate="1:1")
            for changes, rows in sources
        ),
        EVENT_HISTORY,
    )
