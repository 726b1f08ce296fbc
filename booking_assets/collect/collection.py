"""`Collection`: collects one resource of one organization, and decides whether it is complete.

In this order: count, pages, count, reconcile, write the landing. Requests are in `api`, reading the
bytes in `decoding`, many organizations in `concurrency`, storing in `warehouse`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
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
from booking_assets.collect.landing import (
    Landing,
    Starts,
    landing_name,
    newest_landing,
    take_ticket,
)
from booking_assets.collect.pages import listed_keys, map_concurrently, row_pages
from booking_assets.collect.parts import identifier_of
from booking_assets.collect.staging import StagingWriter
from booking_assets.collect.stats import CollectionStats, Mode

_logger = logging.getLogger(__name__)

SEARCH_PAGE_SIZE = 5_000
MAX_REFETCHED_ROWS = 200
"""Mismatched rows that are requested one by one; more than these are worth a new collection."""


class Progress(Protocol):
    """Live progress of a run; called from several threads."""

    def received(self, organization: str, resource: str, rows: int, expected: int) -> None:
        """`rows` of the `expected` rows have arrived."""

    def ended(self, organization: str, resource: str, rows: int, error: Exception | None) -> None:
        """The organization's rows are stored, or were not because of `error`."""


class NoProgress:
    """Shows no progress."""

    def received(self, organization: str, resource: str, rows: int, expected: int) -> None:
        """Does nothing."""

    def ended(self, organization: str, resource: str, rows: int, error: Exception | None) -> None:
        """Does nothing."""


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
        shrink_floor: number of rows that may always vanish, unless no row is left.
        allow_shrink: a person consents to any loss.
        mode: whether to read all events or those that changed; registrations are always read in
            full, because their change time does not follow their changes.
        overlap: how much older than the base's newest row a change may be stamped.
        clock: the present instant, UTC.
        progress: called after each page.
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
    shrink_floor: int = 5


@dataclass(frozen=True)
class Start:
    """The start of an organization's collections in a run: all its resources share it.

    `sequence` is the ticket, the order of the organization's collections; None where it could not
    be taken.
    """

    sequence: int | None
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
        """`events` or `registrations`."""
        return str(self.landing.log_row["resource"])


@dataclass(frozen=True)
class Collection:
    """The collection of one resource of one organization.

    Args:
        connect: opens a client with the organization's own credential.
        contract: the resource's members and types.
        organization: the slug.
        identifier: the organization that every row must belong to.
        stored_rows: rows of the stored slice; None before the first load.
        plan: how to collect.
        stored_sequence: the highest ticket of the organization in raw.collections.
    """

    connect: Callable[[], BookingClient]
    contract: RowContract
    organization: str
    identifier: UUID
    stored_rows: int | None
    plan: Plan
    stored_sequence: int = 0

    @cached_property
    def client(self) -> BookingClient:
        """The organization's client."""
        return self.connect()

    def start(self) -> Start:
        """Takes the organization's next ticket.

        Raises:
            OSError: the ticket cannot be written.
        """
        sequence = take_ticket(self.plan.landing, self.organization, self.stored_sequence)
        return Start(sequence, self.plan.clock())

    def begin(self, start: Start | None = None) -> CollectionStats:
        """Stats of a collection that starts now; a failed collection keeps its numbers there.

        Args:
            start: the ticket and the time that the organization's collections share.
        """
        start = start or self.start()
        return CollectionStats(
            organization=self.organization,
            resource=self.contract.resource.name,
            run_id=self.plan.run_id,
            mode=self.plan.mode if self.contract is EVENT_ROWS else "full",
            started_at=start.started_at,
            sequence=start.sequence,
        )

    def run(self, stats: CollectionStats, stopped: Callable[[], bool] = lambda: False) -> Collected:
        """Collects every row and writes the landing.

        Args:
            stats: is filled in, also where the collection fails.
            stopped: checked after each page; where it is true, the collection ends.

        Raises:
            CollectionFailed: the rows are foreign, incomplete or far fewer than stored.
            BookingError: a request failed for good.
            OSError: the landing could not be written.
        """
        decoder = Decoder(
            self.contract, self.organization, self.identifier, collected_at=stats.started_at
        )
        name = landing_name(stats.resource, stats.sequence or 0, stats.run_id)
        client = self.client
        try:
            stats.count_before = client.count()
            with StagingWriter(
                self.plan.landing, self.organization, name, self.contract
            ) as staging:
                starts = self._collect_incremental(staging, decoder, stats, stopped)
                if starts is None:
                    server_time = client.server_time
                    self._collect_full(staging, decoder, stats, stopped)
                    starts = Starts(server_time, stats.started_at, server_time)
                self._require_no_shrinkage(stats)
                self._finalize_stats(stats)
                landing = staging.land(self.identifier, stats.log_row(), starts)
                return Collected(landing, staging.unknown)
        finally:
            self._finalize_stats(stats)

    def _collect_incremental(
        self,
        staging: StagingWriter,
        decoder: Decoder,
        stats: CollectionStats,
        stopped: Callable[[], bool],
    ) -> Starts | None:
        """Applies the changes to the last landing; None where a full collection is needed."""
        if stats.mode == "full":
            return None
        base = newest_landing(self.plan.landing, self.organization, stats.resource)
        if base is not None and base.identifier == self.identifier:
            starts = replace(base.starts, server=self.client.server_time)
            changes = IncrementalPlan(
                self.client,
                decoder,
                base,
                starts,
                page_size=self.plan.page_size,
                overlap=self.plan.overlap,
                attempts=self.plan.attempts,
            )
            if changes.apply(staging, stats, stopped):
                stats.count_after = self.client.count()
                _update_stats(staging, stats)
                if self._counts_match(stats):
                    fault = self._fault(staging, stats, stats.rows_distinct)
                else:
                    fault = self._reconcile(staging, decoder, stats)
                if fault is None:
                    return starts
        staging.clear()
        stats.mode, stats.totals, stats.count_before = "full", set(), self.client.count()
        return None

    def _collect_full(
        self,
        staging: StagingWriter,
        decoder: Decoder,
        stats: CollectionStats,
        stopped: Callable[[], bool],
    ) -> None:
        """Reads all pages, and again where rows moved, until the collection is complete."""
        for attempt in range(self.plan.attempts):
            if attempt:
                staging.clear()
                stats.count_before, stats.totals = stats.count_after, set()
            self._read_pages(staging, decoder, stats, stopped)
            if stats.pages == 1 and self._counts_match(stats):
                # A single answer: no row moved while it was read.
                fault = self._fault(staging, stats, stats.rows_distinct)
            else:
                fault = self._reconcile(staging, decoder, stats)
            if fault is None:
                return
        raise Incomplete(
            self.organization,
            f"{fault}, in {self.plan.attempts} attempts",
            "The stored rows stay; run it again when the organization is quieter",
        )

    def _read_pages(
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
        _update_stats(staging, stats)

    def _counts_match(self, stats: CollectionStats) -> bool:
        """Whether every count and total equals the number of distinct rows."""
        return stats.counts == {stats.rows_distinct}

    def _fault(self, staging: StagingWriter, stats: CollectionStats, *counts: int) -> str | None:
        """Why the collection is not complete by these counts; None where it is."""
        if is_complete(stats, *counts):
            return None
        if not stats.rows_loaded and stats.rows_rejected:
            return f"every row was rejected, the first because {staging.first_rejection}"
        return _count_mismatch(stats)

    def _reconcile(
        self, staging: StagingWriter, decoder: Decoder, stats: CollectionStats
    ) -> str | None:
        """Refetches each mismatched row; why the collection is not complete then, None where it is.

        The identifiers, which are cheap, show which: those that are listed but did not arrive, and
        those that arrived but are not listed. With several pages they are listed also where every
        count is the same: a row deleted from pages already read and another inserted into pages to
        come leave the counts as they were. Without permission to list them, the counts decide.
        """
        count = stats.count_after or 0
        try:
            listed = listed_keys(self.client, SEARCH_PAGE_SIZE, count, self.plan.max_concurrency)
            arrived = staging.keys()
            missing, unlisted = _difference(listed, arrived), _difference(arrived, listed)
            # A rejected row without an identifier is one of those that seem to be missing.
            is_explained = unlisted.is_empty() and missing.len() <= staging.without_identifier
            if is_explained and self._counts_match(stats):
                return self._fault(staging, stats, count)
            if missing.len() + unlisted.len() > MAX_REFETCHED_ROWS:
                return (
                    f"the API counted {count} rows and {arrived.len()} identifiers arrived, but "
                    f"search lists {listed.len()}: {missing.len()} of these did not arrive, and "
                    f"{unlisted.len()} that arrived are not listed"
                )
            fault = self._refetch(staging, decoder, [*missing, *unlisted])
        except (Forbidden, NotFound) as error:
            # A release may grant each operation by itself, or lack it.
            _logger.warning(
                "%s: rows may have moved, and cannot be listed or requested one by one: %s",
                self.organization,
                error,
            )
            if self._counts_match(stats):
                return self._fault(staging, stats, count)
            return _count_mismatch(stats)
        if fault:
            return fault
        stats.count_after = self.client.count()
        _update_stats(staging, stats)
        return self._fault(staging, stats, count, stats.count_after)

    def _refetch(self, staging: StagingWriter, decoder: Decoder, keys: list[int]) -> str | None:
        """Requests rows one by one, and removes those that are deleted; a fault, or None."""
        identifiers = [identifier_of(key) for key in sorted(keys)]

        def retrieve(identifier: str) -> DecodedPage | None:
            try:
                return decoder(b"[" + self.client.retrieve(identifier) + b"]")
            except NotFound:
                return None

        rows = list(map_concurrently(retrieve, identifiers, self.plan.max_concurrency))
        for identifier, row in zip(identifiers, rows, strict=True):
            if row is not None and decoder.identifiers(row) != {identifier}:
                return f"the API answered another row where {identifier} was requested"
        for row in rows:
            if row is not None:
                staging.add(row)
        staging.remove({name for name, row in zip(identifiers, rows, strict=True) if row is None})
        return None

    def _require_no_shrinkage(self, stats: CollectionStats) -> None:
        if self.plan.allow_shrink:
            return
        plan = self.plan
        if has_shrunk(stats.rows_loaded, self.stored_rows, plan.max_shrink, plan.shrink_floor):
            raise Shrunk(
                self.organization,
                f"{stats.rows_loaded} rows where {self.stored_rows} are stored: a loss of more "
                f"than {plan.max_shrink:.0%} and {plan.shrink_floor} rows, or of all",
                "The API's read model may be under rebuild; if the loss is real, run it again with "
                "--allow-shrink (run config: allow_shrink)",
            )

    def _finalize_stats(self, stats: CollectionStats) -> None:
        """Enters the end and the client's usage."""
        usage = self.client.usage
        stats.requests, stats.retries = usage.requests, usage.retries
        stats.bytes_received = usage.bytes_received
        stats.finished_at = self.plan.clock()


def _difference(keys: pl.Series, others: pl.Series) -> pl.Series:
    return keys.filter(~keys.is_in(others.implode()))


def _update_stats(staging: StagingWriter, stats: CollectionStats) -> None:
    """Enters the staging's rows: received + from the base = loaded + rejected + duplicates."""
    stats.rows_loaded, stats.rows_rejected = staging.loaded, staging.rejected
    stats.rows_received = staging.received
    stats.duplicates_dropped = stats.rows_received - (stats.rows_distinct - staging.rows_from_base)


def _count_mismatch(stats: CollectionStats) -> str:
    return (
        f"{stats.rows_distinct} distinct rows arrived, but the API counted "
        f"{stats.count_before} before and {stats.count_after} after"
        f" (totals seen: {sorted(stats.counts)})"
    )
