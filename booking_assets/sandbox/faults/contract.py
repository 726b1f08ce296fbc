"""What a fault is made of: the request it sees, and the handler that stands in its way.

What lives here: `Asked`, `Handler`, and `Setup`, which is all that a fault may depend on;
`FaultError` for what cannot be used.
What must not: any particular fault, the bodies of answers (`bodies`).
Read more: `docs/sandbox.md`, "Faults".
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from random import Random
from typing import TypeAlias, cast
from urllib.parse import parse_qsl, urlencode

import msgspec
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from booking_assets.sandbox.query import (
    InvalidRequestError,
    Query,
    ServerFaultError,
    query_of_body,
    query_of_parameters,
)
from booking_assets.sandbox.resources import EVENTS, REGISTRATIONS, Resource
from booking_assets.sandbox.tenants import Tenant

PAGED = frozenset({"collect", "search"})
"""Operations that answer with a page."""

_RESOURCES: Mapping[str, Resource] = {one.name: one for one in (EVENTS, REGISTRATIONS)}
_NAMED = frozenset({"collect", "search", "count", "download"})
_BOOKING = re.compile(r"/booking/(?P<resource>\w+)(?:/(?P<rest>[\w-]+))?/?$", re.IGNORECASE)
_PAGE_MEMBERS = frozenset({"page", "pagesize"})
_SHOWN = 20


class FaultError(ValueError):
    """Fault switches that cannot be used; the message names each with the remedy."""


@dataclass(frozen=True)
class Asked:
    """A request, read to its end.

    Attributes:
        scope: The ASGI scope.
        body: The request's body.
        tenant: Whose token or secret came with it; None where it is nobody's.
        number: How many requests below `/booking` the tenant has made, this one included.
        collected: How many pages of this resource the tenant asked for before this request.
    """

    scope: Scope
    body: bytes
    tenant: Tenant | None = None
    number: int = 0
    collected: int = 0

    @property
    def method(self) -> str:
        """The HTTP method."""
        return str(self.scope["method"])

    @property
    def resource(self) -> Resource | None:
        """What stands after `/booking/`, if the API knows it."""
        found = _BOOKING.search(self.scope["path"])
        return _RESOURCES.get(found["resource"].lower()) if found else None

    @property
    def operation(self) -> str:
        """`collect`, `count`, `search`, `download` or `retrieve`; empty without a resource."""
        found = _BOOKING.search(self.scope["path"])
        if found is None or self.resource is None:
            return ""
        rest = (found["rest"] or "collect").lower()
        return rest if rest in _NAMED else "retrieve"

    @property
    def wants_token(self) -> bool:
        """Whether a client secret is to be exchanged for a token."""
        path: str = self.scope["path"]
        return path.lower().rstrip("/").endswith("/security/tokens/generate")

    @property
    def authorization(self) -> str:
        """The `Authorization` header."""
        return Headers(scope=self.scope).get("authorization", "")

    @cached_property
    def query(self) -> Query | None:
        """The page that is asked for; None where there is none, or the server will refuse it."""
        if self.resource is None:
            return None
        try:
            if self.method == "POST":
                return query_of_body(self.body, self.resource)
            parameters = Request(self.scope).query_params.multi_items()
            return query_of_parameters(parameters, self.resource)
        except (InvalidRequestError, ServerFaultError):
            return None

    @property
    def identifier(self) -> str:
        """The member that tells rows of the resource apart; there must be one."""
        return cast("Resource", self.resource).identifier

    def authorized_by(self, token: str) -> Asked:
        """The same request with another token."""
        others = [item for item in self.scope["headers"] if item[0] != b"authorization"]
        headers = [*others, (b"authorization", f"Bearer {token}".encode())]
        return replace(self, scope={**self.scope, "headers": headers})

    def paged(self, page: int, size: int) -> Asked:
        """The same request for another page; its query must be readable."""
        if self.method == "POST":
            return replace(self, body=_paged_body(self.body, page, size))
        query = urlencode([*_other_parameters(self.scope), ("Filter.Page", page)])
        query_string = f"{query}&Filter.PageSize={size}".encode()
        return replace(self, scope={**self.scope, "query_string": query_string})

    def everything(self) -> Asked:
        """A collect of all rows of the resource, in the order that is asked for."""
        end = "/collect" if self.method == "POST" else ""
        path = _BOOKING.sub(rf"/booking/\g<resource>{end}", self.scope["path"])
        method = "POST" if self.method == "POST" else "GET"
        return replace(self, scope={**self.scope, "path": path, "method": method}).paged(0, 0)


Forward: TypeAlias = Callable[[Asked], Awaitable[Response]]
"""What stands behind a fault: the next one, and at last the routes."""

Handler: TypeAlias = Callable[[Asked, Forward], Awaitable[Response]]
"""A fault at work: passes a request on, changes it or its answer, or answers itself."""


@dataclass(frozen=True)
class Setup:
    """All that a fault may depend on beside its value.

    Attributes:
        fault: The fault's name.
        seed: The same seed draws the same chances.
        tenants: The sandbox's organizations.
        now: The world's clock.
        seconds: A clock that never goes back, for limits and outages.
    """

    fault: str
    seed: int
    tenants: tuple[Tenant, ...]
    now: Callable[[], datetime]
    seconds: Callable[[], float]

    def tenant(self, slug: str) -> Tenant:
        """The organization of that slug.

        Raises:
            FaultError: The sandbox has none.
        """
        for tenant in self.tenants:
            if tenant.slug == slug:
                return tenant
        known = ", ".join(tenant.slug for tenant in self.tenants[:_SHOWN])
        raise FaultError(f"{self.fault}: no organization is called {slug!r}; some are: {known}")

    def chance(self, asked: Asked) -> Random:
        """What happens by chance to a request: its number decides, not the time it comes."""
        slug = asked.tenant.slug if asked.tenant else ""
        # Not for secrets: repeatable chance is the point.
        return Random(f"{self.seed}/{self.fault}/{slug}/{asked.number}")  # noqa: S311


def _paged_body(body: bytes, page: int, size: int) -> bytes:
    document = msgspec.json.decode(body)
    name = next((name for name in document if name.lower() == "filter"), "Filter")
    filter_ = document.get(name) or {}
    others = {name: value for name, value in filter_.items() if name.lower() not in _PAGE_MEMBERS}
    return msgspec.json.encode({**document, name: {**others, "Page": page, "PageSize": size}})


def _other_parameters(scope: Scope) -> list[tuple[str, str]]:
    parameters = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return [
        (name, value)
        for name, value in parameters
        if name.lower().removeprefix("filter.") not in _PAGE_MEMBERS
    ]
