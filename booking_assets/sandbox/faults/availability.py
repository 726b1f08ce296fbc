"""Faults of a server that fails, is slow, limits requests, breaks off or refuses credentials.

Wrong data in a response that looks right is in `data`.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from random import Random
from typing import Any, Self, cast

from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from booking_assets.sandbox import responses
from booking_assets.sandbox.faults.contract import (
    SECONDS,
    SHARE,
    FaultContext,
    FaultRequest,
    Forward,
    Handler,
    Value,
    one_of,
    switch,
)
from booking_assets.sandbox.resources import RESOURCES

_CONNECTION = "sandbox.connection"
_PAGE = "<!DOCTYPE html><html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"
_FAILURES = (
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


def _pair(text: str) -> tuple[float, float]:
    first, _, second = text.partition("/")
    return float(first), float(second or "1")


LIMIT = Value(
    "REQUESTS[/SECONDS]",
    "REQUESTS is a whole number, SECONDS (1) a number above 0",
    _pair,
    lambda limit: limit[0] >= 0 and limit[0].is_integer() and SECONDS.holds(limit[1]),
)
OUTAGE = Value(
    "SECONDS[/FIRST]",
    "SECONDS is a number above 0, FIRST (1) a whole number above 0",
    _pair,
    lambda outage: SECONDS.holds(outage[0]) and outage[1] > 0 and outage[1].is_integer(),
)
OPERATIONS = ("collect", "count", "search", "download", "retrieve")
SCOPE = one_of("SCOPE", "all", *(resource.name for resource in RESOURCES), *OPERATIONS)


class BreakableProtocol(H11Protocol):
    """HTTP/1.1 whose requests carry their connection as an ASGI extension."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        serve = self.app

        async def with_connection(scope: Any, receive: Any, send: Any) -> None:
            scope["extensions"] = {_CONNECTION: self.transport}
            await serve(scope, receive, send)

        self.app = with_connection


class CutResponse(Response):
    """Half of a response whose headers promise the whole, then the end of the connection."""

    @classmethod
    def of(cls, response: Response) -> Self:
        """The response, cut off."""
        return cls(bytes(response.body), response.status_code, dict(response.headers))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the half."""
        start = {"status": self.status_code, "headers": self.raw_headers}
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.start", **start})
        await send({"type": "http.response.body", "body": half, "more_body": True})
        self.disconnect(cast("asyncio.Transport", scope["extensions"][_CONNECTION]))
        # Until the server has noticed that the connection is gone: it logs an error otherwise.
        while (await receive())["type"] != "http.disconnect":
            pass

    def disconnect(self, connection: asyncio.Transport) -> None:
        """End the connection."""
        connection.close()


@switch(OUTAGE, everywhere=True)
def downtime(outage: tuple[float, float], context: FaultContext) -> Handler:
    """503 for everything, health and tokens too, from request FIRST on for SECONDS."""
    seconds, first = outage
    requests, ends = 0, math.inf

    async def handle(request: FaultRequest, forward: Forward) -> Response:
        nonlocal requests, ends
        requests += 1
        now = context.seconds()
        if requests == first:
            ends = now + seconds
        if requests >= first and now < ends:
            return _failure(HTTPStatus.SERVICE_UNAVAILABLE)
        return await forward(request)

    return handle


@switch(SECONDS)
def latency(seconds: float, _: FaultContext) -> Handler:
    """Each response waits so long."""

    async def handle(request: FaultRequest, forward: Forward) -> Response:
        await asyncio.sleep(seconds)
        return await forward(request)

    return handle


@switch(LIMIT)
def throttle(limit: tuple[float, float], context: FaultContext) -> Handler:
    """More requests than that in a window of SECONDS: 429, Retry-After in seconds."""
    requests, seconds = limit
    opened: dict[str, float] = {}
    used: Counter[str] = Counter()

    async def handle(request: FaultRequest, forward: Forward) -> Response:
        slug = request.tenant.slug if request.tenant else ""
        now = context.seconds()
        # A window opens with a request.
        if slug not in opened or now - opened[slug] >= seconds:
            opened[slug], used[slug] = now, 0
        used[slug] += 1
        if used[slug] <= requests:
            return await forward(request)
        headers = {"Retry-After": str(math.ceil(opened[slug] + seconds - now))}
        return PlainTextResponse("Too many requests.", HTTPStatus.TOO_MANY_REQUESTS, headers)

    return handle


@switch(SHARE)
def truncate_rate(share: float, context: FaultContext) -> Handler:
    """Share of responses cut in half, Content-Length promising the whole."""
    return sometimes(share, context, lambda response, _: CutResponse.of(response))


@switch(SHARE)
def html_rate(share: float, context: FaultContext) -> Handler:
    """Share of responses that are an HTML page with status 200."""
    return sometimes(share, context, lambda *_: HTMLResponse(_PAGE.format("Maintenance")))


@switch(SHARE)
def error_rate(share: float, context: FaultContext) -> Handler:
    """Share of responses that are 500, 502, 503 or 504."""
    return sometimes(share, context, lambda _, chance: _failure(chance.choice(_FAILURES)))


@switch(SCOPE)
def unauthorized(scope: str, _: FaultContext) -> Handler:
    """401 with JSON and X-Authentication-Failed for a resource, an operation or all."""
    return _refused(scope, lambda: responses.refused_token("The token has been revoked."))


@switch(SCOPE)
def forbidden(scope: str, _: FaultContext) -> Handler:
    """403 without a body for a resource, an operation or all."""
    return _refused(scope, lambda: Response(None, HTTPStatus.FORBIDDEN))


@switch(SCOPE)
def not_found(scope: str, _: FaultContext) -> Handler:
    """404 without a body for a resource, an operation or all."""
    return _refused(scope, lambda: Response(None, HTTPStatus.NOT_FOUND))


def sometimes(
    share: float, context: FaultContext, fail: Callable[[Response, Random], Response]
) -> Handler:
    """Replace a share of the responses."""

    async def handle(request: FaultRequest, forward: Forward) -> Response:
        chance = context.chance(request)
        strikes = chance.random() < share
        response = await forward(request)
        return fail(response, chance) if strikes else response

    return handle


def _refused(scope: str, refuse: Callable[[], Response]) -> Handler:
    async def handle(request: FaultRequest, forward: Forward) -> Response:
        resource = request.resource.name if request.resource else ""
        return refuse() if scope in {"all", resource, request.operation} else await forward(request)

    return handle


def _failure(status: HTTPStatus) -> Response:
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return responses.problem(status, "The connection to the database was lost.")
    return HTMLResponse(_PAGE.format(status.phrase), status)
