"""One sandbox at rest for the tests that only ask, a client for its first tenant, and requests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from booking_assets.sandbox.server import SandboxServer
from booking_assets.sandbox.tenants import Tenant
from booking_assets.sandbox.world import generated_world
from booking_assets_tests.commands import SECONDS

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVENTS = "/booking/events"


def collect(client: httpx.Client, **filter_: Any) -> httpx.Response:
    return client.post(f"{EVENTS}/collect", json={"Filter": filter_} if filter_ else {})


def identifiers(response: httpx.Response) -> list[str]:
    return [event["EventIdentifier"] for event in response.json()]


def everything(client: httpx.Client) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = collect(client, Page=1, PageSize=0).json()
    return events


@pytest.fixture(scope="package")
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(generated_world(3, 60, seed=7, clock=lambda: NOON)) as server:
        yield server


@pytest.fixture(scope="package")
def tenant(sandbox: SandboxServer) -> Tenant:
    return sandbox.world.tenants[0]


@pytest.fixture(scope="package")
def client(sandbox: SandboxServer, tenant: Tenant) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {tenant.token}"}
    with httpx.Client(base_url=sandbox.base_url, headers=headers, timeout=SECONDS) as client:
        yield client


@pytest.fixture(scope="package")
def anonymous(sandbox: SandboxServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.base_url, timeout=SECONDS) as client:
        yield client
