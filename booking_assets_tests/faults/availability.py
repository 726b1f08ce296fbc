"""Rarer failures of a server: other rate limits, broken connections, redirects, leaked tokens."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus

import msgspec
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from booking_assets.sandbox import responses
from booking_assets.sandbox.faults.availability import (
    LIMIT,
    CutResponse,
    sometimes,
    throttle,
)
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

WAIT = Value("SECONDS", "SECONDS is a whole number above 0", int, lambda seconds: seconds > 0)
SPEED = Value("BYTES", "BYTES a second is a number above 0", float, SECONDS.holds)
REQUESTS = Value("REQUESTS", "REQUESTS is a whole number above 0", int, lambda number: number > 0)
_TICK_SECONDS = 0.02
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class ResetResponse(CutResponse):
    """Half of a response, then a TCP reset."""

    def disconnect(self, connection: asyncio.Transport) -> None:
        plug = connection.get_extra_info("socket")
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        connection.abort()


class SlowResponse(Response):
    """A whole response at a trickle."""

    bytes_per_second: float

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **headers})
        size = max(1, int(self.bytes_per_second * _TICK_SECONDS))
        body = bytes(self.body)
        for position in range(0, len(body), size):
            piece = body[position : position + size]
            await asyncio.sleep(len(piece) / self.bytes_per_second)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})


def authorization(request: FaultRequest) -> str:
    return Headers(scope=request.scope).get("authorization", "")


def authorized_by(request: FaultRequest, token: str) -> FaultRequest:
    """The same request with another token."""
    others = [item for item in request.scope["headers"] if item[0] != b"authorization"]
    headers = [*others, (b"authorization", f"Bearer {token}".encode())]
    return replace(request, scope={**request.scope, "headers": headers})


def with_body(response: Response, body: bytes) -> Response:
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    return Response(body, response.status_code, headers)


def too_many_requests(retry_after: str) -> Response:
    headers = {"Retry-After": retry_after}
    return PlainTextResponse("Too many requests.", HTTPStatus.TOO_MANY_REQUESTS, headers)


def limited(
    limit: tuple[float, float], refuse: Callable[[int], Response], context: FaultContext
) -> Handler:
    """`throttle` with another response, made of the whole seconds to wait."""
    throttled = throttle.make(limit, context)

    async def handle(request: FaultRequest, forward: Forward) -> Response:
        response = await throttled(request, forward)
        if response.status_code != HTTPStatus.TOO_MANY_REQUESTS:
            return response
        return refuse(int(response.headers["Retry-After"]))

    return handle


@switch(WAIT)
def never_lifts(seconds: int, context: FaultContext) -> Handler:
    """429 for ever, each time with Retry-After of so many seconds."""

    async def handle(request: FaultRequest, forward: Forward) -> Response:
        return too_many_requests(str(seconds))

    return handle


@switch(LIMIT)
def throttle_date(limit: tuple[float, float], context: FaultContext) -> Handler:
    """More requests than that: 429, Retry-After as an HTTP date, without fractions of a second."""

    def refuse(wait: int) -> Response:
        until = datetime.now(UTC) + timedelta(seconds=wait)
        return too_many_requests(format_datetime(until, usegmt=True))

    return limited(limit, refuse, context)


@switch(LIMIT)
def throttle_403(limit: tuple[float, float], context: FaultContext) -> Handler:
    """More requests than that: 403 Rate Limit Exceeded, without Retry-After."""

    def refuse(wait: int) -> Response:
        response = responses.problem(HTTPStatus.FORBIDDEN, "Rate Limit Exceeded")
        response.headers["X-Request-Cost"] = "1"
        response.headers["X-Rate-Limit-Remaining"] = "0"
        return response

    return limited(limit, refuse, context)


@switch(LIMIT)
def quota(limit: tuple[float, float], context: FaultContext) -> Handler:
    """More requests than that: 403 Quota Exceeded, with X-Request-Quota-Remaining."""
    headers = {"X-Request-Quota-Remaining": "0"}
    status = HTTPStatus.FORBIDDEN
    return limited(limit, lambda _: PlainTextResponse("Quota Exceeded", status, headers), context)


@switch(SHARE)
def reset_rate(share: float, context: FaultContext) -> Handler:
    """Share of responses broken in the middle by a connection reset."""
    return sometimes(share, context, lambda response, _: ResetResponse.of(response))


@switch(SHARE)
def truncate_silently_rate(share: float, context: FaultContext) -> Handler:
    """Share of responses cut in half, Content-Length fitting the half."""

    def half(response: Response) -> Response:
        body = bytes(response.body)
        return with_body(response, body[: len(body) // 2])

    return sometimes(share, context, lambda response, _: half(response))


@switch(SPEED)
def slow(bytes_per_second: float, context: FaultContext) -> Handler:
    """Each body trickles at so many bytes a second."""

    async def handle(request: FaultRequest, forward: Forward) -> Response:
        response = await forward(request)
        response = SlowResponse(bytes(response.body), response.status_code, dict(response.headers))
        response.bytes_per_second = bytes_per_second
        return response

    return handle


@switch(one_of("STATUS", "301", "302", "303", "307", "308"))
def redirect(status: str, context: FaultContext) -> Handler:
    """Every request is redirected to https."""

    async def handle(request: FaultRequest, forward: Forward) -> Response:
        location = str(Request(request.scope).url.replace(scheme="https"))
        return Response(None, int(status), {"Location": location})

    return handle


@switch(one_of("STATUS", "400", "500"))
def echo_token(status: str, context: FaultContext) -> Handler:
    """Every response is an error that repeats the Authorization header."""

    async def handle(request: FaultRequest, forward: Forward) -> Response:
        text = f"Could not handle the request with Authorization: {authorization(request)}."
        if status == "400":
            return responses.invalid_request({"": [text]})
        return responses.problem(HTTPStatus(int(status)), text)

    return handle


@switch(REQUESTS, everywhere=True)
def expiring_tokens(requests: int, context: FaultContext) -> Handler:
    """A token is refused with 401 after so many requests, until it is issued anew."""
    used: Counter[str] = Counter()

    async def handle(request: FaultRequest, forward: Forward) -> Response:
        if request.scope["path"].endswith("/security/tokens/generate"):
            response = await forward(request)
            if response.status_code == HTTPStatus.OK:
                # Two tokens of one second are the same text.
                token = msgspec.json.decode(bytes(response.body))["AccessToken"]
                used.pop(f"Bearer {token}", None)
            return response
        token = authorization(request)
        used[token] += request.resource is not None
        if used[token] > requests:
            return responses.refused_token("The token has expired.")
        return await forward(request)

    return handle
