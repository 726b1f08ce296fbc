"""Rounds: several runs of some organizations each, derived once, when the last has ended."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import dagster as dg
import pytest
from dagster._core.storage.tags import RETRY_NUMBER_TAG, WILL_RETRY_TAG
from dagster_shared.record import copy

from booking_assets.definitions import build_definitions
from booking_assets.defs import rounds
from booking_assets.defs.instance import HOME_VARIABLE, prepare_dagster_home
from booking_assets.defs.rounds import (
    DERIVED_TAG,
    FAILED_PARTS_TAG,
    PART_TAG,
    ROUND_TAG,
    round_requests,
    submit_round,
)
from booking_assets.defs.sandbox import effective_settings
from booking_assets.defs.schedules import schedules
from booking_assets.settings import Schedules, Settings
from booking_assets_tests.defs.conftest import Site
from booking_assets_tests.defs.test_sensors import AFTER, answer

SUCCESS, FAILURE = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE
STARTED = dg.DagsterRunStatus.STARTED
TWO_A_RUN = Schedules(organizations_a_run=2)


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv(HOME_VARIABLE, "")
    home = prepare_dagster_home(settings_of(tmp_path))
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


def settings_of(folder: Path) -> Settings:
    settings = effective_settings().model_copy(update={"root": folder})
    return settings.model_copy(update={"schedules": TWO_A_RUN})


def tick(
    instance: dg.DagsterInstance, settings: Settings | None = None, cursor: str | None = None
) -> dg.SensorResult:
    """What the sensor answers."""
    sensor = build_definitions(settings).resolve_sensor_def("rounds")
    with dg.build_sensor_context(instance, cursor=cursor) as context:
        result = sensor(context)
    assert isinstance(result, dg.SensorResult)
    return result


def derivations(instance: dg.DagsterInstance) -> list[dict[str, str]]:
    """The tags of the derivations that the sensor requests."""
    requests = tick(instance).run_requests or []
    assert {request.job_name for request in requests} <= {"derive"}
    return [dict(request.tags) for request in requests]


def add(
    instance: dg.DagsterInstance,
    status: dg.DagsterRunStatus,
    part: str,
    *,
    name: str = "night",
    **tags: str,
) -> dg.DagsterRun:
    tags |= {ROUND_TAG: name, PART_TAG: part}
    return instance.add_run(dg.DagsterRun("collect", status=status, tags=tags))


def collected(request: dg.RunRequest) -> dict[str, Any]:
    return dict(request.run_config["ops"]["collect_organizations"]["config"])


def test_a_tick_of_a_schedule_is_a_round_of_all_organizations_each_once(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    (schedule, *_) = schedules(settings.schedules, lambda: settings)
    at = datetime(2026, 3, 1, 3, tzinfo=UTC)
    with (
        dg.DagsterInstance.local_temp() as instance,
        dg.build_schedule_context(instance, scheduled_execution_time=at) as context,
    ):
        first, second = schedule.evaluate_tick(context).run_requests or []
    parts = [collected(one)["organizations"] for one in (first, second)]
    assert parts == [[*settings.slugs[:2]], [*settings.slugs[2:]]]
    assert [one.tags[PART_TAG] for one in (first, second)] == ["1/2", "2/2"]
    assert first.tags[ROUND_TAG] == second.tags[ROUND_TAG]
    assert first.run_key != second.run_key


def test_a_run_of_a_round_collects_its_organizations_alone(site: Site) -> None:
    (request, _) = round_requests(
        site.settings.model_copy(update={"schedules": TWO_A_RUN}), "night", "full"
    )
    result = site.run("collect", config=request.run_config, tags=dict(request.tags))
    assert result.success
    assert site.log(result.run_id).keys() == {*site.slugs[:2]}
    run = site.instance.get_run_by_id(result.run_id)
    assert run is not None
    # It does not derive: the round does.
    assert isinstance(answer(site, AFTER[True], run), dg.SkipReason)
    retried = copy(
        run, parent_run_id="a", root_run_id="a", tags={**run.tags, RETRY_NUMBER_TAG: "1"}
    )
    assert isinstance(answer(site, AFTER[True], retried), dg.SkipReason)
    by_a_person = copy(run, parent_run_id="a", root_run_id="a")
    assert isinstance(answer(site, AFTER[True], by_a_person), dg.RunRequest)


def test_a_submitted_round_is_requested_once(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    name = submit_round(instance, "incremental", (), allow_shrink=True)
    asked = tick(instance, settings)
    first, _ = asked.run_requests or []
    assert first.tags[ROUND_TAG] == name
    assert collected(first) == {
        "mode": "incremental",
        "allow_shrink": True,
        "organizations": [*settings.slugs[:2]],
    }
    assert tick(instance, settings, asked.cursor).run_requests == []
    other = submit_round(instance, "full", settings.slugs[2:], allow_shrink=False)
    (request,) = tick(instance, settings, asked.cursor).run_requests or []
    assert request.tags == {ROUND_TAG: other, PART_TAG: "1/1"}
    assert collected(request)["organizations"] == [*settings.slugs[2:]]


def test_rounds_that_are_submitted_at_once_are_all_requested(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    home, names = str(instance.root_directory), []

    def submit(number: int) -> None:
        with dg.DagsterInstance.from_config(home) as own:
            slug = f"organization-{number}"
            names.append(submit_round(own, "full", [slug], allow_shrink=False))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(submit, range(8)))
    requests = tick(instance, settings_of(tmp_path)).run_requests or []
    assert sorted(one.tags[ROUND_TAG] for one in requests) == sorted(names)
    assert sorted(*zip(*(collected(one)["organizations"] for one in requests), strict=True)) == [
        f"organization-{number}" for number in range(8)
    ]


def test_a_command_whose_clock_is_days_ahead_loses_no_round(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [submit_round(instance, "full", [], allow_shrink=False)]
    ahead = Mock(wraps=datetime, now=lambda zone: datetime.now(zone) + timedelta(days=40))
    monkeypatch.setattr(rounds, "datetime", ahead)
    names += [submit_round(instance, "full", [], allow_shrink=False)]
    monkeypatch.undo()
    asked = tick(instance, settings_of(tmp_path))
    assert {one.tags[ROUND_TAG] for one in asked.run_requests or []} == {*names}
    # What was requested is not kept.
    tick(instance, settings_of(tmp_path), asked.cursor)
    assert tick(instance, settings_of(tmp_path)).run_requests == []


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, STARTED])
def test_a_round_is_not_derived_while_a_run_goes_on(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    add(instance, SUCCESS, "1/2")
    add(instance, status, "2/2")
    assert derivations(instance) == []


def test_a_round_is_not_derived_while_runs_are_still_requested(
    instance: dg.DagsterInstance,
) -> None:
    add(instance, SUCCESS, "1/2")
    assert derivations(instance) == []


def test_a_round_is_derived_once_when_its_last_run_has_ended(instance: dg.DagsterInstance) -> None:
    add(instance, SUCCESS, "1/2")
    add(instance, SUCCESS, "2/2")
    add(instance, STARTED, "1/2", name="later")
    (tags,) = derivations(instance)
    assert tags == {DERIVED_TAG: "night"}
    instance.add_run(dg.DagsterRun("derive", tags=tags))
    assert derivations(instance) == []


def test_a_round_with_failed_runs_is_derived_and_says_which_failed(
    instance: dg.DagsterInstance,
) -> None:
    add(instance, SUCCESS, "1/3")
    add(instance, FAILURE, "2/3", **{WILL_RETRY_TAG: "false"})
    add(instance, dg.DagsterRunStatus.CANCELED, "3/3")
    assert derivations(instance) == [{DERIVED_TAG: "night", FAILED_PARTS_TAG: "2/3, 3/3"}]


def test_a_run_that_died_is_waited_for_until_it_was_started_again_and_ended(
    instance: dg.DagsterInstance,
) -> None:
    dead = add(instance, STARTED, "1/1")
    instance.report_run_failed(dead, "the process of this run was killed")
    failed = instance.get_run_by_id(dead.run_id)
    assert failed is not None
    # Dagster starts a run again that did not fail by itself.
    assert failed.tags[WILL_RETRY_TAG] == "true"
    assert derivations(instance) == []
    add(instance, SUCCESS, "1/1", **{RETRY_NUMBER_TAG: "1"})
    assert derivations(instance) == [{DERIVED_TAG: "night"}]
