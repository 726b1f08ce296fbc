"""A sandbox with faults, and a client for it that reads pages as the project's own client does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from booking_assets.sandbox.server import SandboxServer
from booking_assets.sandbox.tenants import Tenant
from booking_assets.sandbox.world import World
from booking_assets_tests.commands import SECONDS
from booking_assets_tests.faults.server import FaultySandbox

EVENTS = "/booking/events"
SORT = "EventIdentifier"
SIZE = 20


@dataclass(frozen=True)
class View:
    """A running sandbox, seen by one of its tenants."""

    server: SandboxServer
    tenant: Tenant
    client: httpx.Client

    def ask(self, operation: str, **filter_: Any) -> httpx.Response:
        return self.client.post(f"{EVENTS}/{operation}", json={"Filter": filter_})

    def page(self, page: int, size: int = SIZE, sort: str = SORT) -> httpx.Response:
        return self.ask("collect", Page=page, PageSize=size, Sort=sort)

    def rows(self, page: int, size: int = SIZE, sort: str = SORT) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.page(page, size, sort).json()
        return rows

    def identifiers(self, page: int, size: int = SIZE, sort: str = SORT) -> list[str]:
        return [row["EventIdentifier"] for row in self.rows(page, size, sort)]

    def all_pages(self) -> list[str]:
        """The identifiers of page after page, until one is empty."""
        found: list[str] = []
        for page in range(1, 20):
            identifiers = self.identifiers(page)
            if not identifiers:
                break
            found += identifiers
        return found

    def count(self) -> int:
        return int(self.ask("count").json()["Count"])

    def as_tenant(self, tenant: Tenant) -> View:
        headers = {"Authorization": f"Bearer {tenant.token}"}
        self.client.headers.update(headers)
        return View(self.server, tenant, self.client)


Start = Callable[..., View]


def total(answer: httpx.Response) -> int:
    return int(json.loads(answer.headers["x-query-pagination"])["TotalCount"])


@pytest.fixture(scope="package")
def world(sandbox: SandboxServer) -> World:
    return sandbox.world


@pytest.fixture
def start(world: World) -> Iterator[Start]:
    """Starts a sandbox with the given switches; its first tenant asks."""
    servers: list[FaultySandbox] = []
    with ExitStack() as stack:
        stack.callback(_stop_all, servers)

        def started(
            *switches: str, seed: int = 0, clock: Callable[[], float] = time.monotonic
        ) -> View:
            server = FaultySandbox(world, *switches, seed=seed, seconds=clock)
            server.__enter__()
            servers.append(server)
            return stack.enter_context(viewed(server))

        yield started


@pytest.fixture
def sound(sandbox: SandboxServer) -> Iterator[View]:
    """The same sandbox without faults."""
    with viewed(sandbox) as view:
        yield view


@contextmanager
def viewed(server: SandboxServer) -> Iterator[View]:
    """A server as its first tenant sees it."""
    tenant = server.world.tenants[0]
    headers = {"Authorization": f"Bearer {tenant.token}"}
    # Loading certificates, which loopback has no use for, takes longer than most tests.
    with httpx.Client(
        base_url=server.base_url, headers=headers, verify=False, timeout=SECONDS
    ) as client:
        yield View(server, tenant, client)


def _stop_all(servers: list[FaultySandbox]) -> None:
    # Each takes a tenth of a second to notice; together they take no longer.
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda server: server.__exit__(None, None, None), servers))
