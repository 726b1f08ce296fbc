"""Alerts reach a real HTTP receiver and a real mail server, or it is said why not."""

from __future__ import annotations

import email
import email.policy
import logging
import socket
import sys
from collections.abc import Iterator
from email.message import EmailMessage

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from booking_assets.defs.alerts import (
    send,
)
from booking_assets.pipeline.alerts import Alert
from booking_assets.settings import Alerts
from booking_assets_tests.defs.receiver import SECRET, Receiver

ALERT = Alert("Booking assets: 1 organization failed", "acme, events: <b>no</b> *token* & such")


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
