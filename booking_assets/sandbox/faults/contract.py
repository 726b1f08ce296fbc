"""The parts of a fault: the request that it sees, its handler, its switch and the switch's value.

Particular faults are in `availability` and `data`; all switches, and reading them, in `registry`.
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
    """A request, read to its end, with the tenant whose token came with it.

    `number` counts the tenant's requests below `/booking`, `collected` the pages of this resource
    that it asked for before; `operation` is what stands in the path, or `retrieve`.
    """

    scope: Scope
    body: bytes
    tenant: Tenant | None
    resource: Resource | None
    operation: str
    number: int
    collected: int


Forward: TypeAlias = Callable[[FaultRequest], Awaitable[Response]]
"""What stands behind a fault: the next fault, and at last the routes."""

Handler: TypeAlias = Callable[[FaultRequest, Forward], Awaitable[Response]]
"""A fault at work: passes a request on, changes it or its response, or responds itself."""


@dataclass(frozen=True)
class FaultContext:
    """What a fault may depend on beside its value; `seconds` is a clock that never goes back."""

    fault: str
    seed: int
    world: World
    seconds: Callable[[], float]

    def chance(self, request: FaultRequest) -> Random:
        """What happens by chance to a request: its number decides, not the time it comes."""
        slug = request.tenant.slug if request.tenant else ""
        # Not for secrets: repeatable chance is the point.
        return Random(f"{self.seed}/{self.fault}/{slug}/{request.number}")  # noqa: S311


@dataclass(frozen=True)
class Value(Generic[T]):
    """How a switch's value is written, what it must be, and how it is read and checked.

    `placeholder` stands for it in the help, empty for a switch that takes none; `read` may raise
    ValueError.
    """

    placeholder: str
    rule: str
    read: Callable[[str], T]
    holds: Callable[[T], bool] = lambda _: True


@dataclass(frozen=True)
class Switch(Generic[T]):
    """A fault that can be switched on.

    `make` makes the handler for a value, of each server its own; a fault that is `everywhere`
    reaches beyond `/booking`, to tokens and health.
    """

    name: str
    value: Value[T]
    meaning: str
    make: Callable[[T, FaultContext], Handler]
    everywhere: bool = False


def switch(
    value: Value[T], *, everywhere: bool = False
) -> Callable[[Callable[[T, FaultContext], Handler]], Switch[T]]:
    """Make a switch of a function that makes a handler; the docstring is its meaning."""
    return lambda make: Switch(make.__name__, value, make.__doc__ or "", make, everywhere)


def of_rows(change: Callable[[Rows, FaultRequest], Rows]) -> Handler:
    """A handler that lets the routes see other rows: counted, paged, searched and retrieved."""

    async def handle(request: FaultRequest, forward: Forward) -> Response:
        # The innermost fault changes the rows first.
        changes = (lambda rows: change(rows, request), *request.scope.get(CHANGES, ()))
        return await forward(replace(request, scope={**request.scope, CHANGES: changes}))

    return handle


def one_of(placeholder: str, *choices: str) -> Value[str]:
    """One of a closed set."""
    rule = f"{placeholder} is one of {', '.join(choices)}"
    return Value(placeholder, rule, str, choices.__contains__)


AnySwitch: TypeAlias = Switch[Any]
FLAG: Value[str] = Value("", "it takes no value", str)
SHARE = Value("SHARE", "SHARE is a number from 0 to 1", float, lambda share: 0 <= share <= 1)
SECONDS = Value("SECONDS", "SECONDS is a number above 0", float, lambda s: 0 < s < float("inf"))
