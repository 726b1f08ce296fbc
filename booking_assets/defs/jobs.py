"""The jobs: which assets run together. When they run is in `schedules` and `sensors`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from booking_assets.defs.specs import (
    COLLECTED_TABLES,
    LOG_TABLES,
    PARTITIONED_TABLES,
    PUBLISHED_GROUP,
    asset_key,
)
from booking_assets.pipeline.marts import MARTS

RETENTION = "retention"
COLLECT = "collect"
DERIVE = "derive"
JOBS = frozenset({RETENTION, COLLECT, DERIVE})

_COLLECTED = dg.AssetSelection.assets(*(asset_key(table) for table in PARTITIONED_TABLES))
_LOADED = dg.AssetSelection.assets(*(asset_key(table) for table in LOG_TABLES))
_RAW_CHECKS = dg.AssetSelection.checks_for_assets(*(asset_key(table) for table in COLLECTED_TABLES))
_DERIVED = dg.AssetSelection.assets(
    *(asset_key(table) for mart in MARTS for table in mart.tables)
) | dg.AssetSelection.groups(PUBLISHED_GROUP)


# `Any`: Dagster exports no type for what `define_asset_job` returns.
def collect_job(*, lands: bool) -> Any:
    """The job that collects; one that only `lands` has no warehouse that it could check."""
    return dg.define_asset_job(
        COLLECT,
        selection=_COLLECTED.without_checks() if lands else _COLLECTED | _RAW_CHECKS,
        description="Count, collect, verify and store the events of the chosen organizations.",
        # With Celery, of workers that need no warehouse; all else goes to those of its host.
        tags={"dagster-celery/queue": "collect"},
    )


def derive_job(*, loads: bool, tags: Mapping[str, str]) -> Any:
    """The job that derives and publishes; with `[storage]`, it `loads` landings first."""
    return dg.define_asset_job(
        DERIVE,
        # The raw checks again: where an organization failed, Dagster skipped those of its run.
        selection=(_DERIVED | _LOADED if loads else _DERIVED) | _RAW_CHECKS,
        description="Derive every mart from what is stored, and publish the snapshot.",
        tags={"booking-assets/derive": "true", **tags},
    )


def starter_tags_of(run: dg.DagsterRun) -> Mapping[str, str]:
    """The tags of a run, but none where it re-executes another: the UI copied them from that one.

    For tags that say what the process that started the run does itself.
    """
    return {} if run.parent_run_id else run.tags
