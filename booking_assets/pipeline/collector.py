"""Collects organizations and loads what is complete: from the API, by a landing, to the warehouse.

How one organization is collected is in `collect`; how its slice is replaced is in `warehouse`. Here
is what a failure means for the run, for the log and for the other organizations.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

import polars as pl

from booking_assets.api.client import BookingClient
from booking_assets.api.errors import BookingError, Forbidden, NotFound
from booking_assets.collect.collection import Collected, Collection, Plan
from booking_assets.collect.concurrency import Failed, Outcome, collect_concurrently
from booking_assets.collect.contracts import EVENT_ROWS, RowContract
from booking_assets.collect.errors import ForeignRows
from booking_assets.collect.landing import event_count, prune_landings
from booking_assets.collect.stats import Mode, collections_frame
from booking_assets.pipeline.connections import Connect, remedy_of
from booking_assets.pipeline.loads import (
    CONTRACTS,
    NAMES,
    UNKNOWN_WITHOUT,
    slice_load,
    wanted_resources,
)
from booking_assets.pipeline.names import name_overrides
from booking_assets.pipeline.organizations import adopt_renamed, require_same_organization
from booking_assets.pipeline.progress import Progress
from booking_assets.pipeline.rebuild import rebuild_lost
from booking_assets.pipeline.results import RunReport, explanation, report_run
from booking_assets.settings import Organization, Settings
from booking_assets.tables.contract import Table
from booking_assets.warehouse.errors import SliceLoadFailed, WarehouseError
from booking_assets.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class _Stored:
    """What the warehouse holds when a run begins, by slug."""

    rows: Mapping[Table, Mapping[str, int]]
    sequences: Mapping[str, int]
    identifiers: Mapping[str, UUID]


@dataclass
class Collector:
    """Collects organizations and loads what is complete.

    Args:
        connect: gives an organization's client for a resource.
        warehouse: where slices are loaded.
        settings: how to collect, and which organizations there are.
        progress: told after each page, and when an organization's rows are stored or failed.
        clock: the present instant, UTC.
    """

    connect: Connect
    warehouse: Warehouse
    settings: Settings
    progress: Progress
    clock: Callable[[], datetime]

    def collect(
        self,
        slugs: Sequence[str],
        run_id: str,
        *,
        mode: Mode = "full",
        allow_shrink: bool = False,
        log: logging.Logger = logging.getLogger(__name__),  # noqa: B008 - the same one each time
    ) -> RunReport:
        """Collect the organizations, load what is complete, and log what is not.

        A complete collection replaces the organization's slice; a failed one leaves it alone.
        Registrations are collected in every run: they change without a trace in their events. Names
        (groups and achievements) are collected in full runs alone.

        Args:
            slugs: which organizations.
            run_id: the run, for `raw.collections`.
            mode: read every event, or those that changed.
            allow_shrink: load slices that lost more rows than the settings allow.
            log: gets a line for the collections that were stored together, and one for each fault.

        Returns:
            What `raw.collections` says of this run.

        Raises:
            SettingsError: the file of names has a fault; nothing was collected.
            WarehouseError: the warehouse cannot be read.
        """
        # Deriving would fail of it, after hours of collecting.
        name_overrides(self.settings)
        rebuild_lost(self.warehouse, self.settings)
        adopt_renamed(self.warehouse, self.settings)
        plan = self._plan(run_id, mode, allow_shrink=allow_shrink)
        stored = _Stored(
            self.warehouse.rows_by_table([one.table for one in CONTRACTS.values()]),
            self.warehouse.newest_sequences(),
            self.warehouse.stored_identifiers(),
        )
        configured = [slug for slug in slugs if slug in self._organizations]
        collections = [
            [
                self._collection(slug, rows, plan, stored)
                for rows in wanted_resources(self.settings, self._organizations[slug], mode)
            ]
            for slug in configured
        ]
        faults = dict.fromkeys({*slugs} - {*configured}, "it is not in booking.toml any more")
        for ready in collect_concurrently(collections, self.settings.collect.max_organizations):
            try:
                self._load(ready, log)
            except WarehouseError as error:
                # The landings keep the rows; the next organizations may find the warehouse free.
                log.error("not written to raw.collections: %s", error)  # noqa: TRY400 - no defect
                for one in (one for organization in ready for one in organization):
                    failure = explanation(one.log_row) if isinstance(one, Failed) else str(error)
                    faults[one.organization] = failure
        return report_run(self.warehouse, [run_id], slugs, faults)

    def _plan(self, run_id: str, mode: Mode, *, allow_shrink: bool) -> Plan:
        limits = self.settings.limits
        return Plan(
            run_id=run_id,
            landing=self.settings.landing_path,
            page_size=limits.page_size,
            max_concurrency=limits.max_concurrency,
            attempts=self.settings.collect.attempts,
            max_shrink=self.settings.collect.max_shrink,
            shrink_floor=self.settings.collect.shrink_floor,
            allow_shrink=allow_shrink,
            mode=mode,
            overlap=timedelta(minutes=self.settings.collect.overlap_minutes),
            clock=self.clock,
            progress=self.progress,
        )

    @cached_property
    def _organizations(self) -> dict[str, Organization]:
        return {one.slug: one for one in self.settings.organizations}

    def _collection(self, slug: str, rows: RowContract, plan: Plan, stored: _Stored) -> Collection:
        organization = self._organizations[slug]

        def connect() -> BookingClient:
            require_same_organization(organization, stored.identifiers)
            return self.connect(organization, rows.resource)

        return Collection(
            connect=connect,
            contract=rows,
            organization=organization.slug,
            identifier=organization.identifier,
            stored_rows=stored.rows[rows.table].get(slug),
            plan=plan,
            stored_sequence=stored.sequences.get(slug, 0),
        )

    def _load(self, ready: Sequence[Sequence[Outcome]], log: logging.Logger) -> None:
        """Load the complete collections, and log the failed ones, in one transaction.

        Where the warehouse refuses a slice, each organization gets a transaction of its own, then
        each of its resources with names. Its events and registrations are never parted: `as_of`,
        which is that of its events, tells marts of both whether they are derived from what is
        stored.

        Raises:
            WarehouseError: not even the failures could be logged.
        """
        outcomes = [one for organization in ready for one in organization]
        collected = [one for one in outcomes if isinstance(one, Collected)]
        failed = [
            _downgrade_inaccessible(self._with_remedy(one))
            for one in outcomes
            if isinstance(one, Failed)
        ]
        if not collected:
            self._log_failures(failed, log)
            return
        loads = [slice_load(one.landing) for one in collected]
        try:
            deleted = self.warehouse.store(
                loads, collections_frame([one.log_row for one in failed])
            )
        except WarehouseError as error:
            parts = _parts(ready)
            if isinstance(error, SliceLoadFailed) and len(parts) > 1:
                for part in parts:
                    self._load([part], log)
                return
            self._log_failures([*failed, *(_not_loaded(one, error) for one in collected)], log)
            return
        self._report(failed, log)
        # An overtaken collection is not among them: it is in the log, and no failure.
        stored = [one for one in collected if (one.organization, one.resource) in deleted]
        if stored:
            log.info("stored %s", "; ".join(_stored_line(one, deleted) for one in stored))
        for one in collected:
            if (one.organization, one.resource) not in deleted:
                self.progress.ended(one.organization, one.resource, "overtaken", 0, None)
        for one in stored:
            rows = int(one.landing.log_row["rows_loaded"])
            self.progress.ended(one.organization, one.resource, "complete", rows, None)
            keep = self.settings.collect.landing_keep
            prune_landings(self.settings.landing_path, one.organization, one.resource, keep)

    def _with_remedy(self, failed: Failed) -> Failed:
        """The failure with the remedy for this organization's settings."""
        if not isinstance(failed.error, BookingError):
            return failed
        remedy = remedy_of(failed.error, self._organizations[failed.organization])
        return replace(failed, log_row=failed.log_row | {"remedy": remedy})

    def _log_failures(self, failed: Sequence[Failed], log: logging.Logger) -> None:
        """Log failures; the newest count of events too, unless it may be another tenant's."""
        self._report(failed, log)
        counted = [
            event_count(
                one.organization,
                self._organizations[one.organization].identifier,
                one.log_row["count_after"] or one.log_row["count_before"],
                one.log_row["started_at"],
            )
            for one in failed
            if one.log_row["resource"] == EVENT_ROWS.resource.name
            and one.log_row["count_before"] is not None
            and not isinstance(one.error, ForeignRows)
        ]
        self.warehouse.log(
            collections_frame([one.log_row for one in failed]),
            pl.concat(counted) if counted else None,
        )

    def _report(self, failed: Sequence[Failed], log: logging.Logger) -> None:
        unknown: defaultdict[str, list[str]] = defaultdict(list)
        for one in failed:
            resource, status, reason = (
                str(one.log_row[name]) for name in ("resource", "status", "reason")
            )
            self.progress.ended(one.organization, resource, status, 0, reason)
            if status == "access_denied":
                what = f"{UNKNOWN_WITHOUT[resource]} are unknown: {reason}"
                unknown[one.organization].append(what)
                continue
            level = logging.WARNING if resource in NAMES else logging.ERROR
            log.log(level, "%s, %s: not stored: %s", one.organization, resource, one.error)
        for slug, whats in unknown.items():
            log.warning("%s: %s", slug, "; ".join(whats))


def _parts(ready: Sequence[Sequence[Outcome]]) -> list[list[Outcome]]:
    """The organizations; of a single one, what is stored together, and each resource with names."""
    if len(ready) > 1:
        return [[*organization] for organization in ready]
    (outcomes,) = ready
    parts: defaultdict[str, list[Outcome]] = defaultdict(list)
    for one in outcomes:
        resource = one.resource if isinstance(one, Collected) else str(one.log_row["resource"])
        parts[resource if resource in NAMES else ""].append(one)
    return [*parts.values()]


def _downgrade_inaccessible(failed: Failed) -> Failed:
    """Log a resource that may not be read, or does not exist, as denied: a gap, no failure.

    Without events, there is nothing of the organization: that is a failure.
    """
    is_events = failed.log_row["resource"] == EVENT_ROWS.resource.name
    if is_events or not isinstance(failed.error, Forbidden | NotFound):
        return failed
    return Failed(failed.organization, failed.log_row | {"status": "access_denied"}, failed.error)


def _not_loaded(collected: Collected, error: WarehouseError) -> Failed:
    """A collection that the warehouse did not load; its landing keeps the rows."""
    reason: dict[str, Any] = {"status": "failed", "reason": str(error), "remedy": None}
    return Failed(collected.organization, collected.landing.log_row | reason, error)


def _stored_line(collected: Collected, deleted: Mapping[tuple[str, str], int]) -> str:
    log_row = collected.landing.log_row
    gone = deleted[collected.organization, collected.resource]
    return (
        f"{collected.organization}: {log_row['rows_loaded']} of {log_row['count_after']}"
        f" {collected.resource}, {log_row['rows_rejected']} rejected, {gone} deleted"
    )
