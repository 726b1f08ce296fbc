"""What a collection counted, received and sent: one row of `raw.collections` in the making.

What lives here: the numbers. What must not: judging them (`completeness`).
Read more: `docs/tables.md`, raw.collections.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

import polars as pl

from booking_assets.tables.raw import COLLECTIONS, Status

Mode = Literal["full", "incremental"]


@dataclass
class CollectionStats:
    """The numbers of one collection, filled in as it goes; columns of raw.collections."""

    organization: str
    resource: str
    run_id: str
    mode: Mode
    started_at: datetime
    finished_at: datetime | None = None
    count_before: int | None = None
    count_after: int | None = None
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
    """Every total that the API named meanwhile, in a count or beside a page."""

    @property
    def counts(self) -> set[int]:
        """All that the API said the number of rows was: one number, unless rows moved."""
        return self.totals | {n for n in (self.count_before, self.count_after) if n is not None}

    @property
    def rows_held(self) -> int:
        """Distinct rows, the rejected ones included: what a count should have said."""
        return self.rows_loaded + self.rows_rejected

    def log_row(self) -> dict[str, Any]:
        """The row as plain values, by column."""
        return {name: value for name, value in asdict(self).items() if name in COLLECTIONS.dtypes}


def collections_frame(log_rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows of raw.collections from `CollectionStats.log_row`s."""
    return pl.DataFrame(log_rows, schema=COLLECTIONS.dtypes)
