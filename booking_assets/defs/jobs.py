"""The jobs: which assets run together. When they run is in `schedules` and `sensors`."""

from __future__ import annotations

from functools import cache, partial

import dagster as dg

from booking_assets.defs.raw import COLLECTED_TABLES, PARTITIONED_TABLES
from booking_assets.defs.specs import PUBLISHED_GROUP, asset_key
from booking_assets.pipeline.marts import MARTS

RETENTION = "retention"
COLLECT = "collect"
DERIVE = "derive"
REFRESH = "refresh"
JOBS = frozenset({RETENTION, COLLECT, DERIVE, REFRESH})

_COLLECTED = dg.AssetSelection.assets(*(asset_key(table) for table in PARTITIONED_TABLES))
_RAW_CHECKS = dg.AssetSelection.checks_for_assets(*(asset_key(table) for table in COLLECTED_TABLES))
_DERIVED = dg.AssetSelection.assets(
    *(asset_key(table) for mart in MARTS for table in mart.tables)
) | dg.AssetSelection.groups(PUBLISHED_GROUP)

# Partials and not functions: Dagster exports no type for what `define_asset_job` returns. Cached,
# because a job that a sensor requests must be the very one of the definitions.
collect_job = cache(
    partial(
        dg.define_asset_job,
        COLLECT,
        selection=_COLLECTED | _RAW_CHECKS,
        description="Count, collect, verify and store the events of the chosen organizations.",
    )
)
derive_job = cache(
    partial(
        dg.define_asset_job,
        DERIVE,
        # The raw checks again: where an organization failed, Dagster skipped those of its run.
        selection=_DERIVED | _RAW_CHECKS,
        description="Derive every mart from what is stored, and publish the snapshot.",
    )
)
refresh_job = cache(
    partial(
        dg.define_asset_job,
        REFRESH,
        selection=_COLLECTED | _RAW_CHECKS | _DERIVED,
        description="Collect, derive and publish in one run; it ends where an organization fails.",
    )
)
