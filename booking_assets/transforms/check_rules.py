"""The promises about collections: each function names the organizations that break one.

What lives here: what the log and the stored rows must agree on, as pure questions to frames.
What must not: what happens when a promise is broken (`defs.checks`).
Read more: `docs/reliability.md`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import polars as pl

from booking_assets.tables.completeness import IS_COMPLETE


def unaccounted(reconciliation: pl.DataFrame) -> list[str]:
    """Organizations whose stored rows are not what was counted and received.

    Args:
        reconciliation: one row an organization: what is stored beside what its newest complete
            collection logged (`Warehouse.reconciliation`).

    Returns:
        Slugs where stored differs from logged, or where the logged collection is not complete by
        the rule that it was accepted by.
    """
    accounted = (
        pl.col("stored_loaded").eq_missing(pl.col("rows_loaded"))
        & pl.col("stored_rejected").eq_missing(pl.col("rows_rejected"))
        & IS_COMPLETE
    )
    return _slugs(reconciliation.filter(~accounted.fill_null(value=False)))


def rejecting(reconciliation: pl.DataFrame) -> list[str]:
    """Organizations some of whose rows could not be typed."""
    return _slugs(reconciliation.filter(pl.col("stored_rejected") > 0))


def shrunken(collections: pl.DataFrame, resource: str, max_shrink: float) -> list[str]:
    """Organizations whose newest complete collection lost more than `max_shrink` of the last one.

    The collection itself refuses such a loss: here stand those that a person has allowed.
    """
    before = pl.col("rows_loaded").shift(1).over("organization", order_by="started_at")
    newest = pl.col("started_at") == pl.col("started_at").max().over("organization")
    complete = collections.filter(
        (pl.col("resource") == resource) & (pl.col("status") == "complete")
    )
    lost = complete.with_columns(before=before).filter(
        newest & (pl.col("before") - pl.col("rows_loaded") > pl.col("before") * max_shrink)
    )
    return _slugs(lost)


def overdue(newest: pl.DataFrame, now: datetime, max_age: timedelta) -> list[str]:
    """Organizations whose newest complete collection started longer than `max_age` ago."""
    return _slugs(newest.filter(pl.col("started_at") < now - max_age))


def never_complete(newest: pl.DataFrame, organizations: Collection[str]) -> list[str]:
    """Organizations that should be collected and have no complete collection at all."""
    return sorted({*organizations} - {*newest.get_column("organization")})


def _slugs(frame: pl.DataFrame) -> list[str]:
    return sorted(frame.get_column("organization").unique())
