"""The jobs: collect, derive, and both.

What lives here: which assets run together. What must not: when (`schedules`, `sensors`).
Read more: `docs/decisions/0004-two-jobs.md`.
"""

from __future__ import annotations

import dagster as dg

# Dagster exports the function that makes these, but not their type.
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from booking_assets.defs.names import SNAPSHOT_KEY, asset_key
from booking_assets.defs.raw import COLLECTED
from booking_assets.tables.catalog import MART_TABLES, RAW_TABLES

Job = UnresolvedAssetJobDefinition

COLLECT = "collect"
DERIVE = "derive"
REFRESH = "refresh"

_COLLECTED = dg.AssetSelection.assets(*(asset_key(table) for table in COLLECTED))
_RAW_CHECKS = dg.AssetSelection.checks_for_assets(*(asset_key(table) for table in RAW_TABLES))
_DERIVED = dg.AssetSelection.assets(*(asset_key(table) for table in MART_TABLES), SNAPSHOT_KEY)


def collect_job() -> Job:
    """Count, collect, verify and store; the checks of the raw tables with it."""
    return dg.define_asset_job(
        COLLECT,
        selection=_COLLECTED | _RAW_CHECKS,
        description="Count, collect, verify and store the events of the chosen organizations.",
    )


def derive_job() -> Job:
    """Every mart and the snapshot.

    The checks of the raw tables come first, whatever the collection has checked: where an
    organization failed, Dagster skips the checks of that run, and `refresh` leaves them to this.
    """
    return dg.define_asset_job(
        DERIVE,
        selection=_DERIVED | _RAW_CHECKS,
        description="Derive every mart from what is stored, and publish the snapshot.",
    )


def refresh_job() -> Job:
    """Both in one run; where an organization fails, the run ends before anything is derived."""
    return dg.define_asset_job(
        REFRESH,
        selection=_COLLECTED | _RAW_CHECKS | _DERIVED,
        description="Collect, derive and publish in one run.",
    )
