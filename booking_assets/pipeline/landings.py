"""Where the landings of the settings are, and what loads those of an object store.

With `[storage]`, organizations are collected on any machine, and `load_landings` runs on the one
that has the warehouse, before marts are derived. How outcomes are loaded is in `loader`.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import zip_longest
from uuid import UUID

import polars as pl

from booking_assets.collect.collection import Collected
from booking_assets.collect.concurrency import Failed, Outcome
from booking_assets.collect.errors import CollectionFailed, ForeignRows
from booking_assets.collect.landings import Landings
from booking_assets.collect.object_landings import (
    CONNECTIONS,
    LandingKey,
    Listing,
    ObjectLandings,
)
from booking_assets.files import LockTimeout, locked, pauses, scratch_folder
from booking_assets.objects import Objects, open_objects
from booking_assets.pipeline.loader import Loader
from booking_assets.pipeline.organizations import adopt_renamed, require_same_organization
from booking_assets.pipeline.progress import SILENT
from booking_assets.settings import Organization, Settings
from booking_assets.tables.raw import COLLECTIONS
from booking_assets.warehouse.errors import WarehouseBusy
from booking_assets.warehouse.warehouse import Warehouse

LOAD_ORGANIZATIONS = 50
"""Organizations whose landings are loaded in one transaction at most."""
LOAD_BYTES = 256 * 2**20
"""Bytes of landings on this machine's disk after which a transaction begins."""
_COLLECT_AGAIN = "The rows stored before stay; collect the organization again"
_logger = logging.getLogger(__name__)


@contextmanager
def open_landings(settings: Settings) -> Iterator[Landings]:
    """The landings of the settings: a folder beside the warehouse, or an object store.

    With an object store, rows on their way are in `booking.scratch` beside the warehouse's path.

    Raises:
        StorageError: the object store cannot be opened.
        OSError: the scratch folder cannot be written.
    """
    objects, warehouse = open_storage(settings), settings.warehouse_path
    if objects is None:
        yield Landings(settings.landing_path)
        return
    with scratch_folder(warehouse.with_name(f"{warehouse.stem}.scratch")) as folder:
        yield ObjectLandings(folder, objects)


def open_storage(settings: Settings) -> Objects | None:
    """The object store of `[storage]`; None without that section.

    Raises:
        StorageError: it cannot be opened.
    """
    return open_objects(settings.storage.located(settings.root)) if settings.storage else None


def load_landings(warehouse: Warehouse, settings: Settings, log: logging.Logger = _logger) -> int:
    """Load what `[storage]` has and the warehouse has not; gives the collections loaded or logged.

    Each organization's in the order of tickets, those of several in one transaction. Where a run
    is killed, the next one goes on. Does nothing without `[storage]`.

    Raises:
        WarehouseError: the warehouse cannot be written, or another process loads for too long.
        StorageError: the object store cannot be used.
    """
    with open_landings(settings) as landings:
        if not isinstance(landings, ObjectLandings):
            return 0
        with _alone(warehouse):
            adopt_renamed(warehouse, settings)
            listed = replace(landings, listed=landings.listing())
            return _load(listed, Loader(warehouse, listed, settings, SILENT, log))


def _load(landings: ObjectLandings, loader: Loader) -> int:
    warehouse, listing = loader.warehouse, landings.listed
    organizations = {one.identifier: one for one in loader.settings.organizations}
    _raise_tickets(warehouse, organizations, landings, listing)
    known = [key for key in listing.logged if key.identifier in organizations]
    pending = _pending(warehouse, organizations, known)
    landings.loaded.update({*known} - pending.keys())
    stored = warehouse.stored_identifiers()

    def outcome(key: LandingKey) -> Outcome | None:
        return _outcome(landings, key, organizations[key.identifier], stored, pending[key])

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for batch in _batches(pending, listing):
            keys = [key for group in batch for key in group]
            found = dict(zip(keys, pool.map(outcome, keys), strict=True))
            ready = [[one for key in group if (one := found[key])] for group in batch]
            if any(ready):
                loader.load([*filter(None, ready)])
            landings.loaded.update(keys)
            landings.clear()
    landings.remove_failures(key for key in known if key in listing.failures)
    return len(pending)


@contextmanager
def _alone(warehouse: Warehouse) -> Iterator[None]:
    """Lock out other processes that load: both would load the same."""
    lock = warehouse.path.with_name(f"{warehouse.path.name}.loading")
    lock.parent.mkdir(parents=True, exist_ok=True)
    seconds = warehouse.busy_timeout_seconds
    try:
        with locked(lock, waiting=pauses(seconds, time.monotonic, time.sleep)):
            yield
    except LockTimeout as error:
        raise WarehouseBusy(
            f"{error}, which loads landings, still after {seconds:g} s. Nothing was changed; run it"
            " again when that process has ended"
        ) from None


def _raise_tickets(
    warehouse: Warehouse,
    organizations: Mapping[UUID, Organization],
    landings: ObjectLandings,
    listing: Listing,
) -> None:
    """Take the newest ticket of the log where the store gives lower ones, as a new store does."""
    sequences = warehouse.newest_sequences()
    for identifier, organization in organizations.items():
        newest = sequences.get(organization.slug, 0)
        if newest > max(listing.tickets.get(identifier, [0])):
            landings.take_ticket(organization.slug, identifier, newest - 1)


def _pending(
    warehouse: Warehouse,
    organizations: Mapping[UUID, Organization],
    keys: Sequence[LandingKey],
) -> dict[LandingKey, bool]:
    """The keys that the log has no row of, and whether a newer collection is stored already."""
    frame = pl.DataFrame(
        [
            (number, organizations[key.identifier].slug, key.resource, key.run_id, key.sequence)
            for number, key in enumerate(keys)
        ],
        schema=[
            ("number", pl.Int64),
            *((name, pl.String) for name in COLLECTIONS.grain),
            ("sequence", pl.Int64),
        ],
        orient="row",
    )
    if not warehouse.path.exists():
        return dict.fromkeys(keys, False)
    unlogged = warehouse.unlogged(frame).select("number", "is_overtaken").sort("number")
    return {keys[number]: is_overtaken for number, is_overtaken in unlogged.iter_rows()}


def _batches(keys: Iterable[LandingKey], listing: Listing) -> Iterator[list[list[LandingKey]]]:
    """Batches of groups: the resources of an organization with a ticket, each organization once."""
    groups: defaultdict[UUID, defaultdict[tuple[int, str], list[LandingKey]]]
    groups = defaultdict(lambda: defaultdict(list))
    for key in sorted(keys):
        groups[key.identifier][key.sequence, key.run_id].append(key)
    for of_each in zip_longest(*(own.values() for own in groups.values())):
        batch: list[list[LandingKey]] = []
        size = 0
        for group in filter(None, of_each):
            batch.append(group)
            size += sum(listing.whole.get(key, 0) for key in group)
            if len(batch) == LOAD_ORGANIZATIONS or size > LOAD_BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch


def _outcome(
    landings: ObjectLandings,
    key: LandingKey,
    organization: Organization,
    stored: Mapping[str, UUID],
    is_overtaken: bool,
) -> Outcome | None:
    """A landing, fetched, or a failure, as the outcome of its collection; None where it is gone."""
    landing = landings.read(key)
    if landing is None:
        return None
    slug = organization.slug
    log_row = landing.log_row | {"organization": slug}
    if log_row["status"] != "complete":
        kind = ForeignRows if landing.is_foreign else CollectionFailed
        return Failed(slug, log_row, kind(slug, log_row["reason"] or "", log_row["remedy"] or ""))
    fault = None
    try:
        require_same_organization(organization, stored)
    except CollectionFailed as error:
        fault = error
    if landing.organization != slug:
        fault = CollectionFailed(
            slug, f"it was collected as {landing.organization}", _COLLECT_AGAIN
        )
    elif fault is None and not is_overtaken:
        landings.fetch(landing)
        if not landing.is_intact():
            reason = f"the landing of run {log_row['run_id']} is damaged or lacks files"
            fault = CollectionFailed(slug, reason, _COLLECT_AGAIN)
    if fault is None:
        return Collected(landing, frozenset())
    failure = {"status": "failed", "reason": fault.reason, "remedy": fault.remedy}
    return Failed(slug, log_row | failure, fault)
