"""Fixtures: servers of one organization each, and collections from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from booking_assets.api.authentication import Token
from booking_assets.api.client import BookingClient, open_http
from booking_assets.api.retry import RetryPolicy, silence_stamina
from booking_assets.collect.collection import Collection, Plan
from booking_assets.collect.contracts import EVENT_ROWS
from booking_assets.collect.landings import Landings
from booking_assets.pipeline.progress import NoProgress
from booking_assets_tests.collect.booking import Booking, serving
from booking_assets_tests.collect.events import ACME
from booking_assets_tests.collect.incremental import HOUR, NOW, Site

QUICK = RetryPolicy(
    attempts=3,
    timeout_seconds=5,
    wait_initial_seconds=0.001,
    wait_max_seconds=0.001,
    wait_jitter_seconds=0,
)

MakeCollection = Callable[..., Collection]


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    with open_http(timeout_seconds=30) as http:
        yield http


@pytest.fixture(autouse=True)
def _quiet_stamina() -> None:
    silence_stamina()


@pytest.fixture
def start() -> Iterator[Callable[[], Booking]]:
    """Starts a server without rows; it ends with the test."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(serving(Booking()))


@pytest.fixture
def booking(start: Callable[[], Booking]) -> Booking:
    return start()


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(
        run_id="0123456789abcdef",
        landings=Landings(tmp_path / "landing"),
        page_size=10,
        max_concurrency=2,
        attempts=3,
        max_shrink=0.5,
        allow_shrink=False,
        mode="full",
        overlap=timedelta(hours=1),
        clock=lambda: datetime.now(UTC),
        progress=NoProgress(),
    )


@pytest.fixture
def collection_from(plan: Plan, http: httpx.Client) -> MakeCollection:
    """Makes a collection from a server; keywords override the plan's and the collection's."""

    def make(
        booking: Booking, organization: str = "acme", stored_rows: int | None = None, **plans: Any
    ) -> Collection:
        client = BookingClient(
            base_url=booking.base_url,
            organization=organization,
            identifier=ACME,
            credential=Token("opaque-token"),
            http=http,
            retry=QUICK,
        )
        return Collection(
            connect=lambda: client,
            contract=EVENT_ROWS,
            organization=organization,
            identifier=ACME,
            stored_rows=lambda: stored_rows,
            plan=replace(plan, **plans),
        )

    return make


@pytest.fixture
def site(booking: Booking, collection_from: MakeCollection, tmp_path: Path) -> Site:
    booking.now = NOW
    return Site(booking, collection_from, tmp_path)


@pytest.fixture
def few(site: Site) -> Site:
    """50 events of the last 50 days, one a day."""
    for number in range(50):
        site.put(number, NOW - timedelta(days=number + 1))
    return site


@pytest.fixture
def quiet(site: Site) -> Site:
    """300 events of the last 300 days, one a day."""
    for number in range(300):
        site.put(number, NOW - timedelta(days=number + 1))
    return site


@pytest.fixture
def many(site: Site) -> Site:
    """2,000 events, one an hour."""
    for number in range(2_000):
        site.put(number, NOW - (number + 1) * HOUR)
    return site
