"""Sending one request: cookies, redirects, timeouts, the log and the count of bytes."""

from __future__ import annotations

import gzip
import logging

import pytest

from booking_assets.api.authentication import Token
from booking_assets.api.client import BookingClient, open_http
from booking_assets.api.errors import Redirected, Unavailable
from booking_assets.api.retry import RetryPolicy
from booking_assets_tests.api.conftest import ClientFactory
from booking_assets_tests.api.server import Received, Reply, ScriptedServer, json_reply

SEVEN = json_reply({"Count": 7})


def test_a_cookie_is_never_sent_with_another_organizations_request(
    make_client: ClientFactory, server: ScriptedServer
) -> None:
    server.script(
        json_reply({"Count": 7}, headers={"Set-Cookie": "InSite.WebToken=acme; Path=/"}), SEVEN
    )
    make_client(organization="acme").count()
    make_client(organization="globex", credential=Token("other")).count()
    assert [request.headers["Cookie"] for request in server.received] == [None, None]


def test_a_redirect_is_not_followed(client: BookingClient, server: ScriptedServer) -> None:
    server.script(Reply(307, headers={"Location": f"{server.base_url}/elsewhere"}), SEVEN)
    with pytest.raises(Redirected, match=r"to http on the same host.*Set base_url"):
        client.count()
    assert len(server.received) == 1


def test_a_slow_body_is_given_up_after_the_timeout_of_a_response(
    make_client: ClientFactory, server: ScriptedServer
) -> None:
    # Each byte arrives within the timeout of one read, the whole body does not.
    server.script(Reply(200, b" " * 10_000, drip_seconds=0.02))
    with open_http(timeout_seconds=0.2) as http:
        client = make_client(http=http, retry=RetryPolicy(attempts=1))
        with pytest.raises(Unavailable, match=r"not complete after 0.2 s"):
            client.count()


def test_a_silent_server_is_given_up(make_client: ClientFactory, server: ScriptedServer) -> None:
    server.script(Reply(200, b"  ", drip_seconds=0.5))
    with open_http(timeout_seconds=0.1) as http:
        client = make_client(http=http, retry=RetryPolicy(attempts=1))
        with pytest.raises(Unavailable, match="ReadTimeout"):
            client.count()


def test_a_closed_client_repeats_no_request_and_logs_no_failure(
    make_client: ClientFactory, server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    with open_http(timeout_seconds=5) as http:
        client = make_client(http=http)

        def close(_: Received) -> Reply:
            http.close()
            return SEVEN

        server.route("/booking/events/count", close)
        with pytest.raises(Unavailable, match=r"after 1 attempt .*ReadError"):
            client.count()
    with pytest.raises(Unavailable, match=r"after 1 attempt .*the HTTP client is closed"):
        client.count()
    assert len(server.received) == 1
    assert caplog.records == []


def test_a_request_is_logged_in_one_debug_line_with_its_rate_limits(
    client: BookingClient, server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.script(
        json_reply({"Count": 7}, headers={"X-Rate-Limit-Remaining": "41", "X-Other": "quiet"})
    )
    with caplog.at_level(logging.DEBUG, logger="booking_assets"):
        client.count()
    (line,) = (r.getMessage() for r in caplog.records if r.name == "booking_assets.api.transport")
    assert line.startswith("acme: events: count: 200 in ")
    assert line.endswith("{'x-rate-limit-remaining': '41'}")


def test_a_compressed_response_is_counted_before_decompression(
    client: BookingClient, server: ScriptedServer
) -> None:
    packed = gzip.compress(b'{"Count":' + b" " * 5000 + b"7}")
    server.script(Reply(200, packed, {"Content-Encoding": "gzip"}))
    assert client.count() == 7
    assert client.usage.bytes_received == len(packed)
