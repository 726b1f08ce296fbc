"""Every fault switch by its name; those that are on (`NAME[=VALUE][@SLUG]`) as middleware."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from booking_assets.sandbox import tokens
from booking_assets.sandbox.faults import availability, data
from booking_assets.sandbox.faults.contract import (
    FaultContext,
    FaultError,
    FaultRequest,
    Forward,
    Handler,
    Switch,
)
from booking_assets.sandbox.resources import RESOURCES, Resource
from booking_assets.sandbox.tenants import Tenant
from booking_assets.sandbox.world import World


def switches_in(*modules: ModuleType) -> dict[str, Switch]:
    """The switches that modules define, by name and in their order."""
    found = (value for module in modules for value in vars(module).values())
    return {value.name: value for value in found if isinstance(value, Switch)}


SWITCHES = switches_in(availability, data)
"""In the order in which the faults are applied, the outermost first."""

_SHOWN = 20


@dataclass(frozen=True)
class Fault:
    """A switch with its value, and the slug of the organization that it is limited to, if any."""

    switch: Switch
    value: Any
    organization: str | None = None


@dataclass(frozen=True)
class Faults:
    """The faults of a sandbox, the outermost first; `seconds` is the monotonic clock of limits."""

    chosen: tuple[Fault, ...] = ()
    seed: int = 0
    seconds: Callable[[], float] = time.monotonic


NO_FAULTS = Faults()


def fault_table() -> tuple[tuple[str, str, str], ...]:
    """Every switch as (name, value, meaning and rule), for people; a flag has no value."""
    rows = [(name, switch.value, switch.meaning) for name, switch in SWITCHES.items()]
    return tuple(
        (name, value.placeholder, f"{meaning} {value.rule}." if value.placeholder else meaning)
        for name, value, meaning in rows
    )


def parse_faults(
    texts: Iterable[str], seed: int = 0, switches: Mapping[str, Switch] = SWITCHES
) -> Faults:
    """Read `NAME[=VALUE][@SLUG]` texts; the seed decides which requests fail, where chance does.

    Raises:
        FaultError: A name is unknown or given twice for the same organization, or a value breaks
            its rule. The message names all of them.
    """
    faults, errors = [], []
    for text in texts:
        try:
            faults.append(_fault(text, switches))
        except FaultError as error:
            errors.append(str(error))
    keys = [(fault.switch.name, fault.organization) for fault in faults]
    errors += [
        f"{name}: given twice{f' for {slug}' if slug else ''}; give it once"
        for name, slug in dict.fromkeys(key for key in keys if keys.count(key) > 1)
    ]
    if errors:
        raise FaultError("\n".join(errors))
    order = list(switches)
    faults.sort(key=lambda fault: order.index(fault.switch.name))
    return Faults(tuple(faults), seed)


def _fault(text: str, switches: Mapping[str, Switch]) -> Fault:
    setting, at, slug = text.partition("@")
    name, equals, given = setting.partition("=")
    switch = switches.get(name)
    if switch is None:
        raise FaultError(f"{text}: no fault is called {name!r}; known: {', '.join(switches)}")
    if at and not slug:
        raise FaultError(f"{text}: the organization's slug is missing after @")
    value = switch.value
    try:
        read = value.read(given)
        usable = bool(equals) == bool(value.placeholder) and value.holds(read)
    except ValueError:
        usable = False
    if not usable:
        usage = f"{name}={value.placeholder}" if value.placeholder else name
        raise FaultError(f"{text}: write {usage}; {value.rule}")
    return Fault(switch, read, slug or None)


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
            self._forward = partial(_through, fault, handler, self._forward)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the request through the faults, and the response back."""
        request = Request(scope, receive)
        body = await request.body()
        try:
            header = request.headers.get("authorization", "")
            tenant = self._world.tenant_of_token(header.removeprefix("Bearer "))
        except tokens.RefusedTokenError:
            tenant = None
        resource, operation = _target(scope["path"].lower())
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

    async def receive() -> Message:
        return {"type": "http.request", "body": request.body}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            response.status_code = message["status"]
            response.raw_headers = list(message["headers"])
        else:
            response.body = bytes(response.body) + message.get("body", b"")

    await app(request.scope, receive, send)
    return response


async def _through(
    fault: Fault, handler: Handler, forward: Forward, request: FaultRequest
) -> Response:
    """The response of a handler, or of those within where the request does not concern it."""
    slug = request.tenant.slug if request.tenant else None
    is_within = request.resource is not None or fault.switch.everywhere
    concerns = is_within and fault.organization in {None, slug}
    return await (handler(request, forward) if concerns else forward(request))


def _target(path: str) -> tuple[Resource | None, str]:
    """The resource and the operation that a path in lower case stands for."""
    for resource in RESOURCES:
        _, found, rest = path.partition(f"/{resource.area}/{resource.name}")
        if found:
            operation = rest.strip("/")
            return resource, operation if operation in availability.OPERATIONS else "retrieve"
    return None, ""
