"""How long Dagster's runs of this project are kept; what else is pruned is in `pipeline.retention`.

The settings are `[retention]`; the command line applies it after a refresh, a schedule every day.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import dagster as dg

from booking_assets.defs.jobs import JOBS, RETENTION
from booking_assets.defs.launchers import in_process_executor
from booking_assets.defs.resources import WarehouseResource
from booking_assets.pipeline.retention import prune
from booking_assets.settings import Retention, Settings
from booking_assets.warehouse.warehouse import Warehouse

LOCATION = "booking_assets"
_FINISHED = [
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
]


def apply_retention(
    instance: dg.DagsterInstance, warehouse: Warehouse, retention: Retention, now: datetime
) -> int:
    """Apply `[retention]` to Dagster's runs and to the warehouse; gives the runs deleted.

    Raises:
        WarehouseError: the warehouse is busy or cannot be written.
    """
    deleted = delete_old_runs(instance, retention, now)
    prune(warehouse, retention, now)
    return deleted


def delete_old_runs(instance: dg.DagsterInstance, retention: Retention, now: datetime) -> int:
    """Delete finished runs, with their events and logs; gives how many.

    A run is deleted when it is too old, or when enough newer ones are kept; others' runs stay.
    """
    oldest = (now - timedelta(days=retention.runs_days)).timestamp()
    records = instance.get_run_records(dg.RunsFilter(statuses=_FINISHED))
    own = [record for record in records if _is_own(record.dagster_run)]
    deleted = [
        record.dagster_run.run_id
        for number, record in enumerate(own)
        if number >= retention.runs_count or (record.end_time or 0) < oldest
    ]
    for run_id in deleted:
        instance.delete_run(run_id)
        instance.compute_log_manager.delete_logs(prefix=[run_id])
    return len(deleted)


def _is_own(run: dg.DagsterRun) -> bool:
    """Whether a run is of this code location: started by it, or by a process of its own."""
    origin = run.remote_job_origin
    return origin.location_name == LOCATION if origin else run.job_name in JOBS


def retention_job(tags: Mapping[str, str]) -> dg.JobDefinition:
    """A job that applies `[retention]`; its runs have these tags."""

    @dg.op(description="Delete what is older than the settings of `[retention]` allow.")
    def delete_old(
        context: dg.OpExecutionContext,
        settings: dg.ResourceParam[Settings],
        warehouse: WarehouseResource,
    ) -> None:
        deleted = apply_retention(
            context.instance, warehouse.open(), settings.retention, datetime.now(UTC)
        )
        context.log.info("deleted %d runs", deleted)

    @dg.job(
        name=RETENTION,
        description="Apply `[retention]`.",
        executor_def=in_process_executor,
        tags=tags,
    )
    def retention() -> None:
        delete_old()

    return retention
