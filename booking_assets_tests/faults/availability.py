"""Rarer failures of a server: other rate limits, broken connections, redirects, leaked tokens."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus

import msgspec
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from booking_assets.sandbox import answers
from booking_assets.sandbox.faults.availability import (
    LIMIT,
    limited,
    sometimes,
    too_many_requests,
)
from booking_assets.sandbox.faults.contract import (
    SECONDS,
    SHARE,
    Asked,
    Forward,
    Handler,
    Setup,
    Value,
    one_of,
    switch,
)
from booking_assets.sandbox.faults.delivery import CutResponse

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


def authorization(asked: Asked) -> str:
    return Headers(scope=asked.scope).get("authorization", "")


def authorized_by(asked: Asked, token: str) -> Asked:
    """The same request with another token."""
    others = [item for item in asked.scope["headers"] if item[0] != b"authorization"]
    headers = [*others, (b"authorization", f"Bearer {token}".encode())]
    return replace(asked, scope={**asked.scope, "headers": headers})


def with_body(answer: Response, body: bytes) -> Response:
    headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
    return Response(body, answer.status_code, headers)


@switch(WAIT)
def never_lifts(seconds: int, setup: Setup) -> Handler:
    """429 for ever, each time with Retry-After of so many seconds."""

    async def handle(asked: Asked, forward: Forward) -> Response:
        return too_many_requests(str(seconds))

    return handle


@switch(LIMIT)
def throttle_date(limit: tuple[float, float], setup: Setup) -> Handler:
    """More requests than that: 429, Retry-After as an HTTP date, without fractions of a second."""

    def refuse(wait: int) -> Response:
        until = datetime.now(UTC) + timedelta(seconds=wait)
        return too_many_requests(format_datetime(until, usegmt=True))

    return limited(limit, refuse, setup)


@switch(LIMIT)
def throttle_403(limit: tuple[float, float], setup: Setup) -> Handler:
    """More requests than that: 403 Rate Limit Exceeded, without Retry-After."""

    def refuse(wait: int) -> Response:
        answer = answers.problem(HTTPStatus.FORBIDDEN, "Rate Limit Exceeded")
        answer.headers["X-Request-Cost"] = "1"
        answer.headers["X-Rate-Limit-Remaining"] = "0"
        return answer

    return limited(limit, refuse, setup)


@switch(LIMIT)
def quota(limit: tuple[float, float], setup: Setup) -> Handler:
    """More requests than that: 403 Quota Exceeded, with X-Request-Quota-Remaining."""
    headers = {"X-Request-Quota-Remaining": "0"}
    status = HTTPStatus.FORBIDDEN
    return limited(limit, lambda _: PlainTextResponse("Quota Exceeded", status, headers), setup)


@switch(SHARE)
def reset_rate(share: float, setup: Setup) -> Handler:
    """Share of responses broken in the middle by a connection reset."""
    return sometimes(share, setup, lambda answer, _: ResetResponse.of(answer))


@switch(SHARE)
def truncate_silently_rate(share: float, setup: Setup) -> Handler:
    """Share of responses cut in half, Content-Length fitting the half."""

    def half(answer: Response) -> Response:
        body = bytes(answer.body)
        return with_body(answer, body[: len(body) // 2])

    return sometimes(share, setup, lambda answer, _: half(answer))


@switch(SPEED)
def slow(bytes_per_second: float, setup: Setup) -> Handler:
    """Each body trickles at so many bytes a second."""

    async def handle(asked: Asked, forward: Forward) -> Response:
        answer = await forward(asked)
        response = SlowResponse(bytes(answer.body), answer.status_code, dict(answer.headers))
        response.bytes_per_second = bytes_per_second
        return response

    return handle


@switch(one_of("STATUS", "301", "302", "303", "307", "308"))
def redirect(status: str, setup: Setup) -> Handler:
    """Every request is redirected to https."""

    async def handle(asked: Asked, forward: Forward) -> Response:
        location = str(Request(asked.scope).url.replace(scheme="https"))
        return answers.empty(int(status), {"Location": location})

    return handle


@switch(one_of("STATUS", "400", "500"))
def echo_token(status: str, setup: Setup) -> Handler:
    """Every response is an error that repeats the Authorization header."""

    async def handle(asked: Asked, forward: Forward) -> Response:
        text = f"Could not handle the request with Authorization: {authorization(asked)}."
        if status == "400":
            return answers.invalid_request({"": [text]})
        return answers.problem(HTTPStatus(int(status)), text)

    return handle


@switch(REQUESTS, everywhere=True)
def expiring_tokens(requests: int, setup: Setup) -> Handler:
    """A token is refused with 401 after so many requests, until it is issued anew."""
    used: Counter[str] = Counter()

    async def handle(asked: Asked, forward: Forward) -> Response:
        if asked.scope["path"].endswith("/security/tokens/generate"):
            answer = await forward(asked)
            if answer.status_code == HTTPStatus.OK:
                # Two tokens of one second are the same text.
                token = msgspec.json.decode(bytes(answer.body))["AccessToken"]
                used.pop(f"Bearer {token}", None)
            return answer
        token = authorization(asked)
        used[token] += asked.resource is not None
        if used[token] > requests:
            return answers.refused_token("The token has expired.")
        return await forward(asked)

    return handle
