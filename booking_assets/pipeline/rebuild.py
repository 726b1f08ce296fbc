"""Makes a new warehouse from the landings, and forgets an organization.

How a warehouse takes the old one's place is in `warehouse`; what a landing is, in `collect`.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from booking_assets.collect.landing import Landing
from booking_assets.collect.landings import Landings
from booking_assets.collect.stats import collections_frame
from booking_assets.pipeline.derivation import derive_all, publish
from booking_assets.pipeline.landings import open_landings
from booking_assets.pipeline.loads import slice_load
from booking_assets.pipeline.organizations import adopt_renamed
from booking_assets.settings import Settings
from booking_assets.tables.catalog import HISTORY_TABLES
from booking_assets.tables.raw import COLLECTIONS
from booking_assets.warehouse.errors import SliceLoadFailed, WarehouseError
from booking_assets.warehouse.warehouse import Warehouse

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rebuilt:
    """What was rebuilt.

    Args:
        organizations: their slugs.
        former: where the former warehouse is, if there was one.
        faults: by slug, why an organization has no rows, or those of an older landing.
        lost: a sentence on the histories where they could not be kept, and why; None where kept.
    """

    organizations: tuple[str, ...] = ()
    former: Path | None = None
    faults: Mapping[str, str] = field(default_factory=dict)
    lost: str | None = None


def rebuild(warehouse: Warehouse, settings: Settings) -> Rebuilt:
    """Load the newest intact landing of each organization and resource into a new warehouse.

    The log and the histories are the former warehouse's where that can be read: it knows which
    collections failed, which left no landing, and what events were before. Else the log is made of
    the other landings, and the histories begin anew. Derive the marts afterwards.

    Raises:
        WarehouseError: there is no intact landing, or none of an organization whose rows the former
            warehouse still has, or the warehouse is busy; nothing is changed.
        StorageError: the object store of the landings cannot be used; nothing is changed.
    """
    with open_landings(settings) as landings:
        return _rebuild(warehouse, settings, landings)


def _rebuild(warehouse: Warehouse, settings: Settings, store: Landings) -> Rebuilt:
    candidates: dict[tuple[str, str], list[Landing]] = defaultdict(list)
    for landing in reversed(store.whole()):
        candidates[landing.organization, landing.log_row["resource"]].append(landing)
    former_log = _former_log(warehouse)
    faults: dict[str, str] = {}
    for landings in candidates.values():
        while landings and not _is_intact(store, landings[0]):
            damaged = landings.pop(0)
            faults[damaged.organization] = f"the landing {damaged.folder} is damaged"
    while True:
        newest = [landings[0] for landings in candidates.values() if landings]
        lost = [] if former_log is None else [key for key, left in candidates.items() if not left]
        _require_landings(newest, lost, faults, store)
        try:
            former, fault = warehouse.rebuild(
                [slice_load(one) for one in newest], _log_without(newest, candidates, former_log)
            )
        except SliceLoadFailed as error:
            # Landings of earlier releases have no checksums: what DuckDB refuses is damaged.
            _logger.warning("trying an older landing: %s", error)
            faults[error.organization] = error.fault
            for (slug, _), landings in candidates.items():
                if slug == error.organization and landings:
                    landings.pop(0)
                    if landings:
                        store.fetch(landings[0])
        else:
            break
    adopt_renamed(warehouse, settings)
    loaded = tuple(sorted({one.organization for one in newest}))
    return Rebuilt(loaded, former, faults, _lost_histories(fault) if fault else None)


def _is_intact(store: Landings, landing: Landing) -> bool:
    """Whether a landing's files are there, or the landing is older than checksums."""
    store.fetch(landing)
    return not landing.files or landing.is_intact()


def _lost_histories(fault: str) -> str:
    names = ", ".join(table.name for table in HISTORY_TABLES)
    return f"{names} begin anew, and what they said of the past is lost: {fault}"


def rebuild_lost(warehouse: Warehouse, settings: Settings) -> None:
    """Rebuild a warehouse whose file is gone although there are landings.

    Else the next refresh of one organization would publish that organization alone.

    Raises:
        WarehouseError: as `rebuild`.
    """
    with open_landings(settings) as landings:
        is_lost = not warehouse.path.exists() and bool(landings.whole())
    if is_lost:
        rebuilt = rebuild(warehouse, settings)
        _logger.warning(
            "the warehouse %s was gone; rebuilt from landings: %s; %s",
            warehouse.path,
            ", ".join(rebuilt.organizations),
            rebuilt.lost,
        )


def forget(warehouse: Warehouse, settings: Settings, slug: str) -> Mapping[str, int]:
    """Remove an organization's rows, history and landings, and the versions that hold it.

    What is left is derived and published anew. The settings are not changed.

    Returns:
        The number of removed rows, by table.

    Raises:
        WarehouseError: the warehouse is busy, or the snapshot could not be written.
        OSError, StorageError: a landing cannot be removed.
    """
    identifier = warehouse.stored_identifiers().get(slug)
    removed = warehouse.forget(slug) if warehouse.path.exists() else {}
    with open_landings(settings) as landings:
        landings.forget(slug, identifier)
    if warehouse.path.exists():
        derive_all(warehouse, settings)
        publish(replace(warehouse, snapshots_kept=1), settings)
    return removed


def _require_landings(
    newest: list[Landing],
    lost: list[tuple[str, str]],
    faults: Mapping[str, str],
    store: Landings,
) -> None:
    """Refuse to replace rows that a readable warehouse has by none.

    Raises:
        WarehouseError: there is nothing to load, or less than is stored.
    """
    if not newest:
        damaged = f" ({'; '.join(faults.values())})" if faults else ""
        raise WarehouseError(
            f"There is no intact landing in {store}{damaged}. Nothing was changed:"
            " run `booking-assets refresh`"
        )
    if lost:
        names = "; ".join(f"{slug}, {resource}" for slug, resource in lost)
        raise WarehouseError(
            f"No landing of {names} is intact, and the warehouse can be read. Nothing was changed:"
            " run `booking-assets refresh` for them, then rebuild"
        )


def _former_log(warehouse: Warehouse) -> pl.DataFrame | None:
    """The log of the warehouse that is replaced; None where it cannot be read."""
    try:
        return warehouse.read(COLLECTIONS) if warehouse.path.exists() else None
    except WarehouseError as error:
        _logger.warning("the log of the former warehouse is lost: %s", error)
        return None


def _log_without(
    loaded: list[Landing],
    candidates: Mapping[tuple[str, str], list[Landing]],
    former_log: pl.DataFrame | None,
) -> pl.DataFrame:
    """The rows of the log before those of the landings that are loaded, and all failures.

    Complete collections after a loaded landing are left out: their rows are lost.
    """
    older = [one.log_row for landings in candidates.values() for one in landings[1:]]
    log = collections_frame(older) if former_log is None else former_log
    newest = collections_frame([one.log_row for one in loaded]).select(
        "organization", "resource", loaded_sequence="sequence", loaded_at="started_at"
    )
    is_before = pl.coalesce(
        pl.col("sequence").fill_null(-1) < pl.col("loaded_sequence"),
        pl.col("started_at") < pl.col("loaded_at"),
    )
    return (
        log.join(newest, on=["organization", "resource"], how="left")
        .filter((pl.col("status") != "complete") | is_before.fill_null(value=True))
        .select(COLLECTIONS.column_names)
    )
