"""From the API into the warehouse, organization by organization: the arrows between the rooms.

What lives here: handing what `collect` landed to `warehouse`, and recording what was refused.
What must not: Dagster, HTTP, SQL, what makes a collection complete.
Read more: `docs/reliability.md`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import polars as pl

from booking_assets.api.client import BookingClient
from booking_assets.api.errors import Forbidden, NotFound
from booking_assets.api.wire import Resource
from booking_assets.collect.collection import Collected, Collection, Plan, Progress
from booking_assets.collect.concurrency import Outcome, Refused, ready_outcomes
from booking_assets.collect.contracts import EVENT_ROWS, REGISTRATION_ROWS, RowContract
from booking_assets.collect.errors import ForeignRows
from booking_assets.collect.landing import Landing, event_count, prune_landings
from booking_assets.collect.tally import Mode, collections_frame
from booking_assets.settings import Organization, Settings
from booking_assets.tables.raw import REJECTED_ROWS, UNKNOWN
from booking_assets.warehouse.errors import StoreRefused, WarehouseError
from booking_assets.warehouse.slices import Delivery
from booking_assets.warehouse.warehouse import Warehouse

_logger = logging.getLogger(__name__)
_CONTRACTS = {rows.resource.name: rows for rows in (EVENT_ROWS, REGISTRATION_ROWS)}


@dataclass(frozen=True)
class Stored:
    """A complete collection whose slice is stored; `rows_deleted` rows are gone from the API."""

    collected: Collected
    rows_deleted: int

    @property
    def organization(self) -> str:
        """The slug."""
        return self.collected.organization

    @property
    def entry(self) -> dict[str, Any]:
        """Its row of raw.collections."""
        return self.collected.landing.entry


@dataclass(frozen=True)
class Unknown:
    """Registrations that may not be read, or that the server does not have: nobody knows them."""

    organization: str
    entry: dict[str, Any]


Outcomes = Stored | Refused | Unknown


@dataclass(frozen=True)
class Collector:
    """Collects organizations and stores what is complete.

    Args:
        connect: gives an organization's client for a resource.
        warehouse: where slices are stored.
        settings: how to collect, and which organizations there are.
        progress: told after each page.
        clock: the present instant, UTC.
    """

    connect: Callable[[Organization, Resource], BookingClient]
    warehouse: Warehouse
    settings: Settings
    progress: Progress
    clock: Callable[[], datetime]

    def collect(
        self, slugs: Sequence[str], run_id: str, *, mode: Mode, allow_shrink: bool
    ) -> Iterator[Outcomes]:
        """Collects the organizations; each outcome is in the warehouse when it is yielded.

        What is complete replaces the organization's slice. What is refused leaves it alone and
        is logged in raw.collections. Registrations are collected in every run: they change
        without a trace in their events.
        """
        plan = self._plan(run_id, mode, allow_shrink=allow_shrink)
        stored_rows = {
            name: self.warehouse.row_counts(rows.table) for name, rows in _CONTRACTS.items()
        }
        collections = [
            self._collection(slug, rows, plan, stored_rows[rows.resource.name].get(slug))
            for slug in slugs
            for rows in self._wanted(slug)
        ]
        for outcomes in ready_outcomes(collections, self.settings.collect.max_organizations):
            for outcome in self._store(outcomes):
                self._tell(outcome)
                yield outcome

    def _plan(self, run_id: str, mode: Mode, *, allow_shrink: bool) -> Plan:
        limits = self.settings.limits
        return Plan(
            run_id=run_id,
            landing=self.settings.landing_path,
            page_size=limits.page_size,
            max_concurrency=limits.max_concurrency,
            attempts=self.settings.collect.attempts,
            max_shrink=self.settings.collect.max_shrink,
            allow_shrink=allow_shrink,
            mode=mode,
            overlap=timedelta(minutes=self.settings.collect.overlap_minutes),
            clock=self.clock,
            progress=self.progress,
        )

    @cached_property
    def _organizations(self) -> dict[str, Organization]:
        return {one.slug: one for one in self.settings.organizations}

    def _wanted(self, slug: str) -> list[RowContract]:
        """What is collected of an organization."""
        registrations = self._organizations[slug].registrations
        return [EVENT_ROWS, REGISTRATION_ROWS] if registrations else [EVENT_ROWS]

    def _collection(
        self, slug: str, rows: RowContract, plan: Plan, stored_rows: int | None
    ) -> Collection:
        organization = self._organizations[slug]
        return Collection(
            connect=lambda: self.connect(organization, rows.resource),
            contract=rows,
            organization=organization.slug,
            identifier=organization.identifier,
            stored_rows=stored_rows,
            plan=plan,
        )

    def _store(self, outcomes: list[Outcome]) -> list[Outcomes]:
        """Stores what is complete, together, and records what is not."""
        collected = [one for one in outcomes if isinstance(one, Collected)]
        kept = [_kept(one) for one in outcomes if isinstance(one, Refused)]
        stored, unstored = self._stored(collected)
        self._log([*kept, *unstored])
        for one in stored:
            prune_landings(
                self.settings.landing_path,
                one.organization,
                one.entry["resource"],
                self.settings.collect.landing_keep,
            )
        return [*stored, *kept, *unstored]

    def _stored(self, collected: list[Collected]) -> tuple[list[Stored], list[Refused]]:
        """One transaction for all; where it is refused for one of them, one for each."""
        if not collected:
            return [], []
        try:
            deleted = self.warehouse.store([delivery(one.landing) for one in collected])
        except StoreRefused as error:
            if len(collected) == 1:
                return [], [_unstored(collected[0], error)]
            alone = [self._stored([one]) for one in collected]
            return [one for done, _ in alone for one in done], [
                one for _, refused in alone for one in refused
            ]
        except WarehouseError as error:
            return [], [_unstored(one, error) for one in collected]
        return [
            Stored(one, deleted[one.organization, one.landing.entry["resource"]])
            for one in collected
        ], []

    def _tell(self, outcome: Outcomes) -> None:
        error = outcome.error if isinstance(outcome, Refused) else None
        if not isinstance(outcome, Unknown):
            entry = outcome.entry
            self.progress.ended(
                outcome.organization, entry["resource"], entry["rows_loaded"], error
            )

    def _log(self, refused: Sequence[Refused | Unknown]) -> None:
        """Records refusals; the newest count of events too, unless it may be another's."""
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
            if isinstance(one, Refused)
            and one.entry["resource"] == EVENT_ROWS.resource.name
            and one.entry["count_before"] is not None
            and not isinstance(one.error, ForeignRows)
        ]
        try:
            self.warehouse.log(
                collections_frame([one.entry for one in refused]),
                pl.concat(counted) if counted else None,
            )
        except WarehouseError as error:
            _logger.warning("the refusals could not be written to raw.collections: %s", error)


def _kept(refused: Refused) -> Refused | Unknown:
    """A permission that is missing, or a resource, is a gap in registrations and no failure."""
    is_gap = isinstance(refused.error, Forbidden | NotFound)
    if is_gap and refused.entry["resource"] == REGISTRATION_ROWS.resource.name:
        verdict = f"{UNKNOWN}: {refused.entry['verdict']}"
        return Unknown(refused.organization, refused.entry | {"verdict": verdict})
    return refused


def _unstored(collected: Collected, error: WarehouseError) -> Refused:
    """A collection that the warehouse did not take; its landing stays, and keeps the rows."""
    entry = collected.landing.entry | {"verdict": f"not stored: {error}"}
    return Refused(collected.organization, entry, error)


def delivery(landing: Landing) -> Delivery:
    """A landing as the warehouse takes it."""
    rows = _CONTRACTS[landing.entry["resource"]]
    return Delivery(
        organization=landing.organization,
        identifier=landing.identifier,
        slices={rows.table: landing.rows, REJECTED_ROWS: landing.rejected},
        rows={
            rows.table: landing.entry["rows_loaded"],
            REJECTED_ROWS: landing.entry["rows_rejected"],
        },
        event_count=landing.event_count() if rows is EVENT_ROWS else None,
        collection=landing.collection(),
    )
