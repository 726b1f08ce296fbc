"""`IncrementalPlan`: reads the rows that changed since the last landing, and applies them to it.

Where it cannot be sure to have found every change, a full collection is needed. Whether the result
is complete is decided in `verification`, as for a full collection.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TypeVar

import polars as pl

from booking_assets.api.client import BookingClient, Page
from booking_assets.collect.content import content_of, unless_repeated
from booking_assets.collect.decoding import DecodedPage, Decoder
from booking_assets.collect.landing import Landing
from booking_assets.collect.staging import StagingWriter
from booking_assets.collect.stats import CollectionStats

PAGE_SIZE = 200
"""Rows a page at most: few have changed, and the unchanged rows of the last page are wasted."""
MAX_CHANGED_SHARE = 0.2
"""The share of changed rows beyond which a full collection is cheaper than finding them."""
MAX_FULL_AGE = timedelta(hours=24)
"""Some changes do not move the change time: a full collection finds them once a day."""

_EARLIEST = datetime.min.replace(tzinfo=UTC)
"""What .NET writes for an instant that was never set."""

Content = TypeVar("Content")
_logger = logging.getLogger(__name__)


class FullRequired(Exception):
    """Why the changes cannot be told from the pages; the collection must be full."""


class RowsMoved(FullRequired):
    """A page has other rows than the count says: it is worth another attempt."""


@dataclass(frozen=True)
class IncrementalPlan:
    """Reads the changes of one organization's rows.

    The pages are sorted by change time, the newest first. Reading ends at the horizon: rows that
    changed earlier are in the base. Rows without a change time, which a server may sort first or
    last, are always read.

    Rows that fit one page are counted before it. More rows are counted where the total beside that
    page is not the base's; else the last row in either direction is where the base's number says.

    Args:
        base: the landing that the changes are applied to.
        stats: gets the pages and counts.
        stopped: checked after each page; where it is true, reading ends.
        counted: called after each first count.
        overlap: how much older than the newest row of the base a change may be stamped.
        attempts: how often pages that moved while they were read are read again.
    """

    client: BookingClient
    decoder: Decoder
    base: Landing
    stats: CollectionStats
    stopped: Callable[[], bool]
    counted: Callable[[], None]
    page_size: int
    overlap: timedelta
    attempts: int

    def apply(self, staging: StagingWriter) -> bool:
        """Fills the staging with the base and its changes; False where a full one is needed.

        Raises:
            BookingError: a request failed for good.
        """
        try:
            pages = self._changed_pages()
            if self._is_unchanged(pages):
                staging.repeat(*self._repeated(pages))
                staging.unknown = frozenset().union(*(page.unknown for page in pages))
                return True
            arrived = {name for page in pages for name in self.decoder.identifiers(page)}
            staging.add_base(self.base, without=arrived)
            for page in pages:
                staging.add(page)
        except FullRequired as error:
            reason = str(error)
        except (OSError, pl.exceptions.PolarsError) as error:
            reason = f"the last landing cannot be read: {error}"
        else:
            return True
        _logger.info("%s: full instead of incremental: %s", self.stats.organization, reason)
        return False

    def _is_unchanged(self, pages: list[DecodedPage]) -> bool:
        """Whether the rows that arrived are in the base, and as many are counted as it has."""
        if self.stats.counts != {self.base.rows_distinct}:
            return False
        if not pages:
            return True
        arrived = pl.concat([page.rows for page in pages])
        if sum(page.received for page in pages) > arrived.height:
            return False
        return self.base.contains(arrived, self.decoder.contract.identifier_column)

    def _repeated(self, pages: list[DecodedPage]) -> tuple[Landing, int]:
        """The base, and the rows received; with the digest of a page that has all of its rows."""
        whole = self.base.rows_distinct
        received = sum(page.received for page in pages) if pages else whole
        if len(pages) == 1 and received == whole:
            return replace(self.base, content=content_of([pages[0].digest])), received
        return self.base, received

    def _require_recent(self) -> None:
        """By both clocks, ours and the server's: either may have been wrong."""
        base, server = self.base.starts, self.client.server_time
        if base.full is None or base.full_server is None or server is None:
            raise FullRequired("the server's clock (header Date) is not known")
        ages = self.stats.started_at - base.full, server - base.full_server
        if not all(timedelta(0) <= age < MAX_FULL_AGE for age in ages):
            raise FullRequired("the last full collection is not of the last 24 hours")

    def _changed_pages(self) -> list[DecodedPage]:
        """The pages of the changes; none where the only page is that of the base.

        A single page is consistent; several are read until they agree: between two pages a deletion
        may move a row from a page to come to a page already read.
        """
        if not self.base.is_intact():
            raise FullRequired(f"{self.base.folder} is damaged")
        previous = None
        for _ in range(self.attempts + 1):
            try:
                pages = self._read_pages()
            except RowsMoved:
                continue
            rows = [self._rows(page) for page in pages]
            if len(pages) <= 1 or rows == previous:
                return pages
            previous = rows
        raise FullRequired("rows keep changing while they are read")

    @cached_property
    def _change_times(self) -> pl.Series:
        """The change times of the base."""
        change_times = self.base.change_times(self.decoder.contract.table)
        if change_times is None:
            raise FullRequired("the last landing has other columns")
        return change_times

    @cached_property
    def _horizon(self) -> datetime:
        """The change time before which every change is in the base.

        While the base was read, rows already read may have changed: after its start, by the
        server's clock. The clock that stamps rows may be behind that clock: then the newest stamp
        is the limit. Stamps in the future prove nothing: with one of them, the two clocks must
        agree up to the overlap. The start may be that of the first answer: so the limit is earlier
        by the time that reading the base took.
        """
        start, log_row = self.base.starts.server, self.base.log_row
        duration = log_row["finished_at"] - log_row["started_at"]
        if start is None or duration < timedelta(0):
            raise FullRequired("the start of the last collection is not known")
        newest = self._change_times.filter(self._change_times <= start).max()
        limit = newest if isinstance(newest, datetime) else start
        earlier: timedelta = min(self.overlap + duration, limit - _EARLIEST)
        return limit - earlier

    def _read_pages(self) -> list[DecodedPage]:
        """The pages from the newest change down to the horizon, and the rows without change time.

        A server may serve shorter pages than requested: only the counts say which is the last.
        """
        size = min(self.page_size, PAGE_SIZE)
        page = self._first_page(size)
        count, pages, received = self.stats.count_before or 0, list[DecodedPage](), 0
        max_rows = int(self.base.rows_distinct * MAX_CHANGED_SHARE)
        while not isinstance(page.content, Landing):
            rows, horizon = page.content.received, self._horizon
            received += rows
            if rows or not pages:
                pages.append(page.content)
            if page.total_count is not None and received >= max(count, page.total_count):
                return pages
            if not rows:
                if received < count:
                    raise FullRequired("an empty page came before the last row")
                return pages
            size = rows if len(pages) == 1 else size
            if (page.content.change_times < horizon).any():
                return [*pages, *self._unstamped_pages(pages, count, size, max_rows)]
            if self.stopped() or received > max(max_rows, size):
                raise FullRequired("too much has changed")
            page = self._collect(len(pages) + 1, size, "desc", self.decoder)
            self.stats.pages += 1
        return []

    def _first_page(self, size: int) -> Page[DecodedPage | Landing]:
        """The newest changes; sets the count: that before the page, or the base's.

        The latter where the page does not have all rows and the total beside it is as large.
        """
        stats, is_large = self.stats, self.base.rows_distinct > size
        stats.totals, stats.count_before = set(), None if is_large else self.client.count()
        page = self._collect(1, size, "desc", unless_repeated(self.decoder, self.base))
        stats.pages += 1
        if stats.count_before is None:
            rows = self.base.rows_distinct
            stats.count_before = rows if page.total_count == rows else self.client.count()
        self.counted()
        self._require_recent()
        return page

    def _collect(
        self, number: int, size: int, order: str, decode: Callable[[bytes], Content]
    ) -> Page[Content]:
        sort = f"LastChangeTime {order},{self.decoder.contract.resource.identifier}"
        page = self.client.collect(number, size, decode, sort=sort)
        self.stats.add_total(page.total_count)
        return page

    def _unstamped_pages(
        self, pages: list[DecodedPage], count: int, size: int, max_rows: int
    ) -> list[DecodedPage]:
        """The pages of rows without a change time, where the server sorts these last.

        The last row in either direction shows that, and that the server sorts at all.
        """
        # Rows without a change time come first or last, the others from the newest on.
        times = pl.concat([page.change_times for page in pages])
        stamped = times.is_not_null().arg_true()
        between = times.slice(stamped[0], stamped[-1] - stamped[0] + 1)
        if between.null_count() or not between.is_sorted(descending=True):
            raise FullRequired("the server does not sort by change time")
        last = self._page(count, 1, "desc", count, 1)
        last_ascending = self._page(count, 1, "asc", count, 1)
        is_newest = last_ascending.change_times.is_null() | (
            last_ascending.change_times == times.max()
        )
        if self._rows(last) == self._rows(last_ascending) or not is_newest.all():
            raise FullRequired("the server does not sort by change time")
        found: list[DecodedPage] = []
        number = math.ceil(count / size)
        is_stamped = last.change_times.len() == 1 and not last.change_times.null_count()
        while not is_stamped and number > len(pages):
            if sum(page.received for page in found) > max(max_rows, size):
                raise FullRequired("too many rows have no change time")
            rows = min(size, count - (number - 1) * size)
            found.append(self._page(number, size, "desc", count, rows))
            self.stats.pages += 1
            is_stamped = found[-1].change_times.drop_nulls().len() > 0
            number -= 1
        return found

    def _page(self, number: int, size: int, order: str, count: int, rows: int) -> DecodedPage:
        """A page of which the count says how many rows it has."""
        page = self._collect(number, size, order, self.decoder)
        if page.content.received != rows or page.total_count not in (None, count):
            raise RowsMoved
        return page.content

    def _rows(self, page: DecodedPage) -> tuple[list[object], list[object]]:
        """The identifiers and change times of a page, in order, and its rejected identifiers."""
        names = page.rows.get_column(self.decoder.contract.identifier_column)
        typed = zip(names, page.change_times, strict=True)
        return list(typed), page.rejected.get_column("identifier").to_list()
