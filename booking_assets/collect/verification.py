"""`Verification`: decides whether the rows that arrived are complete, and refetches mismatches.

The rule by numbers is in `completeness`; what follows from a fault is decided in `collection`.
"""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import polars as pl

from booking_assets.api.client import BookingClient
from booking_assets.api.errors import Forbidden, NotFound
from booking_assets.collect.completeness import is_complete
from booking_assets.collect.decoding import DecodedPage, Decoder
from booking_assets.collect.pages import listed_keys, map_concurrently
from booking_assets.collect.parts import identifier_of
from booking_assets.collect.staging import StagingWriter
from booking_assets.collect.stats import CollectionStats

_logger = logging.getLogger(__name__)

SEARCH_PAGE_SIZE = 5_000
BUCKET_KEYS = 100_000
"""Keys that are compared at once, on average."""
MAX_REFETCHED_ROWS = 200
"""Mismatched rows that are requested one by one; more than these are worth a new collection."""


@dataclass(frozen=True)
class Verification:
    """Compares the rows in the staging with the API's counts and identifiers.

    `stats` gets the counts and the numbers of rows; `max_concurrency` limits requests in flight.
    """

    client: BookingClient
    decoder: Decoder
    staging: StagingWriter
    stats: CollectionStats
    max_concurrency: int

    def fault(self, *, is_single_answer: bool) -> str | None:
        """Counts again; why the rows are not complete, None where they are.

        Rows of several pages may have moved while they were read, also where every count is the
        same: a row deleted from pages already read and another inserted into pages to come leave
        the counts as they were. So their identifiers, which are cheap, are compared too: they are
        listed beside the count.
        """
        self._tally()
        # A server counts the total beside a page after it has read the page: where that and the
        # count before are the number of rows, another count could only tell of later changes.
        if is_single_answer and self.stats.totals and self._counts_match():
            self.stats.count_after = self.stats.rows_distinct
            return self._judge(self.stats.rows_distinct)
        listing: Future[pl.Series] | None = None
        counted = self.stats.count_before or 0
        with ThreadPoolExecutor(1, thread_name_prefix="search") as pool:
            if not is_single_answer and self.staging.repeated is None:
                listing = pool.submit(self._list, counted)
            self.stats.count_after = self.client.count()
        if is_single_answer and self._counts_match():
            return self._judge(self.stats.rows_distinct)
        if self.staging.repeated is not None:
            return self._mismatch()
        try:
            listed = None
            # Another count has other pages.
            if listing is not None and self.stats.count_after == counted:
                listed = listing.result()
            return self._reconcile(listed)
        except (Forbidden, NotFound) as error:
            # A release may grant each operation by itself, or lack it.
            _logger.warning(
                "%s: rows may have moved, and cannot be listed or requested one by one: %s",
                self.stats.organization,
                error,
            )
            return self._judge(*self.stats.counts) if self._counts_match() else self._mismatch()

    def _list(self, count: int) -> pl.Series:
        return listed_keys(self.client, SEARCH_PAGE_SIZE, count, self.max_concurrency)

    def _reconcile(self, listed: pl.Series | None) -> str | None:
        """Refetches the rows that are listed but did not arrive, or arrived but are not listed."""
        count = self.stats.count_after or 0
        listed = self._list(count) if listed is None else listed
        arrived = self.staging.keys()
        missing, unlisted = _differences(listed, arrived)
        # A rejected row without an identifier is one of those that seem to be missing.
        is_explained = unlisted.is_empty() and missing.len() <= self.staging.without_identifier
        if is_explained and self._counts_match():
            return self._judge(count)
        if missing.len() + unlisted.len() > MAX_REFETCHED_ROWS:
            return (
                f"the API counted {count} rows and {arrived.n_unique()} identifiers arrived, but "
                f"search lists {listed.n_unique()}: {missing.len()} of these did not arrive, and "
                f"{unlisted.len()} that arrived are not listed"
            )
        identifiers = [identifier_of(key) for key in sorted([*missing, *unlisted])]
        rows = map_concurrently(self._retrieve, identifiers, self.max_concurrency)
        row_of = dict(zip(identifiers, rows, strict=True))
        found = {name: row for name, row in row_of.items() if row is not None}
        for identifier, row in found.items():
            if self.decoder.identifiers(row) != {identifier}:
                return f"the API answered another row where {identifier} was requested"
        for row in found.values():
            self.staging.add(row)
        self.staging.remove(row_of.keys() - found.keys())
        self._tally()
        self.stats.count_after = self.client.count()
        return self._judge(count, self.stats.count_after)

    def _retrieve(self, identifier: str) -> DecodedPage | None:
        try:
            return self.decoder(b"[" + self.client.retrieve(identifier) + b"]")
        except NotFound:
            return None

    def _tally(self) -> None:
        """Received + from the base = loaded + rejected + duplicates."""
        stats, staging = self.stats, self.staging
        stats.rows_loaded, stats.rows_rejected = staging.loaded, staging.rejected
        stats.rows_received = staging.received
        from_base = staging.rows_from_base
        stats.duplicates_dropped = stats.rows_received - (stats.rows_distinct - from_base)

    def _counts_match(self) -> bool:
        """Whether every count and total equals the number of distinct rows."""
        return self.stats.counts == {self.stats.rows_distinct}

    def _judge(self, *counts: int) -> str | None:
        """Why the rows are not complete by these counts; None where they are."""
        if is_complete(self.stats, *counts):
            return None
        if not self.stats.rows_loaded and self.stats.rows_rejected:
            return f"every row was rejected, the first because {self.staging.first_rejection}"
        return self._mismatch()

    def _mismatch(self) -> str:
        stats = self.stats
        return (
            f"{stats.rows_distinct} distinct rows arrived, but the API counted "
            f"{stats.count_before} before and {stats.count_after} after"
            f" (totals seen: {sorted(stats.counts)})"
        )


def _differences(listed: pl.Series, arrived: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The keys that did not arrive, and those that are not listed, each once.

    Compared in buckets: polars takes 60 bytes for each key that it compares at once.
    """
    count = 1 + listed.len() // BUCKET_KEYS
    buckets = [_buckets(keys, count) for keys in (listed, arrived)]
    missing, unlisted = [listed.clear()], [listed.clear()]
    for number in range(count):
        left, right = (
            keys.filter(bucket == number).unique()
            for keys, bucket in zip((listed, arrived), buckets, strict=True)
        )
        missing.append(left.filter(~left.is_in(right.implode())))
        unlisted.append(right.filter(~right.is_in(left.implode())))
    return pl.concat(missing), pl.concat(unlisted)


def _buckets(keys: pl.Series, count: int) -> pl.Series:
    """The bucket of each key, from 0; chunk by chunk, since a hash has 8 bytes."""
    chunks = [(chunk.hash() % count).cast(pl.UInt16) for chunk in keys.get_chunks()]
    return pl.concat([pl.Series(dtype=pl.UInt16), *chunks])
