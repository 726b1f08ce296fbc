"""Derives all marts and publishes them; what each of them reads is in `marts`."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator

from booking_assets.pipeline.marts import MARTS, DerivedMart, Mart
from booking_assets.pipeline.object_snapshots import upload_snapshot
from booking_assets.pipeline.organizations import (
    Withheld,
    hidden_resources,
    only_published,
    withheld_organizations,
)
from booking_assets.pipeline.progress import SILENT, Progress
from booking_assets.settings import Settings
from booking_assets.warehouse.errors import StaleMarts
from booking_assets.warehouse.snapshot import Snapshot
from booking_assets.warehouse.warehouse import Warehouse

PUBLISH_ATTEMPTS = 3

SESSION_SECONDS = 1.0
"""How long marts are derived in one session, until others get their turn."""

_logger = logging.getLogger(__name__)


def derive_each(
    marts: Iterable[Mart],
    warehouse: Warehouse,
    settings: Settings,
    withheld: Withheld,
    progress: Progress = SILENT,
) -> Iterator[tuple[Mart, DerivedMart]]:
    """Derive marts one after another; where one fails, those before it are derived.

    Small ones share a session, in which other processes wait; each is given after its end.

    Raises:
        WarehouseError: as `Mart.derive`.
    """
    left = deque(marts)
    while left:
        derived: list[tuple[Mart, DerivedMart]] = []
        try:
            with warehouse.writing_session() as session:
                ends = time.monotonic() + SESSION_SECONDS
                while left and (not derived or time.monotonic() < ends):
                    mart = left.popleft()
                    progress.step("derive", mart.table.short_name, len(MARTS))
                    derived.append((mart, mart.derive(session, settings, withheld)))
        finally:
            # Others get their turn while the caller records them.
            yield from derived


def derive_all(warehouse: Warehouse, settings: Settings, progress: Progress = SILENT) -> None:
    """Derive every mart, as `derive_each`."""
    withheld = withheld_organizations(warehouse, settings)
    for _ in derive_each(MARTS, warehouse, settings, withheld, progress):
        pass


def publish(warehouse: Warehouse, settings: Settings, progress: Progress = SILENT) -> Snapshot:
    """Publish the warehouse; derive all marts again where a collection was stored meanwhile.

    Raises:
        StaleMarts: collections were stored during each of the attempts.
        WarehouseError: the snapshot could not be written, or a mart not be derived.
        StorageError: the snapshot is published on this machine, but not in the object store.
    """
    for _ in range(PUBLISH_ATTEMPTS - 1):
        progress.step("publish", "snapshot", 1)
        try:
            return _publish(warehouse, settings)
        except StaleMarts as error:
            _logger.info("deriving all marts again: %s", error)
            derive_all(warehouse, settings, progress)
    return _publish(warehouse, settings)


def _publish(warehouse: Warehouse, settings: Settings) -> Snapshot:
    withheld = withheld_organizations(warehouse, settings)
    hidden = hidden_resources(warehouse, settings)
    published = only_published(warehouse, settings, withheld).publish(hidden=hidden)
    upload_snapshot(settings, published, warehouse.snapshots_kept)
    return published
