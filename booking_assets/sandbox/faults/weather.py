"""Weather: a server that fails, stalls, breaks off or asks to slow down, and means no harm.

What lives here: faults by share of the requests, limits, and outages.
What must not: wrong data in an answer that looks right (`paging`, `moving`), broken connections
themselves (`delivery`).
Read more: `docs/sandbox.md`, "Faults".
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from random import Random
from typing import TypeAlias

from starlette.responses import HTMLResponse, PlainTextResponse, Response

from booking_assets.sandbox import answers
from booking_assets.sandbox.faults import delivery
from booking_assets.sandbox.faults.bodies import with_body
from booking_assets.sandbox.faults.contract import Asked, Forward, Handler, Setup

_PAGE = "<!DOCTYPE html><html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"
_FAILURES = (
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)

Refusal: TypeAlias = Callable[[int], Response]
"""What a limit answers, given the whole seconds to wait."""


@dataclass(frozen=True)
class Limit:
    """So many requests in a window of so many seconds, an organization."""

    requests: int
    seconds: float


@dataclass(frozen=True)
class Outage:
    """So many seconds from the `first` request on (1 is the first of all)."""

    seconds: float
    first: int


def error_rate(share: float, setup: Setup) -> Handler:
    """Answers 500 as the API does, or 502, 503, 504 as a gateway before it does."""
    return _sometimes(share, setup, lambda _, chance: _failure(chance.choice(_FAILURES)))


def html_rate(share: float, setup: Setup) -> Handler:
    """A page for people, with status 200."""
    return _sometimes(share, setup, lambda *_: HTMLResponse(_PAGE.format("Maintenance")))


def truncate_rate(share: float, setup: Setup) -> Handler:
    """Half of a body whose whole was promised."""
    return _sometimes(share, setup, lambda answer, _: delivery.cut(answer))


def truncate_silently_rate(share: float, setup: Setup) -> Handler:
    """Half of a body, promised and delivered as if it were the whole."""
    return _sometimes(share, setup, lambda answer, _: _half(answer))


def reset_rate(share: float, setup: Setup) -> Handler:
    """Half of a body, then a reset."""
    return _sometimes(share, setup, lambda answer, _: delivery.reset(answer))


def slow(bytes_per_second: float) -> Handler:
    """Every body at a trickle."""

    async def handle(asked: Asked, forward: Forward) -> Response:
        return delivery.slow(await forward(asked), bytes_per_second)

    return handle


def latency(seconds: float) -> Handler:
    """A wait before every answer."""

    async def handle(asked: Asked, forward: Forward) -> Response:
        await asyncio.sleep(seconds)
        return await forward(asked)

    return handle


def limited(limit: Limit, refusal: Refusal, setup: Setup) -> Handler:
    """Refuses what is more than the limit until the window, which opens with a request, is over."""
    opened: dict[str, float] = {}
    used: dict[str, int] = {}

    async def handle(asked: Asked, forward: Forward) -> Response:
        slug = asked.tenant.slug if asked.tenant else ""
        now = setup.seconds()
        if slug not in opened or now - opened[slug] >= limit.seconds:
            opened[slug], used[slug] = now, 0
        used[slug] += 1
        if used[slug] <= limit.requests:
            return await forward(asked)
        return refusal(math.ceil(opened[slug] + limit.seconds - now))

    return handle


def always_limited(seconds: int) -> Handler:
    """Refuses everything, and promises each time that it will not last."""

    async def handle(asked: Asked, forward: Forward) -> Response:  # noqa: ARG001 - a handler's
        return too_many_requests(seconds)

    return handle


def too_many_requests(wait: int) -> Response:
    """429 with the wait in seconds."""
    return _too_many_requests(str(wait))


def too_many_requests_until(wait: int) -> Response:
    """429 with the end of the wait as an HTTP date, which knows no fractions of a second."""
    until = datetime.now(UTC) + timedelta(seconds=wait)
    return _too_many_requests(format_datetime(until, usegmt=True))


def rate_limit_exceeded(wait: int) -> Response:  # noqa: ARG001 - says nothing of it
    """403 as the vendor's documents of the second API have it: no word of how long to wait."""
    answer = answers.problem(HTTPStatus.FORBIDDEN, "Rate Limit Exceeded")
    answer.headers["X-Request-Cost"] = "1"
    answer.headers["X-Rate-Limit-Remaining"] = "0"
    return answer


def quota_exceeded(wait: int) -> Response:  # noqa: ARG001 - says nothing of it
    """403 as the vendor's conventions have it."""
    headers = {"X-Request-Quota-Remaining": "0"}
    return PlainTextResponse("Quota Exceeded", HTTPStatus.FORBIDDEN, headers)


def downtime(outage: Outage, setup: Setup) -> Handler:
    """503 for everything."""
    requests = 0
    ends = math.inf

    async def handle(asked: Asked, forward: Forward) -> Response:
        nonlocal requests, ends
        requests += 1
        now = setup.seconds()
        if requests == outage.first:
            ends = now + outage.seconds
        if requests >= outage.first and now < ends:
            return _failure(HTTPStatus.SERVICE_UNAVAILABLE)
        return await forward(asked)

    return handle


def _sometimes(
    share: float, setup: Setup, spoiled: Callable[[Response, Random], Response]
) -> Handler:
    async def handle(asked: Asked, forward: Forward) -> Response:
        chance = setup.chance(asked)
        strikes = chance.random() < share
        answer = await forward(asked)
        return spoiled(answer, chance) if strikes else answer

    return handle


def _half(answer: Response) -> Response:
    body = bytes(answer.body)
    return with_body(answer, body[: len(body) // 2])


def _failure(status: HTTPStatus) -> Response:
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return answers.problem(status, "The connection to the database was lost.")
    return HTMLResponse(_PAGE.format(status.phrase), status)


def _too_many_requests(retry_after: str) -> Response:
    headers = {"Retry-After": retry_after}
    return PlainTextResponse("Too many requests.", HTTPStatus.TOO_MANY_REQUESTS, headers)
