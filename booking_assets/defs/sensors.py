"""The sensors: a run that stored raw rows is followed by `derive`, also where organizations failed.

It may be a `collect` run, or one that was launched from an asset's page.
"""

from typing import Any

import dagster as dg

from booking_assets.defs.jobs import starter_tags_of
from booking_assets.defs.rounds import is_derived_by_round
from booking_assets.defs.specs import PARTITIONED_TABLES, SNAPSHOT_KEY, asset_key

SKIP_DERIVE_TAG = "booking-assets/skip-derive"
"""On runs whose starter derives by itself, as `booking-assets refresh` does."""


def sensors(derive: Any, *, enabled: bool) -> list[dg.SensorDefinition]:
    """One sensor for each way in which a run ends; they request the job `derive`."""
    status = dg.DefaultSensorStatus.RUNNING if enabled else dg.DefaultSensorStatus.STOPPED
    return [
        _derive_after("derive_after_collect", dg.DagsterRunStatus.SUCCESS, status, derive),
        _derive_after("derive_after_failed_collect", dg.DagsterRunStatus.FAILURE, status, derive),
    ]


def _derive_after(
    name: str, ending: dg.DagsterRunStatus, status: dg.DefaultSensorStatus, derive: Any
) -> dg.SensorDefinition:
    collected = {asset_key(table) for table in PARTITIONED_TABLES}

    @dg.run_status_sensor(
        name=name,
        run_status=ending,
        request_job=derive,
        default_status=status,
        description=f"Derive and publish when a run that stored raw rows ended in {ending.value}.",
    )
    def derive_after(context: dg.RunStatusSensorContext) -> dg.RunRequest | dg.SkipReason:
        run = context.dagster_run
        if is_derived_by_round(run):
            return dg.SkipReason("the round is derived when its last run has ended")
        if starter_tags_of(run).get(SKIP_DERIVE_TAG):
            return dg.SkipReason("the run's starter derives by itself")
        written = context.instance.get_records_for_run(
            run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
        )
        keys = {record.asset_key for record in written.records}
        # A collection that stored nothing still wrote to its log, and records that.
        if collected.isdisjoint(keys):
            return dg.SkipReason("the run stored no raw rows")
        if SNAPSHOT_KEY in keys:
            return dg.SkipReason("the run derived and published what it stored")
        return dg.RunRequest(run_key=run.run_id)

    return derive_after
