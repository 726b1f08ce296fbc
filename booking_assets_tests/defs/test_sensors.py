"""What follows a collection: deriving, wherever something new was stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import dagster as dg
import pytest
from dagster_shared.record import copy

from booking_assets.defs.runs import run_refresh
from booking_assets.defs.sensors import SKIP_DERIVE_TAG
from booking_assets.pipeline.progress import NoProgress
from booking_assets.sandbox.tenants import token_variable
from booking_assets.settings import Alerts
from booking_assets_tests.defs.conftest import Site

ALERTING = {True: "alert_after_run", False: "alert_after_failed_run"}
AFTER = {True: "derive_after_collect", False: "derive_after_failed_collect"}


@pytest.fixture(scope="module")
def collecting(new_site: Callable[..., Site]) -> Site:
    return new_site()


def answer(
    site: Site, name: str, run: dg.DagsterRun, event: dg.DagsterEvent | None = None
) -> object:
    """What a sensor answers when a run has ended."""
    ending = dg.DagsterEventType.RUN_SUCCESS if run.is_success else dg.DagsterEventType.RUN_FAILURE
    context = dg.build_run_status_sensor_context(
        sensor_name=name,
        dagster_event=event or dg.DagsterEvent(ending.value, run.job_name),
        dagster_instance=site.instance,
        dagster_run=run,
    )
    return site.definitions.resolve_sensor_def(name)(context)


def followed(site: Site, result: dg.ExecuteInProcessResult) -> list[dg.RunRequest]:
    """The runs that the sensor for the result's ending asks for."""
    run = site.instance.get_run_by_id(result.run_id)
    assert run is not None
    answered = answer(site, AFTER[result.success], run, result.all_events[-1])
    assert isinstance(answered, dg.RunRequest | dg.SkipReason)
    return [answered] if isinstance(answered, dg.RunRequest) else []


def test_a_complete_collection_is_derived_once(collecting: Site) -> None:
    result = collecting.run("collect", collecting.slugs[:1])
    (request,) = followed(collecting, result)
    assert request.run_key == result.run_id


def test_what_the_others_stored_is_derived_where_one_organization_was_refused(
    collecting: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(token_variable(collecting.slugs[0]))
    result = collecting.run("collect", collecting.slugs)
    assert not result.success
    assert len(followed(collecting, result)) == 1


def test_nothing_is_derived_where_nothing_was_stored(
    collecting: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(token_variable(collecting.slugs[0]))
    result = collecting.run("collect", collecting.slugs[:1])
    assert not result.success
    assert followed(collecting, result) == []


def test_a_run_whose_starter_derives_is_left_to_it(collecting: Site) -> None:
    result = collecting.run("collect", collecting.slugs[:1], tags={SKIP_DERIVE_TAG: "true"})
    assert result.success
    assert followed(collecting, result) == []


def test_runs_of_a_command_are_seen_by_the_sensors_which_leave_them_alone(
    durable_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALERTS", "json://127.0.0.1:9/")
    told = durable_site.settings.model_copy(update={"alerts": Alerts(url_env=("ALERTS",))})
    site = replace(durable_site, settings=told)
    monkeypatch.delenv(token_variable(site.slugs[0]))
    run_refresh(
        site.definitions,
        site.settings,
        site.slugs,
        NoProgress(),
        mode="full",
        allow_shrink=False,
        instance=site.instance,
        tags={},
    )
    runs = site.instance.get_runs()
    assert [run.job_name for run in runs] == ["derive", "collect"]
    for run in runs:
        # By its origin, the daemon gives the run to the sensors of the code location.
        assert run.remote_job_origin is not None
        label = run.remote_job_origin.repository_origin.get_label()
        assert label == "__repository__@booking_assets"
        # Nor does the daemon retry it.
        assert run.tags["dagster/max_retries"] == "0"
        for name in (AFTER[run.is_success], ALERTING[run.is_success]):
            assert isinstance(answer(site, name, run), dg.SkipReason)


def test_a_run_that_a_person_executes_again_is_derived_although_it_has_the_tags_of_a_command(
    collecting: Site,
) -> None:
    first = collecting.run("collect", collecting.slugs[:1])
    result = collecting.run("collect", collecting.slugs[:1], tags={SKIP_DERIVE_TAG: "true"})
    run = collecting.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert isinstance(answer(collecting, AFTER[True], run), dg.SkipReason)
    run = copy(run, parent_run_id=first.run_id, root_run_id=first.run_id)
    assert isinstance(answer(collecting, AFTER[True], run), dg.RunRequest)


def test_the_sensors_watch_collections_and_request_derivations(collecting: Site) -> None:
    for name in AFTER.values():
        sensor = collecting.definitions.resolve_sensor_def(name)
        assert [job.name for job in sensor.jobs] == ["derive"]
