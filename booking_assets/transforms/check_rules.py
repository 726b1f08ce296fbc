"""Rules of the asset checks: each function returns the slugs of the failing organizations.

What a failed check blocks is decided by `defs.checks`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import polars as pl

from booking_assets.tables.completeness import IS_COMPLETE


def unaccounted(reconciliation: pl.DataFrame) -> list[str]:
    """Organizations whose stored rows are not what was counted and received.

    Those where stored rows differ from logged rows (`Warehouse.reconciliation`), or where the
    logged collection is not complete by the rule that it was accepted by.
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


def shrunken(complete: pl.DataFrame, max_shrink: float, shrink_floor: int) -> list[str]:
    """Organizations whose newest complete collection lost more than `max_shrink` of the last one.

    A collection refuses such a loss unless a person allowed it: these are the allowed ones.

    Args:
        complete: The two newest complete collections of each organization, the newest first
            (`Warehouse.newest_collections`).
        max_shrink: The share of rows that may be lost.
        shrink_floor: The number of rows that may be lost, of any share.
    """
    before = pl.col("rows_loaded").shift(-1).over("organization")
    gone = pl.col("before") - pl.col("rows_loaded")
    is_empty = (pl.col("rows_loaded") == 0) & (gone > 0)
    lost = is_empty | (gone > pl.col("before") * max_shrink) & (gone > shrink_floor)
    is_newest = pl.int_range(pl.len()).over("organization") == 0
    return _slugs(complete.with_columns(before=before).filter(is_newest & lost))


def not_complete(attempts: pl.DataFrame, resource: str) -> dict[str, str]:
    """The reason of each organization whose newest collection of a resource is not complete."""
    failed = attempts.filter(pl.col("resource") == resource, pl.col("last_status") != "complete")
    return dict(failed.select("organization", pl.col("reason").fill_null("")).iter_rows())


def newest_failed(attempts: pl.DataFrame, resource: str, failures: Collection[str]) -> pl.DataFrame:
    """The newest collections of a resource that failed: organization, since, reason, remedy."""
    since = pl.col("failing_since").dt.strftime("%Y-%m-%d %H:%M UTC").alias("since")
    failed = attempts.filter(
        pl.col("resource") == resource, pl.col("last_status").is_in(list(failures))
    )
    return failed.select("organization", since, pl.col("reason", "remedy").fill_null(""))


def overdue(newest: pl.DataFrame, now: datetime, max_age: timedelta) -> list[str]:
    """Organizations whose newest complete collection started longer than `max_age` ago."""
    return _slugs(newest.filter(pl.col("started_at") < now - max_age))


def never_complete(newest: pl.DataFrame, organizations: Collection[str]) -> list[str]:
    """Organizations without a complete collection."""
    return sorted({*organizations} - {*newest.get_column("organization")})


def _slugs(frame: pl.DataFrame) -> list[str]:
    return sorted(frame.get_column("organization").unique())
