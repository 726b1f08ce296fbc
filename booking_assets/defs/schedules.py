"""The schedules: when organizations are collected, and old runs deleted.

They are off unless the settings start them. What a run does is in `jobs`.
"""

from collections.abc import Callable

import dagster as dg

from booking_assets.collect.stats import Mode
from booking_assets.defs.jobs import COLLECT, RETENTION
from booking_assets.defs.processes import end_dead_runs
from booking_assets.defs.raw import run_config
from booking_assets.defs.rounds import round_requests
from booking_assets.settings import Schedules, Settings


def schedules(settings: Schedules, current: Callable[[], Settings]) -> list[dg.ScheduleDefinition]:
    """Every hour what changed, every night all events, each of all organizations.

    `current` gives the settings of the moment: the organizations may have changed since.
    """
    return [
        _collect("collect_hourly", settings.hourly, "incremental", settings, current),
        _collect("collect_nightly", settings.nightly, "full", settings, current),
        dg.ScheduleDefinition(
            name="retention_daily",
            cron_schedule=settings.retention,
            execution_timezone=settings.timezone,
            job_name=RETENTION,
            default_status=_status(settings),
            description="Delete what is older than the settings of `[retention]` allow.",
        ),
    ]


def _status(settings: Schedules) -> dg.DefaultScheduleStatus:
    on, off = dg.DefaultScheduleStatus.RUNNING, dg.DefaultScheduleStatus.STOPPED
    return on if settings.enabled else off


def cron_faults(settings: Schedules) -> tuple[str, ...]:
    """The cron texts of the settings that Dagster refuses, each with its key."""
    faults = []
    for key in ("hourly", "nightly", "retention"):
        text = getattr(settings, key)
        try:
            dg.ScheduleDefinition(name="check", cron_schedule=text, job_name=COLLECT)
        except dg.DagsterInvalidDefinitionError:
            faults.append(
                f"schedules.{key}: Dagster refuses this cron text; write five fields, as in"
                f" 17 * * * * (found {text!r})"
            )
    return tuple(faults)


def _collect(
    name: str, cron: str, mode: Mode, settings: Schedules, current: Callable[[], Settings]
) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=name,
        cron_schedule=cron,
        execution_timezone=settings.timezone,
        job_name=COLLECT,
        default_status=_status(settings),
        description=f"Collect the events of every organization, {mode}.",
    )
    def collect(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
        # They would count against `max_concurrent_runs` for hours.
        end_dead_runs(context.instance)
        tick = f"{name}/{context.scheduled_execution_time.isoformat()}"
        if settings.organizations_a_run:
            return round_requests(current(), tick, mode)
        return [dg.RunRequest(run_key=tick, run_config=run_config(mode))]

    return collect
