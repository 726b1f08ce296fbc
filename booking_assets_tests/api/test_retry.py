"""Which failures are retried, how long the client waits, and when it gives up."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest

from booking_assets.api.client import BookingClient
from booking_assets.api.errors import (
    Forbidden,
    MalformedBody,
    RateLimited,
    RequestRejected,
    TransientError,
    Unauthorized,
    Unavailable,
)
from booking_assets.api.retry import RetryPolicy
from booking_assets_tests.api.conftest import EXACT, ClientFactory, Clock
from booking_assets_tests.api.server import Reply, ScriptedServer, json_reply

SEVEN = json_reply({"Count": 7})

RETRIED = {
    "408": Reply(408),
    "425": Reply(425),
    "429": Reply(429),
    "500": Reply(500),
    "502 HTML": Reply(502, b"<h1>Bad Gateway</h1>", {"Content-Type": "text/html"}),
    "503": Reply(503),
    "504": Reply(504),
    "403 rate limit": Reply(403, b"Quota Exceeded"),
    "HTML with 200": Reply(200, b"<html>Sign in</html>", {"Content-Type": "text/html"}),
    "a truncated body": Reply(200, b'{"Cou', missing_bytes=5),
    "a truncated JSON": Reply(200, b'{"Cou'),
    "an empty body": Reply(200),
    "a reset connection": Reply(reset=True),
    "invalid gzip": Reply(200, b"not gzip", {"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("reply", RETRIED.values(), ids=RETRIED)
def test_a_transient_failure_is_retried(
    client: BookingClient, server: ScriptedServer, clock: Clock, reply: Reply
) -> None:
    server.script(reply, SEVEN)
    assert client.count() == 7
    assert (len(server.received), clock.sleeps) == (2, [1])


NOT_RETRIED = {
    "400": (Reply(400), RequestRejected),
    "401": (Reply(401), Unauthorized),
    "403": (Reply(403), Forbidden),
    "406": (Reply(406), RequestRejected),
    "500 by an illegal sort": (
        json_reply({"Detail": "cannot sort by EventId"}, 500),
        RequestRejected,
    ),
}


@pytest.mark.parametrize(("reply", "kind"), NOT_RETRIED.values(), ids=NOT_RETRIED)
def test_a_permanent_failure_is_not_retried(
    client: BookingClient, server: ScriptedServer, clock: Clock, reply: Reply, kind: type[Exception]
) -> None:
    server.script(reply)
    with pytest.raises(kind):
        client.count()
    assert (len(server.received), clock.sleeps) == (1, [])


def test_waits_double_until_attempts_run_out(
    client: BookingClient, server: ScriptedServer, clock: Clock
) -> None:
    server.script(Reply(503, b"maintenance"))
    with pytest.raises(Unavailable) as caught:
        client.count()
    assert clock.sleeps == [1, 2, 4]
    assert (caught.value.attempts, caught.value.seconds, caught.value.status) == (4, 7, 503)
    assert str(caught.value) == (
        "acme: events: count was given up after 4 attempts in 7 s (HTTP 503: maintenance). "
        "Run it again later; if it persists, check base_url and the API's health page."
    )


def test_attempts_end_when_time_runs_out(
    make_client: ClientFactory, server: ScriptedServer, clock: Clock
) -> None:
    server.script(Reply(503))
    policy = replace(EXACT, attempts=1000, timeout_seconds=60)
    with pytest.raises(Unavailable):
        make_client(retry=policy).count()
    assert sum(clock.sleeps) < policy.timeout_seconds + policy.wait_max_seconds
    assert len(server.received) < 10


def test_retry_after_in_seconds_replaces_the_backoff(
    client: BookingClient, server: ScriptedServer, clock: Clock
) -> None:
    server.script(Reply(429, headers={"Retry-After": "17"}), SEVEN)
    assert client.count() == 7
    assert clock.sleeps == [17]


def test_retry_after_as_a_date_replaces_the_backoff(
    client: BookingClient, server: ScriptedServer, clock: Clock
) -> None:
    headers = {
        "Date": "Wed, 21 Oct 2015 07:28:00 GMT",
        "Retry-After": "Wed, 21 Oct 2015 07:28:42 GMT",
    }
    server.script(Reply(503, headers=headers), SEVEN)
    assert client.count() == 7
    assert clock.sleeps == [42]


def test_retry_after_of_zero_uses_the_backoff(
    client: BookingClient, server: ScriptedServer, clock: Clock
) -> None:
    server.script(Reply(429, headers={"Retry-After": "0"}), SEVEN)
    client.count()
    assert clock.sleeps == [1]


def test_retry_after_beyond_the_remaining_time_fails_at_once(
    client: BookingClient, server: ScriptedServer, clock: Clock
) -> None:
    server.script(Reply(429, b"come back tomorrow", headers={"Retry-After": "86400"}))
    with pytest.raises(RateLimited, match=r"after 1 attempt in 0 s .*tomorrow") as caught:
        client.count()
    assert isinstance(caught.value, TransientError)
    assert clock.sleeps == []


def test_retry_after_gets_a_jitter(
    make_client: ClientFactory, server: ScriptedServer, clock: Clock
) -> None:
    server.script(Reply(429, headers={"Retry-After": "10"}), SEVEN)
    make_client(retry=replace(EXACT, wait_jitter_seconds=5)).count()
    assert 10 <= clock.sleeps[0] <= 15


def test_a_page_that_cannot_be_decoded_is_requested_again(
    client: BookingClient, server: ScriptedServer
) -> None:
    bodies: list[bytes] = []

    def decode(body: bytes) -> int:
        bodies.append(body)
        if body == b"[1, 2":
            raise MalformedBody("the page is truncated")
        return len(body)

    server.script(Reply(200, b"[1, 2"), Reply(200, b"[1, 2]"))
    assert client.collect(1, 2, decode).content == 6
    assert bodies == [b"[1, 2", b"[1, 2]"]


def test_a_page_that_can_never_be_decoded_ends_in_unavailable_with_the_reason(
    client: BookingClient, server: ScriptedServer
) -> None:
    def decode(body: bytes) -> int:
        raise MalformedBody("not an array")

    server.script(Reply(200, b"{}"))
    with pytest.raises(Unavailable, match=r"collect page 5 .*HTTP 200: not an array"):
        client.collect(5, 2, decode)


WRONG_SHAPES = {
    "text instead of a number": {"Count": "seven"},
    "a list": [7],
    "another member": {"Total": 7},
}


@pytest.mark.parametrize("body", WRONG_SHAPES.values(), ids=WRONG_SHAPES)
def test_a_count_of_a_wrong_shape_is_requested_again_twice_and_no_more(
    make_client: ClientFactory, server: ScriptedServer, clock: Clock, body: object
) -> None:
    server.script(json_reply(body))
    with pytest.raises(Unavailable, match=r"after 3 attempts .*HTTP 200: ") as caught:
        make_client(retry=RetryPolicy(wait_jitter_seconds=0)).count()
    assert caught.value.attempts == len(server.received) == 3
    assert sum(clock.sleeps) < 3


def test_a_wrong_shape_that_does_not_stay_is_survived(
    client: BookingClient, server: ScriptedServer
) -> None:
    server.script(json_reply({"error": "busy"}), json_reply([]), SEVEN)
    assert client.count() == 7


def test_a_truncated_count_is_requested_as_often_as_the_policy_allows(
    make_client: ClientFactory, server: ScriptedServer
) -> None:
    server.script(*[Reply(200, b'{"Count": ')] * 8, SEVEN)
    assert make_client(retry=RetryPolicy(wait_jitter_seconds=0)).count() == 7
    assert len(server.received) == 9


def test_another_exception_of_the_decoder_is_not_retried(
    client: BookingClient, server: ScriptedServer
) -> None:
    def decode(body: bytes) -> int:
        raise KeyError(body)

    server.script(Reply(200, b"[]"))
    with pytest.raises(KeyError):
        client.collect(1, 2, decode)
    assert len(server.received) == 1


def test_a_closed_port_ends_in_unavailable(make_client: ClientFactory, clock: Clock) -> None:
    # No process listens on port 1 of the loopback.
    client = make_client(base_url="http://127.0.0.1:1")
    with pytest.raises(Unavailable, match="ConnectError") as caught:
        client.count()
    assert caught.value.status is None
    assert len(clock.sleeps) == 3


def test_each_retry_is_logged_as_a_warning_with_its_reason(
    client: BookingClient, server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.script(Reply(503, b"busy"), Reply(429, headers={"Retry-After": "3"}), SEVEN)
    with caplog.at_level(logging.WARNING):
        client.count()
    assert [record.getMessage() for record in caplog.records] == [
        "acme: events: count: attempt 1 of 4 failed (status 503: busy); retrying with backoff",
        "acme: events: count: attempt 2 of 4 failed (status 429: Too Many Requests); "
        "retrying in 3 s (Retry-After)",
    ]


def test_a_retry_prints_nothing(
    client: BookingClient, server: ScriptedServer, capfd: pytest.CaptureFixture[str]
) -> None:
    server.script(Reply(503), SEVEN)
    client.count()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("policy", [{"attempts": 0}, {"timeout_seconds": 0}])
def test_a_policy_without_an_attempt_is_rejected(policy: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least one attempt"):
        RetryPolicy(**policy)
