"""An outage of the host ends in bounded time for any number of organizations."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import httpx
import pytest

from booking_assets.api import circuit_breaker
from booking_assets.api.circuit_breaker import CircuitBreaker
from booking_assets.api.client import BookingClient, open_http
from booking_assets.api.errors import BookingError, Forbidden, Unavailable
from booking_assets.api.http_client import HttpClient
from booking_assets.api.retry import RetryableError, RetryPolicy
from booking_assets_tests.api.conftest import ClientFactory, Clock
from booking_assets_tests.api.server import Reply, ScriptedServer, json_reply
from booking_assets_tests.commands import SECONDS

CLOSED_PORT = "http://127.0.0.1:1"
SEVEN = json_reply({"Count": 7})
SharedFactory = Callable[[str, str], BookingClient]
STEADY = RetryPolicy(wait_jitter_seconds=0)
"""The default policy, without its random part."""


@pytest.fixture
def make_shared(make_client: ClientFactory, clock: Clock) -> Iterator[SharedFactory]:
    """Creates clients that share an HTTP client whose breakers use the fake clock."""
    with open_http(timeout_seconds=5) as http:

        def make(organization: str, base_url: str) -> BookingClient:
            http._breakers.setdefault(httpx.URL(base_url).netloc, CircuitBreaker(clock))
            return make_client(
                organization=organization, base_url=base_url, http=http, retry=STEADY
            )

        yield make


def fail(breaker: CircuitBreaker, organization: str, error: Exception) -> None:
    with breaker.request(organization):
        raise error


def error_of(client: BookingClient) -> BookingError | None:
    try:
        client.count()
    except BookingError as error:
        return error
    return None


OUTAGES = {
    "503": Reply(503, b"maintenance"),
    "502 HTML": Reply(502, b"<h1>Bad Gateway</h1>"),
    "504": Reply(504),
    "a reset connection": Reply(reset=True),
}


@pytest.mark.parametrize("organizations", [1, 2, 16, 1000])
def test_any_number_of_organizations_on_a_closed_port_end_within_200_seconds(
    make_shared: SharedFactory, clock: Clock, organizations: int
) -> None:
    started = clock()
    for number in range(organizations):
        error = error_of(make_shared(f"org-{number}", CLOSED_PORT))
        assert isinstance(error, Unavailable)
        assert "ConnectError" in error.detail
    assert 120 <= clock() - started <= 200
    assert organizations == 1 or "no response for" in str(error)


@pytest.mark.parametrize("reply", OUTAGES.values(), ids=OUTAGES)
def test_other_outages_end_within_200_seconds_and_few_requests(
    make_shared: SharedFactory, server: ScriptedServer, clock: Clock, reply: Reply
) -> None:
    server.script(reply)
    started = clock()
    for number in range(50):
        assert isinstance(error_of(make_shared(f"org-{number}", server.base_url)), Unavailable)
    assert 120 <= clock() - started <= 200
    assert len(server.received) <= 12


@pytest.mark.parametrize("timeout", [30, 60])
def test_a_host_that_never_responds_ends_within_200_seconds(
    make_shared: SharedFactory,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    timeout: int,
) -> None:
    def hang(*_: object) -> None:
        clock.now += timeout
        raise RetryableError("ReadTimeout")

    monkeypatch.setattr("booking_assets.api.transport.Transport.send", hang)
    started = clock()
    for number in range(100):
        assert isinstance(error_of(make_shared(f"org-{number}", CLOSED_PORT)), Unavailable)
    assert clock() - started <= 200


def test_the_error_names_the_outage(make_shared: SharedFactory, clock: Clock) -> None:
    errors = [str(error_of(make_shared(slug, CLOSED_PORT))) for slug in ("acme", "globex", "umbra")]
    assert errors[2].startswith("umbra: events: count was given up after 1 attempt in 0 s (no resp")
    assert "organizations that failed: 2, last error: ConnectError: [Errno 111]" in errors[2]
    assert errors[2].endswith("check base_url and the API's health page.")


def test_a_host_that_comes_back_is_used_again(
    make_shared: SharedFactory, server: ScriptedServer, clock: Clock
) -> None:
    server.script(Reply(503))
    clients = [make_shared(f"org-{number}", server.base_url) for number in range(4)]
    assert all(isinstance(error_of(client), Unavailable) for client in clients)
    server.script(SEVEN)
    sent = len(server.received)
    assert isinstance(error_of(clients[0]), Unavailable)
    assert len(server.received) == sent
    clock.now += circuit_breaker.PROBE_SECONDS
    assert [client.count() for client in clients] == [7] * 4


def test_an_outage_shorter_than_two_minutes_fails_nobody(
    make_shared: SharedFactory, server: ScriptedServer, clock: Clock
) -> None:
    ends_at = clock() + 110
    server.route("/booking/events/count", lambda _: Reply(503) if clock() < ends_at else SEVEN)
    assert [make_shared(f"org-{number}", server.base_url).count() for number in range(4)] == [7] * 4


@pytest.mark.parametrize("reply", [Reply(500), Reply(503), Reply(reset=True), Reply(200, b"<p>")])
def test_organizations_that_fail_alone_stop_no_other(
    make_shared: SharedFactory, server: ScriptedServer, clock: Clock, reply: Reply
) -> None:
    """Each healthy organization follows one that fails for two minutes."""
    for slug in ("acme", "globex", "umbra"):
        server.script(reply)
        assert isinstance(error_of(make_shared(slug, server.base_url)), Unavailable)
        server.script(SEVEN)
        assert make_shared(f"after-{slug}", server.base_url).count() == 7


def test_a_rejection_is_a_response(
    make_shared: SharedFactory, server: ScriptedServer, clock: Clock
) -> None:
    """403, 404 and rate limits prove that the host is there."""
    breaker = CircuitBreaker(clock)
    for error in (
        Forbidden("acme", "events: count", 403, "no"),
        RetryableError("slow down", 429, throttled=True),
        RetryableError("slow down", 503, throttled=True),
        RetryableError("a defect", 500),
    ):
        for _ in range(20):
            clock.now += 60
            with pytest.raises(type(error)) as caught:
                fail(breaker, "acme", error)
            assert caught.value is error


def test_two_failures_far_apart_are_not_an_outage(clock: Clock) -> None:
    breaker = CircuitBreaker(clock)
    for organization in ("acme", "globex", "umbra"):
        with pytest.raises(RetryableError, match="ConnectError"):
            fail(breaker, organization, RetryableError("ConnectError"))
        clock.now += 1000
    with breaker.request("initech"):
        pass


def test_while_a_probe_runs_the_others_wait_for_its_result(clock: Clock) -> None:
    breaker = CircuitBreaker(clock)
    for _ in range(3):
        with pytest.raises(RetryableError):
            fail(breaker, "acme", RetryableError("ReadTimeout"))
        clock.now += 60
    probing, release = Event(), Event()

    def probe() -> str:
        with breaker.request("globex"):
            probing.set()
            assert release.wait(SECONDS)
        return "sent"

    def wait() -> str:
        with breaker.request("umbra"):
            return "sent"

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(probe)
        assert probing.wait(SECONDS)
        others = [pool.submit(wait) for _ in range(3)]
        time.sleep(0.1)
        assert not any(future.done() for future in others)
        release.set()
        assert [future.result(SECONDS) for future in (first, *others)] == ["sent"] * 4


def test_threads_of_many_organizations_end_together(
    make_client: ClientFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the real clock and a closed port, with an outage of half a second."""
    monkeypatch.undo()
    monkeypatch.setattr(circuit_breaker, "OUTAGE_SECONDS", 0.5)
    policy = RetryPolicy(attempts=100, wait_initial_seconds=0.05, wait_max_seconds=0.1)
    with open_http(timeout_seconds=2) as http:
        clients = [
            make_client(
                organization=f"org-{number}",
                base_url=CLOSED_PORT,
                http=http,
                retry=policy,
                clock=time.monotonic,
            )
            for number in range(200)
        ]
        started = time.monotonic()
        with ThreadPoolExecutor(4) as pool:
            errors = list(pool.map(error_of, clients))
    # With an outage for each, four at a time take 25 s.
    assert time.monotonic() - started < 20
    assert all(isinstance(error, Unavailable) for error in errors)


def test_all_clients_of_a_host_share_one_breaker() -> None:
    with open_http(timeout_seconds=1) as http:
        assert isinstance(http, HttpClient)
        assert http.breaker("https://a.example/v2/E01") is http.breaker("https://a.example/v3/")
        assert http.breaker("https://a.example") is not http.breaker("https://b.example")
