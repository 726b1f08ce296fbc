"""Makes a new warehouse from the landings alone; how it takes the old one's place is `warehouse`'s.

Marts are not rebuilt here: derive them afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from booking_assets.collect.landing import whole_landings
from booking_assets.collect.stats import collections_frame
from booking_assets.pipeline.collector import slice_load
from booking_assets.settings import Settings
from booking_assets.warehouse.errors import WarehouseError
from booking_assets.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class Rebuilt:
    """What was rebuilt.

    Args:
        organizations: their slugs.
        former: where the former warehouse is, if there was one.
        fault: why nothing was changed; None where it was.
    """

    organizations: tuple[str, ...] = ()
    former: Path | None = None
    fault: str | None = None


def rebuild(warehouse: Warehouse, settings: Settings) -> Rebuilt:
    """Load the newest landing of each organization and resource into a new warehouse.

    The log keeps what the other landings say; failures, which left no landing, are not in it. Where
    there is no landing, a landing is damaged or the warehouse is busy, nothing is changed.
    """
    landings = whole_landings(settings.landing_path)
    newest = {(one.organization, one.log_row["resource"]): one for one in landings}
    older = [one.log_row for one in landings if one not in newest.values()]
    if not newest:
        fault = f"There is no landing in {settings.landing_path}: run `booking-assets refresh`"
        return Rebuilt(fault=fault)
    loads = [slice_load(one) for one in newest.values()]
    try:
        former = warehouse.rebuild(loads, collections_frame(older))
    except WarehouseError as error:
        return Rebuilt(fault=str(error))
    return Rebuilt(tuple(sorted({organization for organization, _ in newest})), former)
