"""Sends each request, read whole and numbered, through the faults that concern it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import partial

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from booking_assets.sandbox import tokens
from booking_assets.sandbox.faults.contract import (
    FaultContext,
    FaultError,
    FaultRequest,
    Forward,
    Handler,
)
from booking_assets.sandbox.faults.registry import Fault, Faults
from booking_assets.sandbox.resources import RESOURCES, Resource
from booking_assets.sandbox.tenants import Tenant
from booking_assets.sandbox.world import World

_TARGET = re.compile(
    r"/(?P<area>booking|directory|progress)/(?P<resource>\w+)(?:/(?P<rest>[\w-]+))?/?$",
    re.IGNORECASE,
)
_SHOWN = 20
_NAMED = frozenset({"collect", "search", "count", "download"})
_RESOURCES = {(resource.area, resource.name): resource for resource in RESOURCES}


def fault_middleware(faults: Faults, world: World) -> list[Middleware]:
    """The middleware of one server, none without faults.

    Raises:
        FaultError: A fault names an organization that the world does not have.
    """
    handlers = []
    for fault in faults.chosen:
        if fault.organization is not None:
            tenant_called(fault.organization, world, fault.switch.name)
        context = FaultContext(fault.switch.name, faults.seed, world, faults.seconds)
        handlers.append((fault, fault.switch.make(fault.value, context)))
    return [Middleware(FaultsMiddleware, handlers=handlers, world=world)] if handlers else []


def tenant_called(slug: str, world: World, fault: str) -> Tenant:
    """The organization of that slug; a `FaultError` where the sandbox has none."""
    tenants = {tenant.slug: tenant for tenant in world.tenants}
    if slug not in tenants:
        known = ", ".join([*tenants][:_SHOWN])
        raise FaultError(f"{fault}: no organization is called {slug!r}; some are: {known}")
    return tenants[slug]


class FaultsMiddleware:
    """Sends each request through the faults that concern it, the first of them outermost.

    Nothing waits between reading and writing a counter: one event loop needs no lock.
    """

    def __init__(
        self, app: ASGIApp, handlers: Sequence[tuple[Fault, Handler]], world: World
    ) -> None:
        self._world = world
        self._requests: Counter[Tenant | None] = Counter()
        self._collects: Counter[tuple[Tenant | None, Resource | None]] = Counter()
        self._forward: Forward = partial(_routed, app)
        for fault, handler in reversed(handlers):
            self._forward = _behind(fault, handler, self._forward)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the request through the faults, and the response back."""
        request = Request(scope, receive)
        body = await request.body()
        try:
            header = request.headers.get("authorization", "")
            tenant = self._world.tenant_of_token(header.removeprefix("Bearer "))
        except tokens.RefusedTokenError:
            tenant = None
        resource, operation = _target(scope["path"])
        collected = self._collects[tenant, resource]
        self._requests[tenant] += resource is not None
        self._collects[tenant, resource] += operation == "collect"
        number = self._requests[tenant]
        response = await self._forward(
            FaultRequest(scope, body, tenant, resource, operation, number, collected)
        )
        await response(scope, receive, send)


async def _routed(app: ASGIApp, request: FaultRequest) -> Response:
    """The whole response of the routes."""
    response = Response()
    chunks: list[bytes] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": request.body}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            response.status_code = message["status"]
            response.raw_headers = list(message["headers"])
        else:
            chunks.append(message.get("body", b""))

    await app(request.scope, receive, send)
    response.body = b"".join(chunks)
    return response


def _behind(fault: Fault, handler: Handler, forward: Forward) -> Forward:
    """The handler, for requests that concern the fault, before `forward`."""

    async def through(request: FaultRequest) -> Response:
        return await (handler(request, forward) if fault.concerns(request) else forward(request))

    return through


def _target(path: str) -> tuple[Resource | None, str]:
    """The resource and the operation that a path stands for."""
    found = _TARGET.search(path)
    resource = _RESOURCES.get((found["area"].lower(), found["resource"].lower())) if found else None
    if found is None or resource is None:
        return None, ""
    rest = (found["rest"] or "collect").lower()
    return resource, rest if rest in _NAMED else "retrieve"
