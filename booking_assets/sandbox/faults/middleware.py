"""The faults at work, between the sandbox's log and its routes.

What lives here: reading a request whole, numbering it, and sending it through the faults.
What must not: what a fault does (the modules of its family).
Read more: `docs/sandbox.md`, "Faults".
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from booking_assets.sandbox import tokens
from booking_assets.sandbox.faults.contract import Asked, Forward, Handler, Setup
from booking_assets.sandbox.faults.organizations import stranger_to
from booking_assets.sandbox.faults.selection import Fault, Faults
from booking_assets.sandbox.resources import Resource
from booking_assets.sandbox.tenants import Tenant
from booking_assets.sandbox.world import World

_SCHEME = "Bearer "


def fault_middleware(
    faults: Faults, world: World, *, seconds: Callable[[], float] = time.monotonic
) -> list[Middleware]:
    """What to put between the log and the routes of one server: nothing without faults.

    Raises:
        FaultError: A fault names an organization that the world does not have.
    """
    if not faults:
        return []
    handlers = []
    for fault in faults.chosen:
        setup = Setup(fault.switch.name, faults.seed, world.tenants, world.now, seconds)
        if fault.organization is not None:
            setup.tenant(fault.organization)
        handlers.append((fault, fault.switch.make(fault.value, setup)))
    return [Middleware(FaultsMiddleware, handlers=handlers, world=world)]


class FaultsMiddleware:
    """Sends each request through the faults that concern it, the first of them outermost.

    One event loop runs it, and nothing waits between reading and writing a counter: no lock is
    needed.
    """

    def __init__(
        self, app: ASGIApp, handlers: Sequence[tuple[Fault, Handler]], world: World
    ) -> None:
        self._app = app
        self._world = world
        self._owners = {
            identifier: tenant
            for tenant in world.tenants
            for identifier in (tenant.identifier, stranger_to(tenant))
        }
        self._requests: Counter[Tenant | None] = Counter()
        self._collects: Counter[tuple[Tenant | None, Resource | None]] = Counter()
        self._forward: Forward = self._routed
        for fault, handler in reversed(handlers):
            self._forward = _behind(fault, handler, self._forward)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the faults will have it; the log learns who asked for what all the same."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        asked = self._numbered(Asked(scope, await request.body()))
        answer = await self._forward(asked)
        if asked.tenant is not None:
            request.state.tenant = asked.tenant.slug
            if asked.query is not None and asked.operation != "retrieve":
                request.state.page = asked.query.page
        await answer(scope, receive, send)

    def _numbered(self, asked: Asked) -> Asked:
        tenant = self._tenant(asked)
        if asked.resource is not None:
            self._requests[tenant] += 1
        collected = self._collects[tenant, asked.resource]
        if asked.operation == "collect":
            self._collects[tenant, asked.resource] += 1
        return Asked(asked.scope, asked.body, tenant, self._requests[tenant], collected)

    def _tenant(self, asked: Asked) -> Tenant | None:
        """Whose token or secret came with the request."""
        if asked.wants_token:
            return self._world.tenant_with(_secret(asked.body))
        if not asked.authorization.startswith(_SCHEME):
            return None
        token = asked.authorization.removeprefix(_SCHEME)
        try:
            organization = tokens.organization_of(token, int(self._world.now().timestamp()))
        except tokens.RefusedTokenError:
            return None
        return self._owners.get(organization)

    async def _routed(self, asked: Asked) -> Response:
        """What the routes answer, whole."""
        answer = Response()
        chunks: list[bytes] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": asked.body}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status_code = message["status"]
                answer.raw_headers = list(message["headers"])
            else:
                chunks.append(message.get("body", b""))

        await self._app(asked.scope, receive, send)
        answer.body = b"".join(chunks)
        return answer


def _behind(fault: Fault, handler: Handler, forward: Forward) -> Forward:
    """The fault before what stands behind it."""

    async def through(asked: Asked) -> Response:
        return await (handler(asked, forward) if fault.concerns(asked) else forward(asked))

    return through


def _secret(body: bytes) -> str:
    try:
        members = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    return next((str(value) for name, value in members.items() if name.lower() == "secret"), "")
