"""Fixtures: a scripted server, the shared HTTP client, and a fake clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import pytest

from booking_assets.api.authentication import Token
from booking_assets.api.client import BookingClient, open_http
from booking_assets.api.retry import RetryPolicy, silence_stamina
from booking_assets_tests.api.server import ScriptedServer, running_server

ACME = UUID("123e4567-e89b-12d3-a456-426614174000")
EXACT = RetryPolicy(
    attempts=4,
    timeout_seconds=100,
    wait_initial_seconds=1,
    wait_max_seconds=30,
    wait_jitter_seconds=0,
)


class Clock:
    """A fake clock that advances only by `sleep`; records the sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.sleeps: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


ClientFactory = Callable[..., BookingClient]


@pytest.fixture(scope="session")
def running() -> Iterator[ScriptedServer]:
    with running_server() as server:
        yield server


@pytest.fixture
def server(running: ScriptedServer) -> ScriptedServer:
    running.reset()
    return running


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    with open_http(timeout_seconds=5) as http:
        yield http


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Replaces the clock and the sleep of tenacity, which stamina uses, and no other clock."""
    clock = Clock()
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=clock.sleep))
    monkeypatch.setattr("tenacity.time", SimpleNamespace(monotonic=clock))
    return clock


@pytest.fixture(autouse=True)
def _quiet_stamina() -> None:
    silence_stamina()


@pytest.fixture
def make_client(server: ScriptedServer, http: httpx.Client, clock: Clock) -> ClientFactory:
    """Creates clients of the scripted server; keywords override the defaults."""

    def make(**overrides: Any) -> BookingClient:
        arguments: dict[str, Any] = {
            "base_url": server.base_url,
            "organization": "acme",
            "identifier": ACME,
            "credential": Token("opaque-token"),
            "http": http,
            "retry": EXACT,
            "clock": clock,
        }
        return BookingClient(**{**arguments, **overrides})

    return make


@pytest.fixture
def client(make_client: ClientFactory) -> BookingClient:
    return make_client()
