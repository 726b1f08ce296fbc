"""`Loader`: loads outcomes of collections into the warehouse: rows, counts and the log.

What a failed load means for the others is decided here; which outcomes there are, by `collector`
on one machine, and by `landings` where an object store has them.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from booking_assets.collect.collection import Collected
from booking_assets.collect.concurrency import Failed, Outcome
from booking_assets.collect.contracts import EVENT_ROWS
from booking_assets.collect.errors import ForeignRows
from booking_assets.collect.landing import event_count
from booking_assets.collect.landings import Landings
from booking_assets.collect.object_landings import ObjectLandings
from booking_assets.collect.stats import collections_frame
from booking_assets.pipeline.loads import NAMES, UNKNOWN_WITHOUT, slice_load
from booking_assets.pipeline.progress import Progress
from booking_assets.settings import Settings
from booking_assets.warehouse.errors import SliceLoadFailed, WarehouseError
from booking_assets.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class Loader:
    """Loads what is complete, and logs what is not.

    Args:
        warehouse: where slices are loaded.
        landings: are pruned once they are loaded.
        settings: which organizations there are, and how many landings are kept.
        progress: told when an organization's rows are stored or failed.
        log: gets a line for the collections that were stored together, and one for each fault.
    """

    warehouse: Warehouse
    landings: Landings
    settings: Settings
    progress: Progress
    log: logging.Logger

    def load(self, ready: Sequence[Sequence[Outcome]]) -> None:
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
        failed = [one for one in outcomes if isinstance(one, Failed)]
        if not collected:
            self._log_failures(failed)
            return
        loads = [slice_load(one.landing) for one in collected]
        try:
            deleted = self.warehouse.store(
                loads, collections_frame([one.log_row for one in failed])
            )
        except WarehouseError as error:
            parts = _parts(ready)
            is_of_slice = isinstance(error, SliceLoadFailed)
            if is_of_slice and len(parts) > 1:
                for part in parts:
                    self.load([part])
                return
            if isinstance(self.landings, ObjectLandings) and not is_of_slice:
                # They are loaded when the warehouse can be written.
                raise
            self._log_failures([*failed, *(_not_loaded(one, error) for one in collected)])
            return
        self.report(failed)
        # An overtaken collection is not among them: it is in the log, and no failure.
        stored = [one for one in collected if (one.organization, one.resource) in deleted]
        if stored:
            self.log.info("stored %s", "; ".join(_stored_line(one, deleted) for one in stored))
        for one in collected:
            if (one.organization, one.resource) not in deleted:
                self.progress.ended(one.organization, one.resource, "overtaken", 0, None)
        for one in stored:
            rows = int(one.landing.log_row["rows_loaded"])
            self.progress.ended(one.organization, one.resource, "complete", rows, None)
        self.landings.prune([one.landing for one in stored], self.settings.collect.landing_keep)

    def _log_failures(self, failed: Sequence[Failed]) -> None:
        """Log failures; the newest count of events too, unless it may be another tenant's."""
        self.report(failed)
        identifiers = {one.slug: one.identifier for one in self.settings.organizations}
        counted = [
            event_count(
                one.organization,
                identifiers[one.organization],
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

    def report(self, failed: Sequence[Failed]) -> None:
        """Tell the progress display and the log of failures."""
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
            self.log.log(level, "%s, %s: not stored: %s", one.organization, resource, one.error)
        for slug, whats in unknown.items():
            self.log.warning("%s: %s", slug, "; ".join(whats))


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


def _not_loaded(collected: Collected, error: Exception) -> Failed:
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
