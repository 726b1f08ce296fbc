"""The schedules: when organizations are collected.

What lives here: two schedules, off unless the settings start them.
What must not: what a run does (`jobs`).
Read more: https://docs.dagster.io/guides/automate/schedules
"""

from collections.abc import Sequence

import dagster as dg

from booking_assets.defs.jobs import COLLECT
from booking_assets.defs.partitions import range_tags
from booking_assets.settings import Schedules


def schedules(slugs: Sequence[str], settings: Schedules) -> list[dg.ScheduleDefinition]:
    """One run for all organizations, by night."""
    status = (
        dg.DefaultScheduleStatus.RUNNING if settings.enabled else dg.DefaultScheduleStatus.STOPPED
    )

    @dg.schedule(
        name="collect_nightly",
        cron_schedule=settings.nightly,
        execution_timezone=settings.timezone,
        job_name=COLLECT,
        default_status=status,
        description="Collect every event of every organization.",
    )
    def collect_nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return dg.RunRequest(
            run_key=f"nightly/{context.scheduled_execution_time.isoformat()}",
            tags=range_tags(slugs[0], slugs[-1]),
        )

    return [collect_nightly]
