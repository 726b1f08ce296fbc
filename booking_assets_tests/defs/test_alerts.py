"""Alerts: what is told, when, and by whom; sent to a real HTTP receiver on this machine."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from booking_assets.defs.alerts import (
    ALERT_TAG,
    BY_STARTER,
    KILLED,
    NOT_SENT,
    TOLD,
    starter_tags,
    step_failure,
)
from booking_assets.defs.processes import PROCESS_TAG, end_dead_runs
from booking_assets.defs.runs import RefreshResult, run_refresh
from booking_assets.pipeline.progress import NoProgress
from booking_assets.sandbox.tenants import token_variable
from booking_assets.settings import Alerts, SettingsError
from booking_assets.warehouse.errors import WarehouseBusy
from booking_assets_tests.defs.conftest import Site
from booking_assets_tests.defs.receiver import SECRET, Receiver

SENSORS = {True: "alert_after_run", False: "alert_after_failed_run"}


@pytest.fixture
def told(new_site: Callable[..., Site]) -> Site:
    """An installation that tells whoever `ALERTS` names."""
    site = new_site()
    return replace(site, settings=telling(site))


def telling(site: Site) -> Any:
    """The settings with alerts, and without the report, of which no alert tells."""
    report = site.settings.report.model_copy(update={"enabled": False})
    alerts = Alerts(url_env=("ALERTS",))
    return site.settings.model_copy(update={"alerts": alerts, "report": report})


def refresh(site: Site, slugs: Sequence[str] = ()) -> RefreshResult:
    """Refresh all organizations, or some: where none of these is stored, nothing is derived."""
    return run_refresh(
        site.definitions,
        site.settings,
        slugs or site.slugs,
        NoProgress(),
        mode="full",
        allow_shrink=False,
        instance=site.instance,
        tags={},
    )


def tags(site: Site) -> list[str]:
    """The alert tag of each run, the newest first."""
    return [run.tags[ALERT_TAG] for run in site.instance.get_runs()]


def sense(site: Site, run_id: str, event: dg.DagsterEvent | None = None) -> str:
    """What the sensor for the run's ending answers."""
    run = site.instance.get_run_by_id(run_id)
    assert run is not None
    name = SENSORS[run.is_success]
    ended = site.instance.get_records_for_run(run_id, limit=1, ascending=False).records[0]
    final = event or ended.event_log_entry.dagster_event
    assert final is not None
    context = dg.build_run_status_sensor_context(
        sensor_name=name, dagster_event=final, dagster_instance=site.instance, dagster_run=run
    )
    answer = site.definitions.resolve_sensor_def(name)(context)
    assert isinstance(answer, dg.SkipReason)
    return str(answer.skip_message)


def test_a_refresh_tells_a_failure_once_and_that_it_ended_without_a_secret_or_a_title(
    told: Site, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = told.slugs[:2]
    assert refresh(told).is_complete
    assert receiver.messages == []
    assert tags(told) == [TOLD, TOLD]
    with monkeypatch.context() as patch:
        for slug in broken:
            patch.setenv(token_variable(slug), "wrong-secret")
        for _ in range(2):
            assert refresh(told, broken).report.failed_organizations == tuple(broken)
    assert refresh(told).is_complete
    assert refresh(told, broken).is_complete
    assert receiver.titles == [
        "Booking assets: 2 organizations failed",
        "Booking assets: 2 organizations working again",
    ]
    failure, success = (one["message"] for one in receiver.messages)
    for slug in broken:
        assert f"{slug}, events: " in failure
        assert f"It is read from {token_variable(slug)}" in failure
    assert success == f"Working again: {', '.join(broken)}"
    titles = {title for (title,) in told.asked("SELECT DISTINCT event_title FROM raw.events")}
    secrets = {"wrong-secret", SECRET, *(one.token for one in told.tenants)}
    sent = json.dumps(receiver.messages)
    assert titles
    assert [text for text in {*titles, *secrets} if text and text in sent] == []


def test_a_publication_that_fails_is_told_once_and_that_it_ended(
    told: Site, receiver: Receiver
) -> None:
    told.settings.snapshot_path.write_text("somebody else's", encoding="utf-8")
    for _ in range(2):
        (failure,) = refresh(told, told.slugs[:1]).failures
        assert f" failed: {told.settings.snapshot_path} exists" in failure
    told.settings.snapshot_path.unlink()
    assert refresh(told, told.slugs[:1]).is_complete
    assert receiver.titles == [
        "Booking assets: not everything was published",
        "Booking assets: derive working again",
    ]
    assert "exists and was not published by booking-assets" in receiver.messages[0]["message"]


def test_an_organization_that_is_withheld_is_told_once(told: Site, receiver: Receiver) -> None:
    assert told.run("collect", told.slugs).success
    # The sensors tell of derivations that nobody's command started.
    told.by_hand("DELETE FROM raw.events WHERE event_number % 2 = 0 AND organization LIKE 'harb%'")
    for _ in range(2):
        assert sense(told, told.run("derive").run_id)
    (message,) = receiver.messages
    assert message["message"].startswith("harbour-trades: not published. ")


def test_a_message_that_was_not_sent_is_sent_by_the_next_run(
    told: Site,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    failing = told.slugs[:1]
    monkeypatch.setenv(token_variable(failing[0]), "wrong")
    receiver.status = 500
    result = refresh(told, failing)
    assert result.report.failed_organizations == (failing[0],)
    assert result.failures == ()
    assert tags(told) == [NOT_SENT]
    assert [note.partition(" did")[0] for note in result.notes] == [
        "an alert was not sent: URL 1 of ALERTS"
    ]
    assert SECRET not in caplog.text + "".join(result.notes)
    receiver.status = 200
    for _ in range(2):
        refresh(told, failing)
    assert receiver.titles == ["Booking assets: 1 organization failed"]


def test_a_sensor_tells_of_a_run_that_nobody_told_of(
    told: Site, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(token_variable(told.slugs[0]), "wrong")
    failed = told.run("collect").run_id
    # As after a restart of the daemon, which evaluates it again.
    answers = [sense(told, failed) for _ in range(2)]
    assert answers == ["what changed was told", "somebody was told, or the run's starter tells"]
    monkeypatch.setenv(token_variable(told.slugs[0]), told.tenants[0].token)
    sense(told, told.run("collect").run_id)
    assert receiver.titles == [
        "Booking assets: 1 organization failed",
        "Booking assets: 1 organization working again",
    ]


def test_a_sensor_and_a_command_never_tell_the_same_twice(
    told: Site, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(token_variable(told.slugs[0]), "wrong")
    refresh(told)
    for run in told.instance.get_runs():
        sense(told, run.run_id)
    # Nor of the same failure in a run of the daemon.
    sense(told, told.run("collect").run_id)
    assert receiver.titles == ["Booking assets: 1 organization failed"]


def test_a_sensor_leaves_a_command_that_still_runs_alone(told: Site, receiver: Receiver) -> None:
    run = told.run("collect", tags=starter_tags(told.settings))
    assert sense(told, run.run_id).startswith("somebody was told, or")
    assert tags(told) == [BY_STARTER]


def test_a_sensor_tells_of_a_command_that_was_killed(
    new_site: Callable[..., Site], receiver: Receiver
) -> None:
    site = new_site(durable=True)
    site = replace(site, settings=telling(site))
    run = site.instance.create_run_for_job(
        site.definitions.resolve_job_def("collect"),
        status=dg.DagsterRunStatus.STARTED,
        tags={**starter_tags(site.settings), PROCESS_TAG: f"{socket.gethostname()}/1-dead.lock"},
    )
    (Path(site.instance.root_directory) / "processes").mkdir()
    assert end_dead_runs(site.instance) == [run.run_id]
    assert tags(site) == [KILLED]
    sense(site, run.run_id)
    (message,) = receiver.messages
    assert "The process of this run was killed: run it again" in message["message"]


def test_a_failure_of_an_unknown_kind_is_told_by_its_name_alone(told: Site) -> None:
    @dg.op
    def fail() -> None:
        raise ValueError("the title of an event")

    @dg.job
    def failing() -> None:
        fail()

    result = failing.execute_in_process(raise_on_error=False)
    (event,) = result.get_step_failure_events()
    assert step_failure(event) == "ValueError; see the Dagster UI"
    assert step_failure(event, unknown=True) == "ValueError: the title of an event"


@pytest.mark.parametrize(
    "error",
    [
        WarehouseBusy("The warehouse is busy: wait"),
        SettingsError("names.csv", ("line 2: correct",)),
    ],
)
def test_a_failure_of_a_known_kind_is_told_in_full_without_its_class(error: Exception) -> None:
    @dg.op
    def fail() -> None:
        raise error

    @dg.job
    def failing() -> None:
        fail()

    result = failing.execute_in_process(raise_on_error=False)
    (event,) = result.get_step_failure_events()
    assert step_failure(event) == step_failure(event, unknown=True) == str(error)


@pytest.mark.parametrize("enabled", [True, False])
def test_one_switch_turns_the_sensors_on(told: Site, enabled: bool) -> None:
    schedules = told.settings.schedules.model_copy(update={"enabled": enabled})
    site = replace(told, settings=told.settings.model_copy(update={"schedules": schedules}))
    for name in SENSORS.values():
        status = site.definitions.resolve_sensor_def(name).default_status
        assert (status == dg.DefaultSensorStatus.RUNNING) == enabled


def test_nothing_is_sent_or_tagged_where_nobody_is_named(
    site: Site, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(token_variable(site.slugs[0]), "wrong")
    assert not refresh(site, site.slugs[:1]).is_complete
    assert receiver.messages == []
    assert [run for run in site.instance.get_runs() if ALERT_TAG in run.tags] == []
    names = {sensor.name for sensor in site.definitions.sensors or []}
    assert names.isdisjoint(SENSORS.values())
