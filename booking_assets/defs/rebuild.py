"""A new warehouse and snapshot from the landings alone.

What lives here: choosing the landings, and deriving from what was rebuilt.
What must not: printing (`cli`), how a warehouse is replaced (`warehouse`).
Read more: `docs/reliability.md`, "Landings".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from booking_assets.collect.landing import whole_landings
from booking_assets.collect.stats import collections_frame
from booking_assets.defs.refresh import derive
from booking_assets.defs.resources import warehouse
from booking_assets.pipeline.collector import slice_load
from booking_assets.settings import Settings
from booking_assets.warehouse.errors import WarehouseError


@dataclass(frozen=True)
class Rebuilt:
    """What was rebuilt: organizations, where the former file is, and what failed afterwards."""

    organizations: tuple[str, ...]
    former: Path | None
    failures: tuple[str, ...]


def rebuild(
    settings: Settings, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> Rebuilt:
    """Stores the newest landing of each organization and resource in a new warehouse.

    The log keeps what the other landings say; refusals, which left no landing, are not in it.
    Where a landing lies or the warehouse is held, nothing is changed.
    """
    landings = whole_landings(settings.landing_path)
    newest = {(one.organization, one.log_row["resource"]): one for one in landings}
    older = [one.log_row for one in landings if one not in newest.values()]
    if not newest:
        fault = f"There is no landing in {settings.landing_path}: run `booking-assets refresh`"
        return Rebuilt((), None, (fault,))
    try:
        former = warehouse(settings).rebuild(
            [slice_load(one) for one in newest.values()], collections_frame(older)
        )
    except WarehouseError as error:
        return Rebuilt((), None, (str(error),))
    failures = derive(definitions, instance)
    organizations = sorted({organization for organization, _ in newest})
    return Rebuilt(tuple(organizations), former, tuple(failures))
