"""`IncrementalPlan`: reads the rows that changed since the last landing, and applies them to it.

Whether the result is complete is decided in `collection`, as for a full collection.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import polars as pl

from booking_assets.api.client import BookingClient, Page
from booking_assets.collect.decoding import DecodedPage, Decoder
from booking_assets.collect.landing import Landing
from booking_assets.collect.staging import StagingWriter
from booking_assets.collect.stats import CollectionStats

PAGE_SIZE = 200
"""Rows a page at most: few have changed, and the unchanged rows of the last page are wasted."""
MAX_CHANGED_SHARE = 0.2
"""The share of changed rows beyond which a full collection is cheaper than finding them."""
_CHANGED = "last_change_time"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class IncrementalPlan:
    """Reads the changes of one organization's rows.

    Args:
        client: requests the pages.
        decoder: types the rows.
        base: the landing that the changes are applied to.
        page_size: rows a request.
        overlap: how much older than the base's newest row a change may be stamped.
        attempts: how often pages that moved while they were read are read again.
    """

    client: BookingClient
    decoder: Decoder
    base: Landing
    page_size: int
    overlap: timedelta
    attempts: int

    def apply(
        self, staging: StagingWriter, stats: CollectionStats, stopped: Callable[[], bool]
    ) -> bool:
        """Fills the staging with the base and its changes; False where a full one is needed.

        Raises:
            BookingError: a request failed for good.
            OSError: the base cannot be read, or the staging not be written.
        """
        change_times = self._change_times
        if change_times is None:
            return self._give_up("the last landing has other columns")
        newest = change_times.max()
        horizon = newest - self.overlap if isinstance(newest, datetime) else None
        max_rows = int(change_times.len() * MAX_CHANGED_SHARE)
        for _ in range(self.attempts):
            pages = self._pages(horizon, max_rows, stats, stopped)
            if pages is None:
                return self._give_up("too much has changed")
            if self._unchanged_while_read(pages, stats):
                break
        else:
            return self._give_up("rows keep changing while they are read")
        contents = [page.content for page in pages]
        arrived = {name for page in contents for name in self.decoder.identifiers(page)}
        staging.add_base(self.base, without=arrived)
        for content in contents:
            staging.add(content)
        return True

    @property
    def all_stamped(self) -> bool:
        """Whether every row of the base has a change time: a new row without it is not on top."""
        return self._change_times is not None and not self._change_times.null_count()

    @cached_property
    def _change_times(self) -> pl.Series | None:
        return self.base.change_times(self.decoder.contract.table)

    def _give_up(self, reason: str) -> bool:
        _logger.info("%s: full instead of incremental: %s", self.decoder.organization, reason)
        return False

    def _pages(
        self,
        horizon: datetime | None,
        max_rows: int,
        stats: CollectionStats,
        stopped: Callable[[], bool],
    ) -> list[Page[DecodedPage]] | None:
        """The pages from the newest change down to the horizon; None if they are too many.

        The order puts every row that changes meanwhile before the rows already read, so that it
        hides no row: a row may arrive twice.
        """
        size = min(self.page_size, PAGE_SIZE)
        pages: list[Page[DecodedPage]] = []
        while True:
            page = self._page(len(pages) + 1, size)
            pages.append(page)
            stats.pages += 1
            if page.total_count is not None:
                stats.totals.add(page.total_count)
            if self._reaches(page.content, horizon) or page.content.received < size:
                return pages
            if stopped() or len(pages) * size > max(max_rows, size):
                return None

    def _page(self, number: int, size: int) -> Page[DecodedPage]:
        identifier = self.decoder.contract.resource.identifier
        sort = f"LastChangeTime desc,{identifier}"
        return self.client.collect(number, size, self.decoder, sort=sort)

    def _reaches(self, page: DecodedPage, horizon: datetime | None) -> bool:
        """Whether a page ends before the horizon, and with it all that follows."""
        if horizon is None:
            return False
        times = page.rows.get_column(_CHANGED)
        return bool(times.null_count()) or bool((times < horizon).any())

    def _unchanged_while_read(self, pages: list[Page[DecodedPage]], stats: CollectionStats) -> bool:
        """Whether no row moved while the pages were read.

        A change or an insertion comes to the top, and a deletion changes the total.
        """
        again = self._page(1, 1)
        totals = {page.total_count for page in (*pages, again)}
        if again.total_count is not None:
            stats.totals.add(again.total_count)
        return len(totals) == 1 and _top(again.content) == _top(pages[0].content)


def _top(page: DecodedPage) -> list[object]:
    """The first row of a page, typed or rejected."""
    first: pl.DataFrame = page.rows.head(1) if page.rows.height else page.rejected.head(1)
    return [first.drop("collected_at").to_dicts()]
