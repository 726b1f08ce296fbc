"""`Collection`: collects one resource of one organization: count, pages, verification, landing.

Whether the rows are complete is decided in `verification`. Requests are in `api`, reading the bytes
in `decoding`, many organizations in `concurrency`, storing in `warehouse`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from threading import Semaphore
from typing import Any, Protocol
from uuid import UUID

from booking_assets.api.client import BookingClient, Page
from booking_assets.collect.completeness import has_shrunk
from booking_assets.collect.content import unless_repeated
from booking_assets.collect.contracts import EVENT_ROWS, RowContract
from booking_assets.collect.decoding import DecodedPage, Decoder
from booking_assets.collect.errors import Incomplete, Shrunk, Stopped
from booking_assets.collect.incremental import MAX_FULL_AGE, IncrementalPlan
from booking_assets.collect.landing import Landing, Starts
from booking_assets.collect.landings import Landings
from booking_assets.collect.pages import fetch_pages
from booking_assets.collect.stats import CollectionStats, Mode
from booking_assets.collect.verification import Verification

_logger = logging.getLogger(__name__)


class PageProgress(Protocol):
    """Live progress of collections; called from several threads."""

    def received(self, organization: str, resource: str, rows: int, expected: int) -> None:
        """`rows` of the `expected` rows have arrived."""


@dataclass(frozen=True)
class Plan:
    """How to collect, the same for every organization of a run.

    Args:
        landings: where rows are written.
        max_concurrency: requests in flight, an organization.
        attempts: how often rows that moved while they were read are collected again.
        max_shrink: share of the stored rows that may vanish.
        allow_shrink: a person consents to any loss.
        mode: of events; other resources are always read in full, because their change time, where
            there is one, does not follow their changes.
        overlap: how much older than the base's newest row a change may be stamped.
        clock: the present instant, UTC.
        shrink_floor: number of rows that may always vanish, unless no row is left.
    """

    run_id: str
    landings: Landings
    page_size: int
    max_concurrency: int
    attempts: int
    max_shrink: float
    allow_shrink: bool
    mode: Mode
    overlap: timedelta
    clock: Callable[[], datetime]
    progress: PageProgress
    shrink_floor: int = 5


@dataclass(frozen=True)
class Start:
    """The start of an organization's collections in a run: all its resources share it."""

    sequence: int | None
    """The ticket, the order of the organization's collections; None where it was not taken."""
    started_at: datetime


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
        """The resource's name, as in `raw.collections`."""
        return str(self.log_row["resource"])

    @property
    def log_row(self) -> dict[str, Any]:
        """Its row of raw.collections, as plain values."""
        return self.landing.log_row


@dataclass(frozen=True)
class Collection:
    """The collection of one resource of one organization.

    Args:
        connect: opens a client with the organization's own credential.
        organization: the slug.
        identifier: the organization that every row must belong to.
        stored_rows: gives the rows of the stored slice; None before the first load.
        stored_sequence: the highest ticket of the organization in raw.collections.
        slots: limits requests in flight of all the organization's collections; None: of this alone.
    """

    connect: Callable[[], BookingClient]
    contract: RowContract
    organization: str
    identifier: UUID
    stored_rows: Callable[[], int | None]
    plan: Plan
    stored_sequence: int = 0
    slots: Semaphore | None = None

    @cached_property
    def client(self) -> BookingClient:
        """The organization's client."""
        client = self.connect()
        client.slots = self.slots or Semaphore(self.plan.max_concurrency)
        return client

    def start(self) -> Start:
        """Takes the organization's next ticket; OSError or StorageError where it cannot."""
        landings = self.plan.landings
        sequence = landings.take_ticket(self.organization, self.identifier, self.stored_sequence)
        return Start(sequence, self.plan.clock())

    def begin(self, start: Start | None = None) -> CollectionStats:
        """Stats of a collection with this start; a failed collection keeps its numbers there."""
        start = start or self.start()
        return CollectionStats(
            organization=self.organization,
            resource=self.contract.resource.name,
            run_id=self.plan.run_id,
            mode=self.plan.mode if self.contract is EVENT_ROWS else "full",
            started_at=start.started_at,
            sequence=start.sequence,
        )

    def run(
        self,
        stats: CollectionStats,
        stopped: Callable[[], bool] = lambda: False,
        counted: Callable[[], None] = lambda: None,
        may_land: Callable[[], bool] = lambda: True,
    ) -> Collected:
        """Collects every row and writes the landing.

        `stats` are filled in, also where the collection fails; `stopped` is checked after each
        page: where it is true, the collection ends. `counted` is called after each first count,
        `may_land`, which may wait, before the landing: where it is false, there is none.

        Raises:
            CollectionFailed: the rows are foreign, incomplete or far fewer than stored.
            BookingError: a request failed for good.
            OSError, StorageError: the landing could not be written.
        """
        decoder = Decoder(
            self.contract, self.organization, self.identifier, collected_at=stats.started_at
        )
        plan, client = self.plan, self.client
        try:
            with plan.landings.staging(self.identifier, self.contract, stats) as staging:
                rows = Verification(client, decoder, staging, stats, plan.max_concurrency)
                starts = self._collect_incremental(rows, stopped, counted)
                if starts is None:
                    stats.count_before = client.count()
                    counted()
                    starts = Starts(client.server_time, stats.started_at, client.server_time)
                    self._collect_full(rows, self._repeatable(stats), stopped)
                    if staging.repeated is not None:
                        starts = replace(starts, full=staging.repeated.starts.full)
                self._require_no_shrinkage(stats)
                self._finalize_stats(stats)
                if not may_land():
                    raise Stopped(self.organization)
                landing = staging.land(self.identifier, stats.log_row(), starts)
                return Collected(landing, staging.unknown)
        finally:
            self._finalize_stats(stats)

    def _collect_incremental(
        self, rows: Verification, stopped: Callable[[], bool], counted: Callable[[], None]
    ) -> Starts | None:
        """Applies the changes to the last landing; None where a full collection is needed."""
        stats = rows.stats
        if stats.mode == "full":
            return None
        landings = self.plan.landings
        base = landings.newest(self.organization, self.identifier, stats.resource)
        # Of a renamed slug, the rows have the former one.
        if base is not None and base.organization == self.organization:
            landings.fetch(base)
            changes = IncrementalPlan(
                self.client,
                rows.decoder,
                base,
                stats,
                stopped,
                counted,
                page_size=self.plan.page_size,
                overlap=self.plan.overlap,
                attempts=self.plan.attempts,
            )
            if changes.apply(rows.staging):
                fault = rows.fault(is_single_answer=True)
                if fault is None:
                    return replace(base.starts, server=self.client.server_time)
                _logger.info("%s: full instead of incremental: %s", self.organization, fault)
        rows.staging.clear()
        stats.mode, stats.totals, stats.count_before = "full", set(), None
        return None

    def _repeatable(self, stats: CollectionStats) -> Landing | None:
        """In incremental runs, the last landing of a resource that is always read in full.

        Where all answers are the same, it has the rows. A full run trusts nothing that is stored.
        """
        plan, contract = self.plan, self.contract
        is_always_full = contract is not EVENT_ROWS and plan.mode == "incremental"
        if not is_always_full or not plan.landings.keeps_files:
            return None
        last = plan.landings.newest(self.organization, self.identifier, stats.resource)
        # Of a renamed slug, the rows have the former one.
        if last is None or last.organization != self.organization or not last.content:
            return None
        # Once a day all is written, as for events.
        written_at = last.starts.full
        if written_at is None or not timedelta(0) <= stats.started_at - written_at < MAX_FULL_AGE:
            return None
        return last if last.rows_distinct == stats.count_before and last.is_intact() else None

    def _collect_full(
        self, rows: Verification, last: Landing | None, stopped: Callable[[], bool]
    ) -> None:
        """Reads all pages, and again where rows moved, until the collection is complete."""
        stats, fault = rows.stats, None
        for attempt in range(self.plan.attempts):
            if attempt:
                rows.staging.clear()
                stats.count_before, stats.totals, last = stats.count_after, set(), None
            self._read_pages(rows, last, stopped)
            fault = rows.fault(is_single_answer=stats.pages == 1)
            if fault is None:
                if last is not None and rows.staging.content == last.content:
                    rows.staging.repeat(last, rows.staging.received)
                return
        raise Incomplete(
            self.organization,
            f"{fault}, in {self.plan.attempts} attempts",
            "The stored rows stay; run it again when the organization is quieter",
        )

    def _read_pages(
        self, rows: Verification, last: Landing | None, stopped: Callable[[], bool]
    ) -> None:
        """Reads the pages; where the only one is that of the last landing, repeats that."""
        stats, plan = rows.stats, self.plan
        expected = stats.count_before or 0

        def fetch(page: int, size: int) -> Page[DecodedPage | Landing]:
            if self.contract is EVENT_ROWS:
                return self.client.collect(page, size, rows.decoder)
            decode = unless_repeated(rows.decoder, last if page == 1 else None)
            return self.client.collect(page, size, decode)

        for page in fetch_pages(
            fetch, lambda page: page.received, plan.page_size, expected, plan.max_concurrency
        ):
            if isinstance(page.content, Landing):
                rows.staging.repeat(page.content, page.content.received)
            else:
                rows.staging.add(page.content)
            stats.pages += 1
            stats.add_total(page.total_count)
            plan.progress.received(
                self.organization, stats.resource, rows.staging.received, expected
            )
            if stopped():
                raise Stopped(self.organization)

    def _require_no_shrinkage(self, stats: CollectionStats) -> None:
        plan, stored = self.plan, self.stored_rows()
        has_lost = has_shrunk(stats.rows_loaded, stored, plan.max_shrink, plan.shrink_floor)
        if has_lost and not plan.allow_shrink:
            raise Shrunk(
                self.organization,
                f"{stats.rows_loaded} rows where {stored} are stored: a loss of more "
                f"than {plan.max_shrink:.0%} and {plan.shrink_floor} rows, or of all",
                "The API's read model may be under rebuild; if the loss is real, run it again with "
                "--allow-shrink (run config: allow_shrink)",
            )

    def _finalize_stats(self, stats: CollectionStats) -> None:
        """Sets the finish time and the client's usage."""
        usage = self.client.usage
        stats.requests, stats.retries = usage.requests, usage.retries
        stats.bytes_received = usage.bytes_received
        stats.finished_at = self.plan.clock()
