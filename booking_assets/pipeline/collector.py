"""Collects organizations: from the API to a landing, and on to the warehouse by `loader`.

With `[storage]`, it ends with the landing: no warehouse is opened, and `landings` loads what the
object store has. How one organization is collected is in `collect`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from threading import Semaphore
from typing import Any
from uuid import UUID

from booking_assets.api.client import BookingClient
from booking_assets.api.errors import BookingError, Forbidden, NotFound
from booking_assets.collect.collection import Collected, Collection, Plan
from booking_assets.collect.concurrency import Failed, Outcome, collect_concurrently
from booking_assets.collect.contracts import EVENT_ROWS, RowContract
from booking_assets.collect.errors import ForeignRows
from booking_assets.collect.landings import Landings
from booking_assets.collect.object_landings import ObjectLandings
from booking_assets.collect.stats import Mode
from booking_assets.objects import StorageError
from booking_assets.pipeline.connections import Connect, remedy_of
from booking_assets.pipeline.landings import open_landings
from booking_assets.pipeline.loader import Loader
from booking_assets.pipeline.loads import CONTRACTS, wanted_resources
from booking_assets.pipeline.names import name_overrides
from booking_assets.pipeline.organizations import adopt_renamed, require_same_organization
from booking_assets.pipeline.progress import Progress
from booking_assets.pipeline.rebuild import rebuild_lost
from booking_assets.pipeline.results import RunReport, explanation, report_of, report_run
from booking_assets.settings import Organization, Settings
from booking_assets.tables.contract import Table
from booking_assets.warehouse.errors import WarehouseError
from booking_assets.warehouse.warehouse import Warehouse

TOGETHER_SECONDS = 1.0
"""How long rows wait to be stored together with others: a transaction takes 40 ms at least."""


@dataclass(frozen=True)
class _Stored:
    """What the warehouse holds when a run begins, by slug."""

    rows: Mapping[Table, Mapping[str, int]]
    sequences: Mapping[str, int]
    identifiers: Mapping[str, UUID]


@dataclass(frozen=True)
class UnderWay:
    """Collections of a run that have begun, see `Collector.begin`.

    Attributes:
        faults: what is known to be wrong, by slug.
        is_local: whether what is complete is loaded into the warehouse; not so with `[storage]`.
        batches: those that are ready together, until all have ended.
    """

    run_id: str
    slugs: Sequence[str]
    faults: dict[str, str]
    is_local: bool
    landings: Landings
    batches: Generator[list[list[Outcome]], None, None]


@dataclass
class Collector:
    """Collects organizations and loads what is complete.

    Args:
        connect: gives an organization's client for a resource.
        warehouse: where slices are loaded.
        settings: how to collect, and which organizations there are.
        progress: told after each page, and when an organization's rows are stored or failed.
        clock: the present instant, UTC.
        under_way: the collections of a run that have begun before it; None where none have.
    """

    connect: Connect
    warehouse: Warehouse
    settings: Settings
    progress: Progress
    clock: Callable[[], datetime]
    under_way: UnderWay | None = None

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
            SettingsError: the file of names has a fault; nothing was collected. Not with
                `[storage]`: the machine that derives has the file.
            WarehouseError: the warehouse cannot be read.
            StorageError: the object store cannot be opened.
        """
        if self.under_way is not None and self.under_way.run_id == run_id:
            return self._load(self.under_way, log)
        with self.begin(slugs, run_id, mode=mode, allow_shrink=allow_shrink) as under_way:
            return self._load(under_way, log)

    @contextmanager
    def begin(
        self, slugs: Sequence[str], run_id: str, *, mode: Mode, allow_shrink: bool
    ) -> Iterator[UnderWay]:
        """Begin to collect: requests are sent from here on; they end with the block.

        Arguments and errors are those of `collect`.
        """
        stored = None if self.settings.storage else self._stored()
        configured = [slug for slug in slugs if slug in self._organizations]
        faults = dict.fromkeys({*slugs} - {*configured}, "it is not in booking.toml any more")
        with open_landings(self.settings) as landings:
            plan = self._plan(run_id, landings, mode, allow_shrink=allow_shrink)
            batches = collect_concurrently(
                [self._collections(slug, plan, stored) for slug in configured],
                self.settings.collect.max_organizations,
                together_seconds=TOGETHER_SECONDS,
            )
            with closing(batches):
                yield UnderWay(run_id, slugs, faults, stored is not None, landings, batches)

    def _load(self, under_way: UnderWay, log: logging.Logger) -> RunReport:
        """Load what is complete when it is, and log what is not; what `raw.collections` says."""
        landings, faults = under_way.landings, under_way.faults
        landed: list[Mapping[str, Any]] = []
        loader = Loader(self.warehouse, landings, self.settings, self.progress, log)
        with closing(under_way.batches) as batches:
            for ready in batches:
                explained = [[self._explained(one) for one in outcomes] for outcomes in ready]
                try:
                    if isinstance(landings, ObjectLandings):
                        landed += self._record(explained, landings, loader)
                    else:
                        loader.load(explained)
                except (WarehouseError, StorageError) as error:
                    # The landings keep the rows; the next may find the warehouse free.
                    log.error("not written to raw.collections: %s", error)  # noqa: TRY400 - no defect
                    for one in (one for outcomes in explained for one in outcomes):
                        failed = isinstance(one, Failed)
                        faults[one.organization] = (
                            explanation(one.log_row) if failed else str(error)
                        )
        if not under_way.is_local:
            return report_of(landed, under_way.slugs, faults)
        return report_run(self.warehouse, [under_way.run_id], under_way.slugs, faults)

    def _stored(self) -> _Stored:
        # Deriving would fail of it, after hours of collecting.
        name_overrides(self.settings)
        rebuild_lost(self.warehouse, self.settings)
        adopt_renamed(self.warehouse, self.settings)
        return _Stored(
            self.warehouse.rows_by_table([one.table for one in CONTRACTS.values()]),
            self.warehouse.newest_sequences(),
            self.warehouse.stored_identifiers(),
        )

    def _record(
        self, ready: Sequence[Sequence[Outcome]], landings: ObjectLandings, loader: Loader
    ) -> list[Mapping[str, Any]]:
        """Record the failures beside the landings, for whoever loads them; gives all log rows.

        Raises:
            StorageError: a failure could not be recorded.
        """
        outcomes = [one for organization in ready for one in organization]
        failed = [one for one in outcomes if isinstance(one, Failed)]
        loader.report(failed)
        for failure in failed:
            identifier = self._organizations[failure.organization].identifier
            is_foreign = isinstance(failure.error, ForeignRows)
            landings.record_failure(identifier, failure.log_row, is_foreign=is_foreign)
        for one in outcomes:
            if isinstance(one, Collected):
                rows = int(one.log_row["rows_loaded"])
                self.progress.ended(one.organization, one.resource, "complete", rows, None)
        return [one.log_row for one in outcomes]

    def _plan(self, run_id: str, landings: Landings, mode: Mode, *, allow_shrink: bool) -> Plan:
        limits = self.settings.limits
        return Plan(
            run_id=run_id,
            landings=landings,
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

    def _collections(self, slug: str, plan: Plan, stored: _Stored | None) -> list[Collection]:
        """Those of an organization, which share its requests in flight."""
        slots = Semaphore(plan.max_concurrency)
        wanted = wanted_resources(self.settings, self._organizations[slug], plan.mode)
        return [replace(self._collection(slug, rows, plan, stored), slots=slots) for rows in wanted]

    def _collection(
        self, slug: str, rows: RowContract, plan: Plan, stored: _Stored | None
    ) -> Collection:
        organization = self._organizations[slug]

        def connect() -> BookingClient:
            require_same_organization(organization, stored.identifiers if stored else {})
            return self.connect(organization, rows.resource)

        def stored_rows() -> int | None:
            if stored:
                return stored.rows[rows.table].get(slug)
            newest = plan.landings.newest(slug, organization.identifier, rows.resource.name)
            return int(newest.log_row["rows_loaded"]) if newest else None

        return Collection(
            connect=connect,
            contract=rows,
            organization=organization.slug,
            identifier=organization.identifier,
            stored_rows=stored_rows,
            plan=plan,
            stored_sequence=stored.sequences.get(slug, 0) if stored else 0,
        )

    def _explained(self, outcome: Outcome) -> Outcome:
        """The outcome; a failure with the remedy for this organization's settings.

        A resource that may not be read, or does not exist, is denied: a gap, no failure. Without
        events, there is nothing of the organization: that is a failure.
        """
        if not isinstance(outcome, Failed) or not isinstance(outcome.error, BookingError):
            return outcome
        remedy = remedy_of(outcome.error, self._organizations[outcome.organization])
        log_row = outcome.log_row | {"remedy": remedy}
        is_events = log_row["resource"] == EVENT_ROWS.resource.name
        if not is_events and isinstance(outcome.error, Forbidden | NotFound):
            log_row |= {"status": "access_denied"}
        return replace(outcome, log_row=log_row)
