"""Responses that end before their body does, and the protocol that gives them the connection."""

from __future__ import annotations

import asyncio
from typing import Any, Self, cast

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_CONNECTION = "sandbox.connection"


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
