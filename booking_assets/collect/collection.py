"""One organization's collection: count, pages, verify, mend, land.

What lives here: the order of events, and the decision between complete and refused.
What must not: requests (`api`), bytes (`decoding`), storing (`warehouse`).
Read more: `docs/reliability.md`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Protocol
from uuid import UUID

import polars as pl

from booking_assets.api.client import BookingClient
from booking_assets.api.errors import Forbidden, NotFound
from booking_assets.collect.completeness import has_shrunk, is_complete
from booking_assets.collect.contracts import EVENT_ROWS, RowContract
from booking_assets.collect.decoding import DecodedPage, Decoder
from booking_assets.collect.errors import Incomplete, Shrunk, Stopped
from booking_assets.collect.incremental import IncrementalPlan
from booking_assets.collect.keys import identifier_of
from booking_assets.collect.landing import Landing, newest_landing
from booking_assets.collect.pages import each, listed_keys, row_pages
from booking_assets.collect.staging import StagingWriter
from booking_assets.collect.stats import CollectionStats, Mode

_logger = logging.getLogger(__name__)

SEARCH_PAGE_SIZE = 5_000
ASKED_AT_MOST = 200
"""Doubtful rows that are worth a request each; more of them are worth a new collection."""


class Progress(Protocol):
    """Whoever watches a run; called from several threads."""

    def received(self, organization: str, resource: str, rows: int, expected: int) -> None:
        """So many rows of the expected ones have arrived."""

    def ended(self, organization: str, resource: str, rows: int, error: Exception | None) -> None:
        """The organization's rows are stored, or refused for the reason given."""


class NoProgress:
    """For runs without a person before them."""

    def received(self, organization: str, resource: str, rows: int, expected: int) -> None:
        """Tells nobody."""

    def ended(self, organization: str, resource: str, rows: int, error: Exception | None) -> None:
        """Tells nobody."""


@dataclass(frozen=True)
class Plan:
    """How to collect, the same for every organization of a run.

    Args:
        run_id: the Dagster run, for the log.
        landing: the folder of the landings.
        page_size: rows a request.
        max_concurrency: requests in flight, an organization.
        attempts: how often rows that moved while they were read are collected again.
        max_shrink: share of the stored rows that may vanish.
        allow_shrink: a person consents to any loss.
        mode: whether to read all events or those that changed; registrations, whose changes are
            not told by their change time, are always read in full.
        overlap: how much older than the newest row held a change may be stamped.
        clock: the present instant, UTC.
        progress: told after each page.
    """

    run_id: str
    landing: Path
    page_size: int
    max_concurrency: int
    attempts: int
    max_shrink: float
    allow_shrink: bool
    mode: Mode
    overlap: timedelta
    clock: Callable[[], datetime]
    progress: Progress


@dataclass(frozen=True)
class Collected:
    """A complete collection, landed; `unknown` names members that the contract does not know."""

    landing: Landing
    unknown: frozenset[str]

    @property
    def organization(self) -> str:
        """The slug."""
        return self.landing.organization

    @property
    def resource(self) -> str:
        """`events` or `registrations`."""
        return str(self.landing.log_row["resource"])


@dataclass(frozen=True)
class Collection:
    """The collection of one resource of one organization.

    Args:
        connect: gives a client that asks with the organization's own credential.
        contract: what the rows may hold.
        organization: the slug.
        identifier: the tenant that every row must belong to.
        stored_rows: rows of the stored slice; None where nothing was ever stored.
        plan: how to go about it.
    """

    connect: Callable[[], BookingClient]
    contract: RowContract
    organization: str
    identifier: UUID
    stored_rows: int | None
    plan: Plan

    @cached_property
    def client(self) -> BookingClient:
        """The organization's client."""
        return self.connect()

    def begin(self) -> CollectionStats:
        """A stats that starts now; it keeps its numbers also where the collection is refused."""
        return CollectionStats(
            organization=self.organization,
            resource=self.contract.resource.name,
            run_id=self.plan.run_id,
            mode=self.plan.mode if self.contract is EVENT_ROWS else "full",
            started_at=self.plan.clock(),
        )

    def run(self, stats: CollectionStats, stopped: Callable[[], bool] = lambda: False) -> Collected:
        """Collects every row and lands it.

        Args:
            stats: is filled in, also where the collection is refused.
            stopped: asked after each page; where it says yes, the collection ends.

        Raises:
            CollectionFailed: the rows are foreign, incomplete or far fewer than stored.
            BookingError: a request failed for good.
            OSError: the landing could not be written.
        """
        decoder = Decoder(
            self.contract, self.organization, self.identifier, collected_at=stats.started_at
        )
        name = f"{stats.resource}-{stats.started_at:%Y%m%dT%H%M%S.%fZ}-{stats.run_id[:8]}"
        client = self.client
        try:
            stats.count_before = client.count()
            with StagingWriter(
                self.plan.landing, self.organization, name, self.contract
            ) as staging:
                if not self._collect_incremental(staging, decoder, stats, stopped):
                    self._collect_full(staging, decoder, stats, stopped)
                self._refuse_shrinkage(stats)
                self._finalize_stats(stats)
                return Collected(staging.land(self.identifier, stats.log_row()), staging.unknown)
        finally:
            self._finalize_stats(stats)

    def _collect_incremental(
        self,
        staging: StagingWriter,
        decoder: Decoder,
        stats: CollectionStats,
        stopped: Callable[[], bool],
    ) -> bool:
        """Lays the changes over the last landing; False where all must be collected."""
        if stats.mode == "full":
            return False
        base = newest_landing(self.plan.landing, self.organization, stats.resource)
        if base is not None and base.identifier == self.identifier:
            changes = IncrementalPlan(
                self.client,
                decoder,
                base,
                page_size=self.plan.page_size,
                overlap=self.plan.overlap,
                attempts=self.plan.attempts,
            )
            if changes.adopt(staging, stats, stopped):
                stats.count_after = self.client.count()
                _add_up(staging, stats)
                settled = changes.all_stamped and self._held_throughout(stats)
                if settled or self._reconcile(staging, decoder, stats):
                    return True
        staging.clear()
        stats.mode, stats.totals, stats.count_before = "full", set(), self.client.count()
        return False

    def _collect_full(
        self,
        staging: StagingWriter,
        decoder: Decoder,
        stats: CollectionStats,
        stopped: Callable[[], bool],
    ) -> None:
        """Reads pages until what is held is what was counted."""
        for attempt in range(self.plan.attempts):
            if attempt:
                staging.clear()
                stats.count_before, stats.totals = stats.count_after, set()
            self._read(staging, decoder, stats, stopped)
            is_one_answer = stats.pages == 1 and self._held_throughout(stats)
            if is_one_answer or self._reconcile(staging, decoder, stats):
                return
        raise Incomplete(
            self.organization,
            f"{stats.rows_held} distinct rows arrived, but the API counted "
            f"{stats.count_before} before and {stats.count_after} after"
            f" (totals seen: {sorted(stats.counts)}), {self.plan.attempts} times over",
            "The stored rows stay; run it again when the organization is quieter",
        )

    def _read(
        self,
        staging: StagingWriter,
        decoder: Decoder,
        stats: CollectionStats,
        stopped: Callable[[], bool],
    ) -> None:
        expected = stats.count_before or 0
        for page in row_pages(
            self.client, decoder, self.plan.page_size, expected, self.plan.max_concurrency
        ):
            staging.add(page.content)
            stats.pages += 1
            if page.total_count is not None:
                stats.totals.add(page.total_count)
            self.plan.progress.received(
                self.organization, stats.resource, staging.received, expected
            )
            if stopped():
                raise Stopped(self.organization)
        stats.count_after = self.client.count()
        _add_up(staging, stats)

    def _held_throughout(self, stats: CollectionStats) -> bool:
        """Whether one count held from the first question to the last, and all its rows are here."""
        return stats.counts == {stats.rows_held}

    def _reconcile(self, staging: StagingWriter, decoder: Decoder, stats: CollectionStats) -> bool:
        """Asks for each doubtful row; whether that makes the collection complete.

        The identifiers, which are cheap, tell which: those that are listed but did not arrive, and
        those that arrived but are not listed. Of several pages they are asked for also where every
        count is the same: so it is where one row is deleted among the pages already read and
        another inserted among those to come. Who may not ask for them must go by the counts.
        """
        is_counted = self._held_throughout(stats)
        try:
            rows = self._refetch_mismatches(staging, decoder, stats)
        except (Forbidden, NotFound) as error:
            # A release may grant each operation by itself, or lack one.
            _logger.warning(
                "%s: rows %s moved, and cannot be asked for: %s",
                self.organization,
                "may have" if is_counted else "have",
                error,
            )
            return is_counted
        if rows is None:
            return False
        if is_counted and not rows:
            return True
        for row in rows.values():
            if row is not None:
                staging.add(row)
        staging.withdraw({identifier for identifier, row in rows.items() if row is None})
        counts = {stats.count_after or 0}
        stats.count_after = self.client.count()
        _add_up(staging, stats)
        return is_complete(stats.rows_held, counts | {stats.count_after})

    def _refetch_mismatches(
        self, staging: StagingWriter, decoder: Decoder, stats: CollectionStats
    ) -> dict[str, DecodedPage | None] | None:
        """Each doubtful row by identifier, None where it is gone; None if there are too many."""
        concurrency = self.plan.max_concurrency
        expected = stats.count_after or 0
        listed = listed_keys(self.client, SEARCH_PAGE_SIZE, expected, concurrency)
        held = staging.keys()
        missing, gone = _without(listed, held), _without(held, listed)
        # A rejected row that does not say its identifier is one of those that seem to be missing.
        is_explained = gone.is_empty() and missing.len() <= staging.without_identifier
        if is_explained and self._held_throughout(stats):
            return {}
        if missing.len() + gone.len() > ASKED_AT_MOST:
            return None
        doubtful = [identifier_of(key) for key in sorted([*missing, *gone])]

        def retrieve(identifier: str) -> DecodedPage | None:
            try:
                return decoder(b"[" + self.client.retrieve(identifier) + b"]")
            except NotFound:
                return None

        return dict(zip(doubtful, each(retrieve, doubtful, concurrency), strict=True))

    def _refuse_shrinkage(self, stats: CollectionStats) -> None:
        if self.plan.allow_shrink:
            return
        if has_shrunk(stats.rows_loaded, self.stored_rows, self.plan.max_shrink):
            raise Shrunk(
                self.organization,
                f"{stats.rows_loaded} rows where {self.stored_rows} are stored: "
                f"a loss of more than {self.plan.max_shrink:.0%}",
                "The API's read model may be under rebuild; if the loss is real, run it again with "
                "--allow-shrink (run config: allow_shrink)",
            )

    def _finalize_stats(self, stats: CollectionStats) -> None:
        """Closes the stats: when it ended and what was sent for it."""
        usage = self.client.usage
        stats.requests, stats.retries = usage.requests, usage.retries
        stats.bytes_received = usage.bytes_received
        stats.finished_at = self.plan.clock()


def _without(some: pl.Series, others: pl.Series) -> pl.Series:
    return some.filter(~some.is_in(others.implode()))


def _add_up(staging: StagingWriter, stats: CollectionStats) -> None:
    """Enters what the staging holds: received + adopted = loaded + rejected + duplicates."""
    stats.rows_loaded, stats.rows_rejected = staging.loaded, staging.rejected
    stats.rows_received = staging.received
    stats.duplicates_dropped = stats.rows_received - (stats.rows_held - staging.adopted)
