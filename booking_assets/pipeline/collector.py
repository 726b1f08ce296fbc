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
from booking_assets.collect.concurrency import Failed, Outcome, collect_concurrently
from booking_assets.collect.contracts import EVENT_ROWS, REGISTRATION_ROWS, RowContract
from booking_assets.collect.errors import ForeignRows
from booking_assets.collect.landing import Landing, event_count, prune_landings
from booking_assets.collect.stats import Mode, collections_frame
from booking_assets.settings import Organization, Settings
from booking_assets.tables.raw import REJECTED_ROWS
from booking_assets.warehouse.errors import SliceLoadFailed, WarehouseError
from booking_assets.warehouse.loads import SliceLoad
from booking_assets.warehouse.warehouse import Warehouse

_logger = logging.getLogger(__name__)
_CONTRACTS = {rows.resource.name: rows for rows in (EVENT_ROWS, REGISTRATION_ROWS)}


@dataclass(frozen=True)
class Loaded:
    """A complete collection whose slice is stored; `rows_deleted` rows are gone from the API."""

    collected: Collected
    rows_deleted: int

    @property
    def organization(self) -> str:
        """The slug."""
        return self.collected.organization

    @property
    def log_row(self) -> dict[str, Any]:
        """Its row of raw.collections."""
        return self.collected.landing.log_row


@dataclass(frozen=True)
class AccessDenied:
    """Registrations that may not be read, or that the server does not have: nobody knows them."""

    organization: str
    log_row: dict[str, Any]


CollectionResult = Loaded | Failed | AccessDenied


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
    ) -> Iterator[Sequence[CollectionResult]]:
        """Collects the organizations; yields those that were stored together, when they are.

        What is complete replaces the organization's slice. What is refused leaves it alone and
        is logged in raw.collections. Registrations are collected in every run: they change
        without a trace in their events.
        """
        plan = self._plan(run_id, mode, allow_shrink=allow_shrink)
        stored_rows = self.warehouse.rows_by_table([one.table for one in _CONTRACTS.values()])
        organizations = [
            [
                self._collection(slug, rows, plan, stored_rows[rows.table].get(slug))
                for rows in self._wanted(slug)
            ]
            for slug in slugs
        ]
        for ready in collect_concurrently(organizations, self.settings.collect.max_organizations):
            outcomes = self._store(ready)
            for outcome in outcomes:
                self._tell(outcome)
            yield outcomes

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

    def _store(self, ready: Sequence[Sequence[Outcome]]) -> list[CollectionResult]:
        """Stores what is complete, and records what is not.

        One transaction for all organizations; where it is refused for one of them, one for each.
        An organization's events and registrations never part: `as_of`, which is that of its events,
        tells marts of both whether they are still derived from what is stored.
        """
        outcomes = [
            _downgrade_inaccessible_registrations(one)
            for organization in ready
            for one in organization
        ]
        collected = [one for one in outcomes if isinstance(one, Collected)]
        refused = [one for one in outcomes if not isinstance(one, Collected)]
        if not collected:
            self._log(refused)
            return [*refused]
        log_rows = collections_frame([one.log_row for one in refused])
        try:
            deleted = self.warehouse.store([slice_load(one.landing) for one in collected], log_rows)
        except WarehouseError as error:
            if isinstance(error, SliceLoadFailed) and len(ready) > 1:
                return [one for organization in ready for one in self._store([organization])]
            unstored = [*refused, *(_unstored(one, error) for one in collected)]
            self._log(unstored)
            return [*unstored]
        self._prune(collected)
        # An overtaken collection is not among them: it is in the log, and no failure.
        stored = (
            Loaded(one, deleted[one.organization, one.resource])
            for one in collected
            if (one.organization, one.resource) in deleted
        )
        return [*stored, *refused]

    def _prune(self, collected: Sequence[Collected]) -> None:
        keep = self.settings.collect.landing_keep
        for one in collected:
            prune_landings(self.settings.landing_path, one.organization, one.resource, keep)

    def _tell(self, outcome: CollectionResult) -> None:
        error = outcome.error if isinstance(outcome, Failed) else None
        if not isinstance(outcome, AccessDenied):
            log_row = outcome.log_row
            self.progress.ended(
                outcome.organization, log_row["resource"], log_row["rows_loaded"], error
            )

    def _log(self, refused: Sequence[Failed | AccessDenied]) -> None:
        """Records refusals; the newest count of events too, unless it may be another's."""
        if not refused:
            return
        counted = [
            event_count(
                one.organization,
                self._organizations[one.organization].identifier,
                one.log_row["count_before"],
                one.log_row["started_at"],
            )
            for one in refused
            if isinstance(one, Failed)
            and one.log_row["resource"] == EVENT_ROWS.resource.name
            and one.log_row["count_before"] is not None
            and not isinstance(one.error, ForeignRows)
        ]
        try:
            self.warehouse.log(
                collections_frame([one.log_row for one in refused]),
                pl.concat(counted) if counted else None,
            )
        except WarehouseError as error:
            _logger.warning("the refusals could not be written to raw.collections: %s", error)


def _downgrade_inaccessible_registrations(outcome: Outcome) -> Outcome | AccessDenied:
    """A permission that is missing, or a resource, is a gap in registrations and no failure."""
    if not isinstance(outcome, Failed) or not isinstance(outcome.error, Forbidden | NotFound):
        return outcome
    if outcome.log_row["resource"] != REGISTRATION_ROWS.resource.name:
        return outcome
    return AccessDenied(outcome.organization, outcome.log_row | {"status": "access_denied"})


def _unstored(collected: Collected, error: WarehouseError) -> Failed:
    """A collection that the warehouse did not take; its landing stays, and keeps the rows."""
    log_row = collected.landing.log_row | {
        "status": "failed",
        "reason": f"the warehouse did not store it: {error}",
        "remedy": "The landing keeps the rows; run it again",
    }
    return Failed(collected.organization, log_row, error)


def slice_load(landing: Landing) -> SliceLoad:
    """A landing as the warehouse takes it."""
    rows = _CONTRACTS[landing.log_row["resource"]]
    return SliceLoad(
        organization=landing.organization,
        identifier=landing.identifier,
        slices={rows.table: landing.rows, REJECTED_ROWS: landing.rejected},
        rows={
            rows.table: landing.log_row["rows_loaded"],
            REJECTED_ROWS: landing.log_row["rows_rejected"],
        },
        event_count=landing.event_count() if rows is EVENT_ROWS else None,
        collection=landing.collection(),
    )
