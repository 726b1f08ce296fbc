"""The schedules: when organizations are collected; off unless the settings start them.

What a run does is in `jobs`.
"""

from collections.abc import Sequence

import dagster as dg

from booking_assets.collect.stats import Mode
from booking_assets.defs.jobs import COLLECT
from booking_assets.defs.partitions import range_tags
from booking_assets.defs.raw import run_config
from booking_assets.settings import Schedules


def schedules(slugs: Sequence[str], settings: Schedules) -> list[dg.ScheduleDefinition]:
    """One run for all organizations: every hour what changed, every night all events."""
    return [
        _schedule("collect_hourly", settings.hourly, "incremental", slugs, settings),
        _schedule("collect_nightly", settings.nightly, "full", slugs, settings),
    ]


def _schedule(
    name: str, cron: str, mode: Mode, slugs: Sequence[str], settings: Schedules
) -> dg.ScheduleDefinition:
    status = (
        dg.DefaultScheduleStatus.RUNNING if settings.enabled else dg.DefaultScheduleStatus.STOPPED
    )

    @dg.schedule(
        name=name,
        cron_schedule=cron,
        execution_timezone=settings.timezone,
        job_name=COLLECT,
        default_status=status,
        description=f"Collect the events of every organization, {mode}.",
    )
    def collect(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return dg.RunRequest(
            run_key=f"{name}/{context.scheduled_execution_time.isoformat()}",
            run_config=run_config(mode),
            tags=range_tags(slugs[0], slugs[-1]),
        )

    return collect
