"""The floor: the same requests with the same client, the bytes dropped."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx

from benchmarks.outcome import stopwatch, tell
from benchmarks.target import Organization, Target, count_body, page_body, target
from booking_assets.api.client import open_http


def main() -> None:
    """Fetch every page and drop it."""
    aim = target()
    elapsed = stopwatch()
    with (
        open_http(aim.timeout_seconds) as http,
        ThreadPoolExecutor(aim.max_organizations) as pool,
    ):
        fetched = list(pool.map(lambda one: _fetch(http, aim, one), aim.organizations))
    rows, received = (sum(column) for column in zip(*fetched, strict=True))
    tell(elapsed(), rows=rows, bytes=received)


def _fetch(http: httpx.Client, aim: Target, organization: Organization) -> tuple[int, int]:
    """Request the organization's count and pages, and return the count and the bytes."""
    count = _count(http, aim, organization)

    def drop(page: int) -> int:
        body = page_body(organization, page, aim.page_size)
        with http.stream(
            "POST", aim.url("collect"), json=body, headers=organization.headers
        ) as response:
            response.raise_for_status()
            return sum(map(len, response.iter_bytes()))

    with ThreadPoolExecutor(aim.max_concurrency) as pool:
        received = sum(pool.map(drop, range(1, aim.pages(count) + 1)))
    _count(http, aim, organization)
    return count, received


def _count(http: httpx.Client, aim: Target, organization: Organization) -> int:
    response = http.post(
        aim.url("count"), json=count_body(organization), headers=organization.headers
    )
    return int(response.raise_for_status().json()["Count"])


if __name__ == "__main__":
    main()
