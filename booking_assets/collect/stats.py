"""`CollectionStats`: what a collection counted, received and sent, as a row of `raw.collections`.

Whether the numbers make it complete is decided in `completeness`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import polars as pl

from booking_assets.tables.raw import COLLECTIONS, Status

Mode = Literal["full", "incremental"]


@dataclass
class CollectionStats:
    """The numbers of one collection, updated while it runs; columns of raw.collections."""

    organization: str
    resource: str
    run_id: str
    mode: Mode
    started_at: datetime
    sequence: int | None = None
    finished_at: datetime | None = None
    count_before: int | None = None
    count_after: int | None = None
    count_lowest: int | None = None
    count_highest: int | None = None
    rows_received: int = 0
    rows_loaded: int = 0
    rows_rejected: int = 0
    duplicates_dropped: int = 0
    rows_deleted: int = 0
    pages: int = 0
    requests: int = 0
    retries: int = 0
    bytes_received: int = 0
    status: Status = "complete"
    reason: str | None = None
    remedy: str | None = None
    totals: set[int] = field(default_factory=set)
    """Every total in a page's pagination header."""

    @property
    def counts(self) -> set[int]:
        """All numbers of rows that the API stated: a single number, unless rows moved."""
        return self.totals | {n for n in (self.count_before, self.count_after) if n is not None}

    @property
    def rows_distinct(self) -> int:
        """Distinct rows, the rejected ones included: the number that `count` should return."""
        return self.rows_loaded + self.rows_rejected

    def add_total(self, total: int | None) -> None:
        """Notes the total of a page's pagination header; None where it names none."""
        if total is not None:
            self.totals.add(total)

    def log_row(self) -> dict[str, Any]:
        """The row of raw.collections as plain values, by column."""
        return {name: value for name, value in vars(self).items() if name in COLLECTIONS.dtypes}


def collections_frame(log_rows: list[dict[str, Any]]) -> pl.DataFrame:
    """A frame of raw.collections from `CollectionStats.log_row`s."""
    return pl.DataFrame(log_rows, schema=COLLECTIONS.dtypes)
