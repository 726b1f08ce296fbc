"""From the API into the warehouse, organization by organization: the arrows between the rooms.

What lives here: handing what `collect` landed to `warehouse`, and recording what was refused.
What must not: Dagster, HTTP, SQL, what makes a collection complete.
Read more: `docs/reliability.md`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import polars as pl

from booking_assets.api.client import BookingClient
from booking_assets.collect.collection import Collected, Collection, Plan, Progress
from booking_assets.collect.concurrency import Outcome, Refused, ready_outcomes
from booking_assets.collect.contracts import EVENT_ROWS
from booking_assets.collect.errors import ForeignRows
from booking_assets.collect.landing import Landing, event_count, prune_landings
from booking_assets.collect.tally import collections_frame
from booking_assets.settings import Organization, Settings
from booking_assets.tables.raw import EVENTS, REJECTED_ROWS
from booking_assets.warehouse.errors import WarehouseError
from booking_assets.warehouse.slices import Delivery
from booking_assets.warehouse.warehouse import Warehouse

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stored:
    """A complete collection whose slice is stored; `rows_deleted` rows are gone from the API."""

    collected: Collected
    rows_deleted: int

    @property
    def organization(self) -> str:
        """The slug."""
        return self.collected.organization


@dataclass(frozen=True)
class Collector:
    """Collects organizations and stores what is complete.

    Args:
        connect: gives an organization's client.
        address: the API's, for messages.
        warehouse: where slices are stored.
        settings: how to collect, and which organizations there are.
        progress: told after each page.
        clock: the present instant, UTC.
    """

    connect: Callable[[Organization], BookingClient]
    address: str
    warehouse: Warehouse
    settings: Settings
    progress: Progress
    clock: Callable[[], datetime]

    def collect(
        self, slugs: Sequence[str], run_id: str, *, allow_shrink: bool
    ) -> Iterator[Stored | Refused]:
        """Collects the organizations; each outcome is in the warehouse when it is yielded.

        What is complete replaces the organization's slice. What is refused leaves it alone and
        is logged in raw.collections.
        """
        plan = self._plan(run_id, allow_shrink=allow_shrink)
        stored_rows = self.warehouse.row_counts(EVENTS)
        collections = [self._collection(slug, plan, stored_rows.get(slug)) for slug in slugs]
        for outcomes in ready_outcomes(collections, self.settings.collect.max_organizations):
            for outcome in self._store(outcomes):
                self._tell(outcome)
                yield outcome

    def _plan(self, run_id: str, *, allow_shrink: bool) -> Plan:
        limits = self.settings.limits
        return Plan(
            run_id=run_id,
            landing=self.settings.landing_path,
            page_size=limits.page_size,
            max_concurrency=limits.max_concurrency,
            attempts=self.settings.collect.attempts,
            max_shrink=self.settings.collect.max_shrink,
            allow_shrink=allow_shrink,
            clock=self.clock,
            progress=self.progress,
        )

    @cached_property
    def _organizations(self) -> dict[str, Organization]:
        return {one.slug: one for one in self.settings.organizations}

    def _collection(self, slug: str, plan: Plan, stored_rows: int | None) -> Collection:
        organization = self._organizations[slug]
        return Collection(
            connect=lambda: self.connect(organization),
            contract=EVENT_ROWS,
            organization=organization.slug,
            identifier=organization.identifier,
            stored_rows=stored_rows,
            plan=plan,
        )

    def _store(self, outcomes: list[Outcome]) -> list[Stored | Refused]:
        """Stores what is complete, together; what the warehouse refuses, it refuses alone."""
        collected = [one for one in outcomes if isinstance(one, Collected)]
        refused = [one for one in outcomes if isinstance(one, Refused)]
        try:
            stored = self._store_together(collected)
        except WarehouseError:
            alone = [self._store_alone(one) for one in collected]
            stored = [one for one in alone if isinstance(one, Stored)]
            refused += [one for one in alone if isinstance(one, Refused)]
        self._log(refused)
        for one in stored:
            prune_landings(
                self.settings.landing_path,
                one.organization,
                EVENT_ROWS.resource.name,
                self.settings.collect.landing_keep,
            )
        return [*stored, *refused]

    def _tell(self, outcome: Stored | Refused) -> None:
        if isinstance(outcome, Stored):
            rows = outcome.collected.landing.entry["rows_loaded"]
            self.progress.ended(outcome.organization, rows, None)
        else:
            self.progress.ended(outcome.organization, 0, outcome.error)

    def _store_together(self, collected: list[Collected]) -> list[Stored]:
        if not collected:
            return []
        deleted = self.warehouse.store([delivery(one.landing) for one in collected])
        return [Stored(one, deleted[one.organization]) for one in collected]

    def _store_alone(self, collected: Collected) -> Stored | Refused:
        try:
            return self._store_together([collected])[0]
        except WarehouseError as error:
            entry = collected.landing.entry | {"verdict": f"not stored: {error}"}
            return Refused(collected.organization, entry, error)

    def _log(self, refused: list[Refused]) -> None:
        """Records refusals; the newest count too, unless it may be another organization's."""
        if not refused:
            return
        counted = [
            event_count(
                one.organization,
                self._organizations[one.organization].identifier,
                one.entry["count_before"],
                one.entry["started_at"],
            )
            for one in refused
            if one.entry["count_before"] is not None and not isinstance(one.error, ForeignRows)
        ]
        try:
            self.warehouse.log(
                collections_frame([one.entry for one in refused]),
                pl.concat(counted) if counted else None,
            )
        except WarehouseError as error:
            _logger.warning("the refusals could not be written to raw.collections: %s", error)


def delivery(landing: Landing) -> Delivery:
    """A landing as the warehouse takes it."""
    return Delivery(
        organization=landing.organization,
        identifier=landing.identifier,
        slices={EVENTS: landing.rows, REJECTED_ROWS: landing.rejected},
        rows={
            EVENTS: landing.entry["rows_loaded"],
            REJECTED_ROWS: landing.entry["rows_rejected"],
        },
        event_count=landing.event_count(),
        collection=landing.collection(),
    )
