"""The sensors: what follows a collection.

What lives here: starting `derive` when a `collect` run has ended, also when organizations failed.
What must not: what a run does (`jobs`).
Read more: https://docs.dagster.io/guides/automate/sensors/run-status-sensors
"""

import dagster as dg

from booking_assets.defs.jobs import Job
from booking_assets.defs.names import asset_key
from booking_assets.defs.raw import COLLECTED

SKIP_DERIVE_TAG = "booking-assets/derived"
"""On runs whose starter derives by itself, as `booking-assets refresh` does."""


def sensors(collect: Job, derive: Job, *, enabled: bool) -> list[dg.SensorDefinition]:
    """One sensor for each way in which a collection ends."""
    status = dg.DefaultSensorStatus.RUNNING if enabled else dg.DefaultSensorStatus.STOPPED
    endings = {
        "derive_after_collect": dg.DagsterRunStatus.SUCCESS,
        "derive_after_failed_collect": dg.DagsterRunStatus.FAILURE,
    }
    return [
        _derive_after(name, ending, collect, derive, status) for name, ending in endings.items()
    ]


def _derive_after(
    name: str,
    ending: dg.DagsterRunStatus,
    collect: Job,
    derive: Job,
    status: dg.DefaultSensorStatus,
) -> dg.SensorDefinition:
    @dg.run_status_sensor(
        name=name,
        run_status=ending,
        monitored_jobs=[collect],
        request_job=derive,
        default_status=status,
        description=f"Derive and publish when a collection has ended in {ending.value}.",
    )
    def derive_after(context: dg.RunStatusSensorContext) -> dg.RunRequest | dg.SkipReason:
        run = context.dagster_run
        if run.tags.get(SKIP_DERIVE_TAG):
            return dg.SkipReason("the run's starter derives by itself")
        written = context.instance.get_records_for_run(
            run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
        )
        # A collection that stored nothing still wrote to its log, and says so.
        collected = {asset_key(table) for table in COLLECTED}
        if collected.isdisjoint(record.asset_key for record in written.records):
            return dg.SkipReason("nothing was stored: the marts are what they would become")
        return dg.RunRequest(run_key=run.run_id)

    return derive_after
