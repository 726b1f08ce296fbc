"""Alerts, sent to a real HTTP receiver and a real mail server on this machine."""

from __future__ import annotations

import email
import email.policy
import json
import logging
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import dagster as dg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from booking_assets.defs.alerts import (
    ALERT_TAG,
    BY_STARTER,
    KILLED,
    NOT_SENT,
    TOLD,
    send,
    starter_tags,
    step_failure,
)
from booking_assets.defs.processes import PROCESS_TAG, end_dead_runs
from booking_assets.defs.runs import RefreshResult, run_refresh
from booking_assets.pipeline.alerts import Alert
from booking_assets.pipeline.progress import NoProgress
from booking_assets.sandbox.tenants import token_variable
from booking_assets.settings import Alerts, SettingsError
from booking_assets.warehouse.errors import WarehouseBusy
from booking_assets_tests.defs.conftest import Site

ALERT = Alert("Booking assets: 1 organization failed", "acme, events: <b>no</b> *token* & such")
SECRET = "hunter2-in-the-address"
SENSORS = {True: "alert_after_run", False: "alert_after_failed_run"}


class Receiver(ThreadingHTTPServer):
    """An HTTP server that keeps what is sent to it, and answers with `status`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.messages: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.server_port}/{SECRET}"

    @property
    def titles(self) -> list[str]:
        return [one["title"] for one in self.messages]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.status == 200:
            self.server.messages.append(json.loads(body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
        pass


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with Receiver() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("ALERTS", server.url)
        yield server
        server.shutdown()
        thread.join()


class Mailbox:
    """Keeps the mails that a server gets."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        self.mails.append(email.message_from_bytes(content, policy=email.policy.default))
        return "250 OK"


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    mailbox = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Controller(mailbox, hostname="127.0.0.1", port=port)
    server.start()
    sender = "from=booking@example.org&to=ops@example.org&mode=insecure"
    monkeypatch.setenv("MAIL", f"mailto://127.0.0.1:{port}?{sender}")
    yield mailbox
    server.stop()


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


def test_a_message_reaches_a_webhook_and_a_mailbox(receiver: Receiver, mailbox: Mailbox) -> None:
    assert send(Alerts(url_env=("ALERTS", "MAIL")), ALERT) == (2, [])
    (message,), (mail,) = receiver.messages, mailbox.mails
    assert (message["title"], message["message"]) == (ALERT.title, ALERT.body)
    assert message["type"] == "failure"
    assert mail["subject"] == ALERT.title
    assert mail["to"] == "ops@example.org"
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content().strip() == ALERT.body


def test_a_variable_may_hold_several_urls(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALERTS", f"{receiver.url}\n  {receiver.url} ")
    assert send(Alerts(url_env=("ALERTS",)), ALERT) == (2, [])
    assert len(receiver.messages) == 2


FAULTS = {
    "an unknown service": (f"nope://{SECRET}", "URL 1 of ALERTS is no URL that apprise knows"),
    "no URL": (SECRET, "URL 1 of ALERTS is no URL that apprise knows"),
    "a closed port": (f"json://127.0.0.1:1/{SECRET}", "URL 1 of ALERTS did not accept the message"),
    "a closed mail port": (
        f"mailtos://u:{SECRET}@127.0.0.1:1?from=a@b.org&to=a@b.org",
        "did not accept",
    ),
    "nothing": (" ", "ALERTS is unset or blank"),
}


@pytest.mark.parametrize(("url", "fault"), FAULTS.values(), ids=FAULTS)
def test_a_failure_to_send_is_said_without_the_url(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    url: str,
    fault: str,
) -> None:
    monkeypatch.setenv("ALERTS", url)
    with caplog.at_level(logging.DEBUG):
        sent, (said,) = send(Alerts(url_env=("ALERTS",)), ALERT)
    assert sent == 0
    assert fault in said
    assert SECRET not in said + caplog.text + "".join(capfd.readouterr())


def test_a_missing_apprise_is_named_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    sent, (fault,) = send(Alerts(url_env=("ALERTS",)), ALERT)
    assert (sent, fault) == (0, "alerts need apprise: run `pip install 'booking-assets[alerts]'`")


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
