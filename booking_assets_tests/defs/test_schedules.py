"""When collections start by themselves."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg
import pytest

from booking_assets.defs.partitions import RANGE_START_TAG
from booking_assets.defs.sandbox import effective_settings
from booking_assets.defs.schedules import schedules
from booking_assets.settings import Schedules

NIGHT = datetime(2026, 3, 1, 3, 23, tzinfo=UTC)
NAMES = ["collect_hourly", "collect_nightly"]


def schedule(name: str, settings: Schedules | None = None) -> dg.ScheduleDefinition:
    found = schedules(settings or Schedules(), effective_settings)
    return next(one for one in found if one.name == name)


def ticked(name: str, at: datetime = NIGHT) -> dg.RunRequest:
    """The one run that a tick asks for."""
    with (
        dg.DagsterInstance.local_temp() as instance,
        dg.build_schedule_context(instance, scheduled_execution_time=at) as context,
    ):
        (request,) = schedule(name).evaluate_tick(context).run_requests or []
    return request


@pytest.mark.parametrize("name", NAMES)
def test_a_tick_is_one_run_of_all_organizations(name: str) -> None:
    request = ticked(name)
    # The organizations are those of the settings when the run begins, and not when Dagster loaded.
    assert RANGE_START_TAG not in request.tags
    assert request.partition_key is None


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_tick_is_collected_once_however_often_it_is_evaluated(name: str) -> None:
    first, again, later = ticked(name), ticked(name), ticked(name, NIGHT.replace(day=2))
    assert first.run_key
    assert first.run_key == again.run_key != later.run_key


def test_the_schedules_do_not_take_each_other_for_the_same_run() -> None:
    assert ticked("collect_hourly").run_key != ticked("collect_nightly").run_key


@pytest.mark.parametrize(
    ("name", "mode"), [("collect_hourly", "incremental"), ("collect_nightly", "full")]
)
def test_the_hours_collect_what_changed_and_the_nights_every_event(name: str, mode: str) -> None:
    assert ticked(name).run_config["ops"]["collect_organizations"]["config"]["mode"] == mode


@pytest.mark.parametrize("enabled", [False, True], ids=["off", "on"])
def test_schedules_start_only_where_the_settings_say_so(enabled: bool) -> None:
    settings = Schedules(
        enabled=enabled, timezone="America/Edmonton", hourly="7 * * * *", nightly="5 4 * * *"
    )
    found = schedules(settings, effective_settings)
    crons = {one.name: one.cron_schedule for one in found}
    assert crons == {
        "collect_hourly": "7 * * * *",
        "collect_nightly": "5 4 * * *",
        "retention_daily": "41 4 * * *",
    }
    for one in found:
        assert (one.default_status is dg.DefaultScheduleStatus.RUNNING) is enabled
        assert one.execution_timezone == "America/Edmonton"
