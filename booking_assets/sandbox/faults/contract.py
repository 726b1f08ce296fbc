"""The parts of a fault: the request that it gets, its handler, its switch and the switch's value.

The faults are in `availability` and `data`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Generic, TypeAlias, TypeVar

from starlette.responses import Response
from starlette.types import Scope

from booking_assets.sandbox.application import CHANGES
from booking_assets.sandbox.resources import Resource
from booking_assets.sandbox.rows import Rows
from booking_assets.sandbox.tenants import Tenant
from booking_assets.sandbox.world import World

T = TypeVar("T")


class FaultError(ValueError):
    """Fault switches that cannot be used; the message names each with the remedy."""


@dataclass(frozen=True)
class FaultRequest:
    """A request, read to its end, with the tenant of its token.

    `number` counts the tenant's requests of resources, `collected` the pages of this resource
    that it requested before; `operation` is the last part of the path, or `retrieve`.
    """

    scope: Scope
    body: bytes
    tenant: Tenant | None
    resource: Resource | None
    operation: str
    number: int
    collected: int


Forward: TypeAlias = Callable[[FaultRequest], Awaitable[Response]]
"""Passes a request to the next fault, and at last to the routes."""

Handler: TypeAlias = Callable[[FaultRequest, Forward], Awaitable[Response]]
"""Passes a request on, changes it or its response, or responds itself."""


@dataclass(frozen=True)
class FaultContext:
    """What a fault may depend on beside its value; `seconds` is a monotonic clock."""

    fault: str
    seed: int
    world: World
    seconds: Callable[[], float]

    def chance(self, request: FaultRequest) -> Random:
        """The random generator of a request, seeded with its number and not with the time."""
        slug = request.tenant.slug if request.tenant else ""
        return Random(f"{self.seed}/{self.fault}/{slug}/{request.number}")  # noqa: S311 - repeatable, no secret


@dataclass(frozen=True)
class Value(Generic[T]):
    """A switch's value: its placeholder in the help (empty: it takes none), and what it must be.

    `read` parses it, and may raise ValueError; `holds` checks it.
    """

    placeholder: str
    rule: str
    read: Callable[[str], T]
    holds: Callable[[T], bool] = lambda _: True


@dataclass(frozen=True)
class Switch:
    """A fault that can be switched on; `make` makes a server's handler for a value.

    A fault that is `everywhere` concerns also requests of tokens and health.
    """

    name: str
    value: Value[Any]
    meaning: str
    make: Callable[[Any, FaultContext], Handler]
    everywhere: bool = False


def switch(
    value: Value[T], *, everywhere: bool = False
) -> Callable[[Callable[[T, FaultContext], Handler]], Switch]:
    """Make a switch of a function that makes a handler; the docstring is its meaning."""
    return lambda make: Switch(make.__name__, value, make.__doc__ or "", make, everywhere)


def of_rows(change: Callable[[Rows, FaultRequest], Rows]) -> Handler:
    """A handler that changes the rows that are counted, paged, searched and retrieved."""

    async def handle(request: FaultRequest, forward: Forward) -> Response:
        # The innermost fault changes the rows first.
        changes = (lambda rows: change(rows, request), *request.scope.get(CHANGES, ()))
        return await forward(replace(request, scope={**request.scope, CHANGES: changes}))

    return handle


def one_of(placeholder: str, *choices: str) -> Value[str]:
    """One of a closed set."""
    rule = f"{placeholder} is one of {', '.join(choices)}"
    return Value(placeholder, rule, str, choices.__contains__)


FLAG: Value[str] = Value("", "it takes no value", str)
SHARE = Value("SHARE", "SHARE is a number from 0 to 1", float, lambda share: 0 <= share <= 1)
SECONDS = Value("SECONDS", "SECONDS is a number above 0", float, lambda s: 0 < s < float("inf"))
