"""Pages that are requested again are sent as they were written, until a row changes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from booking_assets.sandbox import wire
from booking_assets.sandbox.application import PREFIX, application
from booking_assets.sandbox.rows import ReadyPages
from booking_assets.sandbox.world import generated_world

REQUESTS: list[dict[str, Any]] = [
    {"Page": 1, "PageSize": 10},
    {"Page": 2, "PageSize": 10},
    {"Page": 1, "PageSize": 20},
    {"Page": 1, "PageSize": 10, "Sort": "EventTitle desc"},
]
OPERATIONS = ["events/collect", "events/search", "registrations/collect"]


def post(app: ASGIApp, url: str, **sent: Any) -> httpx.Response:
    async def posted() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
            return await client.post(url, **sent)

    return asyncio.run(posted())


def test_a_kept_page_is_the_page_that_would_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 3, 2, tzinfo=UTC)
    world = generated_world(2, 30, 7, clock=lambda: now)
    kept = application(world, ready_bytes=2**20)
    written = application(world)
    bodies = set()
    for days in (0, 3, 30):
        now += timedelta(days=days)
        for tenant in world.tenants:
            headers = {"Authorization": f"Bearer {tenant.token}"}
            for operation in OPERATIONS:
                for filter_ in REQUESTS[:3] if "events" not in operation else REQUESTS:
                    sent = {"headers": headers, "json": {"Filter": filter_}}
                    url = f"{PREFIX}/booking/{operation}"
                    expected = post(written, url, **sent)
                    for _ in range(2):
                        found = post(kept, url, **sent)
                        assert found.content == expected.content
                        pagination = "x-query-pagination"
                        assert found.headers[pagination] == expected.headers[pagination]
                    bodies.add(expected.content)
    assert len(bodies) > 2 * len(OPERATIONS) * 3

    def written_again(_: list[bytes]) -> bytes:
        pytest.fail("written again")

    monkeypatch.setattr(wire, "array_of", written_again)
    last = {"headers": headers, "json": {"Filter": REQUESTS[0]}}
    assert post(kept, f"{PREFIX}/booking/registrations/collect", **last).status_code == 200


def test_kept_pages_have_at_most_their_bytes_and_the_last_requested_stay() -> None:
    pages = ReadyPages(10)
    made: list[str] = []

    def body(key: str, size: int = 4) -> bytes:
        def write() -> bytes:
            made.append(key)
            return bytes(size)

        return pages.body(key, write)

    for key in ("a", "b", "a", "c", "a", "b"):
        assert body(key) == bytes(4)
    assert made == ["a", "b", "c", "b"]
    assert body("large", 11) == bytes(11)
    assert body("large", 11) == bytes(11)
    assert made[-2:] == ["large", "large"]
