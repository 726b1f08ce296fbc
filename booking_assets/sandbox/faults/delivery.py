"""Answers that do not arrive as they should: cut off, reset, or byte by byte.

What lives here: responses that deliver themselves badly, and the server protocol that lets them
lay hands on the connection.
What must not: when that happens (`weather`).
Read more: https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any, TypeVar, cast

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_CONNECTION = "sandbox.connection"
_TICK_SECONDS = 0.02
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_Kind = TypeVar("_Kind", bound=Response)


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
    """Half of an answer that promised the whole, then the end of the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the half."""
        await _begin(self, send)
        _connection(scope).close()
        await _end(receive)


class ResetResponse(Response):
    """Half of an answer, then a TCP reset."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the half."""
        await _begin(self, send)
        connection = _connection(scope)
        plug = connection.get_extra_info("socket")
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        connection.abort()
        await _end(receive)


class SlowResponse(Response):
    """A whole answer at a trickle."""

    bytes_per_second: float

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - Starlette's signature
        """Send the body piece by piece."""
        await send(_start(self))
        size = max(1, int(self.bytes_per_second * _TICK_SECONDS))
        body = bytes(self.body)
        for position in range(0, len(body), size):
            piece = body[position : position + size]
            await asyncio.sleep(len(piece) / self.bytes_per_second)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})


def cut(answer: Response) -> Response:
    """The answer, cut off; `Content-Length` speaks of the whole."""
    return _as(CutResponse, answer)


def reset(answer: Response) -> Response:
    """The answer, broken by a reset."""
    return _as(ResetResponse, answer)


def slow(answer: Response, bytes_per_second: float) -> Response:
    """The answer at that speed."""
    response = _as(SlowResponse, answer)
    response.bytes_per_second = bytes_per_second
    return response


def _as(kind: type[_Kind], answer: Response) -> _Kind:
    return kind(bytes(answer.body), answer.status_code, dict(answer.headers))


def _start(answer: Response) -> Message:
    headers = answer.raw_headers
    return {"type": "http.response.start", "status": answer.status_code, "headers": headers}


async def _begin(answer: Response, send: Send) -> None:
    body = bytes(answer.body)
    await send(_start(answer))
    await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})


def _connection(scope: Scope) -> asyncio.Transport:
    return cast("asyncio.Transport", scope["extensions"][_CONNECTION])


async def _end(receive: Receive) -> None:
    """Wait until the server has noticed that the connection is gone: it complains otherwise."""
    while (await receive())["type"] != "http.disconnect":
        pass
