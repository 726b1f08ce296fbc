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
from booking_assets.collect.contracts import EVENT_ROWS, RowContract
from booking_assets.collect.decoding import DecodedPage, Decoder
from booking_assets.collect.errors import Incomplete, Shrunk, Stopped
from booking_assets.collect.incremental import Changes
from booking_assets.collect.keys import identifier_of
from booking_assets.collect.landing import Landing, newest_landing
from booking_assets.collect.pages import each, listed_keys, row_pages
from booking_assets.collect.spool import Spool
from booking_assets.collect.tally import Mode, Tally
from booking_assets.collect.verdict import has_shrunk, is_complete

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


class NobodyWatches:
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
        return str(self.landing.entry["resource"])


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

    def begin(self) -> Tally:
        """A tally that starts now; it keeps its numbers also where the collection is refused."""
        return Tally(
            organization=self.organization,
            resource=self.contract.resource.name,
            run_id=self.plan.run_id,
            mode=self.plan.mode if self.contract is EVENT_ROWS else "full",
            started_at=self.plan.clock(),
        )

    def run(self, tally: Tally, stopped: Callable[[], bool] = lambda: False) -> Collected:
        """Collects every row and lands it.

        Args:
            tally: is filled in, also where the collection is refused.
            stopped: asked after each page; where it says yes, the collection ends.

        Raises:
            CollectionRefused: the rows are foreign, incomplete or far fewer than stored.
            BookingError: a request failed for good.
            OSError: the landing could not be written.
        """
        decoder = Decoder(
            self.contract, self.organization, self.identifier, collected_at=tally.started_at
        )
        name = f"{tally.resource}-{tally.started_at:%Y%m%dT%H%M%S.%fZ}-{tally.run_id[:8]}"
        client = self.client
        try:
            tally.count_before = client.count()
            with Spool(self.plan.landing, self.organization, name, self.contract) as spool:
                if not self._gather_changes(spool, decoder, tally, stopped):
                    self._gather(spool, decoder, tally, stopped)
                self._refuse_shrinkage(tally)
                self._settle(tally)
                return Collected(spool.land(self.identifier, tally.entry()), spool.unknown)
        finally:
            self._settle(tally)

    def _gather_changes(
        self, spool: Spool, decoder: Decoder, tally: Tally, stopped: Callable[[], bool]
    ) -> bool:
        """Lays the changes over the last landing; False where all must be collected."""
        if tally.mode == "full":
            return False
        base = newest_landing(self.plan.landing, self.organization, tally.resource)
        if base is not None and base.identifier == self.identifier:
            changes = Changes(
                self.client,
                decoder,
                base,
                page_size=self.plan.page_size,
                overlap=self.plan.overlap,
                attempts=self.plan.attempts,
            )
            if changes.adopt(spool, tally, stopped):
                tally.count_after = self.client.count()
                _add_up(spool, tally)
                settled = changes.all_stamped and self._held_throughout(tally)
                if settled or self._mend(spool, decoder, tally):
                    return True
        spool.clear()
        tally.mode, tally.totals, tally.count_before = "full", set(), self.client.count()
        return False

    def _gather(
        self, spool: Spool, decoder: Decoder, tally: Tally, stopped: Callable[[], bool]
    ) -> None:
        """Reads pages until what is held is what was counted."""
        for attempt in range(self.plan.attempts):
            if attempt:
                spool.clear()
                tally.count_before, tally.totals = tally.count_after, set()
            self._read(spool, decoder, tally, stopped)
            is_one_answer = tally.pages == 1 and self._held_throughout(tally)
            if is_one_answer or self._mend(spool, decoder, tally):
                return
        raise Incomplete(
            self.organization,
            f"{tally.rows_held} distinct rows arrived, but the API counted "
            f"{tally.count_before} before and {tally.count_after} after"
            f" (totals seen: {sorted(tally.counts)}), {self.plan.attempts} times over",
            "The stored rows stay; run it again when the organization is quieter",
        )

    def _read(
        self, spool: Spool, decoder: Decoder, tally: Tally, stopped: Callable[[], bool]
    ) -> None:
        expected = tally.count_before or 0
        for page in row_pages(
            self.client, decoder, self.plan.page_size, expected, self.plan.max_concurrency
        ):
            spool.add(page.content)
            tally.pages += 1
            if page.total_count is not None:
                tally.totals.add(page.total_count)
            self.plan.progress.received(self.organization, tally.resource, spool.received, expected)
            if stopped():
                raise Stopped(self.organization)
        tally.count_after = self.client.count()
        _add_up(spool, tally)

    def _held_throughout(self, tally: Tally) -> bool:
        """Whether one count held from the first question to the last, and all its rows are here."""
        return tally.counts == {tally.rows_held}

    def _mend(self, spool: Spool, decoder: Decoder, tally: Tally) -> bool:
        """Asks for each doubtful row; whether that makes the collection complete.

        The identifiers, which are cheap, tell which: those that are listed but did not arrive, and
        those that arrived but are not listed. Of several pages they are asked for also where every
        count is the same: so it is where one row is deleted among the pages already read and
        another inserted among those to come. Who may not ask for them must go by the counts.
        """
        is_counted = self._held_throughout(tally)
        try:
            rows = self._doubtful_rows(spool, decoder, tally)
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
                spool.add(row)
        spool.withdraw({identifier for identifier, row in rows.items() if row is None})
        counts = {tally.count_after or 0}
        tally.count_after = self.client.count()
        _add_up(spool, tally)
        return is_complete(tally.rows_held, counts | {tally.count_after})

    def _doubtful_rows(
        self, spool: Spool, decoder: Decoder, tally: Tally
    ) -> dict[str, DecodedPage | None] | None:
        """Each doubtful row by identifier, None where it is gone; None if there are too many."""
        concurrency = self.plan.max_concurrency
        expected = tally.count_after or 0
        listed = listed_keys(self.client, SEARCH_PAGE_SIZE, expected, concurrency)
        held = spool.keys()
        missing, gone = _without(listed, held), _without(held, listed)
        # A rejected row that does not say its identifier is one of those that seem to be missing.
        is_explained = gone.is_empty() and missing.len() <= spool.nameless
        if is_explained and self._held_throughout(tally):
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

    def _refuse_shrinkage(self, tally: Tally) -> None:
        if self.plan.allow_shrink:
            return
        if has_shrunk(tally.rows_loaded, self.stored_rows, self.plan.max_shrink):
            raise Shrunk(
                self.organization,
                f"{tally.rows_loaded} rows where {self.stored_rows} are stored: "
                f"a loss of more than {self.plan.max_shrink:.0%}",
                "The API's read model may be under rebuild; if the loss is real, run it again with "
                "--allow-shrink (run config: allow_shrink)",
            )

    def _settle(self, tally: Tally) -> None:
        """Closes the tally: when it ended and what was sent for it."""
        usage = self.client.usage
        tally.requests, tally.retries = usage.requests, usage.retries
        tally.bytes_received = usage.bytes_received
        tally.finished_at = self.plan.clock()


def _without(some: pl.Series, others: pl.Series) -> pl.Series:
    return some.filter(~some.is_in(others.implode()))


def _add_up(spool: Spool, tally: Tally) -> None:
    """Enters what the spool holds: received + adopted = loaded + rejected + duplicates."""
    tally.rows_loaded, tally.rows_rejected = spool.loaded, spool.rejected
    tally.rows_received = spool.received
    tally.duplicates_dropped = tally.rows_received - (tally.rows_held - spool.adopted)
