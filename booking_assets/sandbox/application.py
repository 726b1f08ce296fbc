"""The routes of the stand-in API, in the order in which the vendor's server decides.

What lives here: who may ask, what is asked, which rows answer. `middleware` of `application` is the
one place for faults: it stands between the log and the routes.
What must not: shapes of answers (`answers`), reading requests (`query`), rows (`world`).
Read more: `docs/sandbox.md`, "Routes".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, cast
from uuid import UUID

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from booking_assets.sandbox import answers, downloads, tokens, wire
from booking_assets.sandbox.query import (
    InvalidRequestError,
    Query,
    ServerFaultError,
    query_of_body,
    query_of_parameters,
    sort_items,
)
from booking_assets.sandbox.request_log import RequestLog, RequestLogMiddleware
from booking_assets.sandbox.resources import Resource
from booking_assets.sandbox.rows import Rows
from booking_assets.sandbox.tenants import Tenant
from booking_assets.sandbox.world import World

PREFIX = "/v2/E01"
_SCHEME = "Bearer "
_DEFAULT_LIFETIME = 1200
_LONGEST_LIFETIME = 365 * 86_400
_VERSION = "25.5"


class UnauthenticatedError(Exception):
    """No usable `Authorization` header came with the request."""


class UnsupportedMediaTypeError(Exception):
    """The body's content type is not one that the server reads."""


_REFUSALS = (
    HTTPException,
    UnauthenticatedError,
    UnsupportedMediaTypeError,
    InvalidRequestError,
    ServerFaultError,
    tokens.RefusedTokenError,
)


def application(
    world: World,
    *,
    log: RequestLog | None = None,
    middleware: Sequence[Middleware] = (),
    prefix: str = PREFIX,
) -> Starlette:
    """The stand-in API over a world.

    Args:
        world: Tenants and their rows.
        log: Notes every request with its final status.
        middleware: Stands between the log and the routes; faults go here.
        prefix: What precedes `/booking` in every path.
    """
    prefix = prefix.lower()
    routes = [
        *(route for resource in world.resources for route in _routes(prefix, resource)),
        Route(f"{prefix}/security/tokens/generate", _generate_token, methods=["POST"]),
        *(Route(f"{prefix}/{path}", _health) for path in ("diagnostic/health", "health", "status")),
        *(Route(f"{prefix}/{path}", _version) for path in ("diagnostic/version", "version")),
    ]
    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(RequestLogMiddleware, log=log or RequestLog()),
            *middleware,
            Middleware(LowercasePathMiddleware),
        ],
        exception_handlers=dict.fromkeys(_REFUSALS, _refusal),
    )
    app.state.world = world
    app.state.downloads = Counter[Tenant]()
    return app


class LowercasePathMiddleware:
    """Paths match in any case and with a slash at their end, as on the vendor's server."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its path in lower case."""
        if scope["type"] == "http":
            scope = {**scope, "path": scope["path"].lower().rstrip("/") or "/"}
        await self._app(scope, receive, send)


def _routes(prefix: str, resource: Resource) -> list[Route]:
    """The operations of a resource: the same for each."""
    base = f"{prefix}/booking/{resource.name}"
    both = ["GET", "POST"]
    return [
        Route(base, partial(_collect, resource), methods=["GET"]),
        Route(f"{base}/collect", partial(_collect, resource), methods=["POST"]),
        Route(f"{base}/count", partial(_count, resource), methods=both),
        Route(f"{base}/search", partial(_search, resource), methods=both),
        Route(f"{base}/download", partial(_download, resource), methods=both),
        Route(f"{base}/{{row:uuid}}", partial(_retrieve, resource), methods=["GET", "HEAD"]),
    ]


async def _collect(resource: Resource, request: Request) -> Response:
    tenant = _permitted(resource, request)
    query = await _query(resource, request)
    rows = _world(request).rows(tenant, resource)
    page = rows.sorted_by(sort_items(query.sort, resource))[query.slice_of(len(rows))]
    body = wire.array_of([row.json for row in page])
    return answers.json(request, body, _pagination(query, rows))


async def _search(resource: Resource, request: Request) -> Response:
    tenant = _permitted(resource, request)
    query = await _query(resource, request)
    rows = _world(request).rows(tenant, resource)
    page = rows.sorted_by(sort_items(query.sort, resource))[query.slice_of(len(rows))]
    body = wire.json_text([{resource.identifier: row.identifier} for row in page])
    return answers.json(request, body, _pagination(query, rows))


async def _count(resource: Resource, request: Request) -> Response:
    tenant = _permitted(resource, request)
    await _query(resource, request)
    count = len(_world(request).rows(tenant, resource))
    return answers.json(request, wire.json_text({"Count": count}))


async def _download(resource: Resource, request: Request) -> Response:
    tenant = _permitted(resource, request)
    query = await _query(resource, request)
    world = _world(request)
    rows = tuple(world.rows(tenant, resource).sorted_by(()))
    body = await run_in_threadpool(downloads.content, rows, query.format, query.includes, resource)
    counter: Counter[Tenant] = request.app.state.downloads
    counter[tenant] += 1
    name = downloads.file_name(world.now(), counter[tenant], query.format, resource)
    return Response(
        body,
        headers={
            "Content-Type": downloads.media_type(query.format),
            "Content-Disposition": f"attachment; filename={name}; filename*=UTF-8''{name}",
        },
    )


async def _retrieve(resource: Resource, request: Request) -> Response:
    tenant = _permitted(resource, request)
    identifier: UUID = request.path_params["row"]
    row = _world(request).rows(tenant, resource).get(identifier)
    if row is None:
        detail = f"{resource.noun} {identifier} was not found."
        return answers.problem(HTTPStatus.NOT_FOUND, detail)
    return answers.json(request, wire.outside_array(row.json))


async def _generate_token(request: Request) -> Response:
    asked = _token_request(await _json_body(request))
    world = _world(request)
    tenant = world.tenant_with(asked.secret)
    if tenant is None:
        reason = "The secret is unknown." if asked.secret else "The secret is missing."
        return answers.problem(HTTPStatus.UNAUTHORIZED, reason)
    lifetime = min(asked.lifetime, _LONGEST_LIFETIME) if asked.lifetime > 0 else _DEFAULT_LIFETIME
    now = int(world.now().timestamp())
    token = tokens.issued_token(
        tenant.identifier,
        tenant.slug,
        now,
        # The vendor's defect: seconds are added as minutes.
        now + lifetime * 60,
        opaque=tenant.is_opaque,
    )
    return answers.json(
        request,
        wire.json_text(
            {
                "AccessToken": token,
                "TokenType": "Bearer",
                "ExpiresIn": lifetime,
                "Lifetime": f"{lifetime} seconds",
            }
        ),
    )


async def _health(request: Request) -> Response:
    return answers.json(request, wire.json_text({"Status": "Healthy"}))


async def _version(request: Request) -> Response:
    return answers.json(request, wire.json_text({"Version": _VERSION}))


def _authenticated(request: Request) -> Tenant:
    """The tenant that the token is bound to: the only thing that decides whose rows answer."""
    header = request.headers.get("authorization", "")
    if not header.lower().startswith(_SCHEME.lower()):
        raise UnauthenticatedError
    if not header.startswith(_SCHEME):
        raise tokens.RefusedTokenError("The scheme must be written Bearer.")
    world = _world(request)
    organization = tokens.organization_of(
        header.removeprefix(_SCHEME), int(world.now().timestamp())
    )
    tenant = world.tenant_of(organization)
    if tenant is None:
        raise tokens.RefusedTokenError("The token's organization is unknown.")
    request.state.tenant = tenant.slug
    return tenant


def _permitted(resource: Resource, request: Request) -> Tenant:
    """The tenant whose token came, where it may read the resource."""
    tenant = _authenticated(request)
    if not _world(request).may_read(tenant, resource):
        raise HTTPException(HTTPStatus.FORBIDDEN)
    return tenant


async def _query(resource: Resource, request: Request) -> Query:
    if request.method == "GET":
        query = query_of_parameters(request.query_params.multi_items(), resource)
    else:
        query = query_of_body(await _json_body(request), resource)
    request.state.page = query.page
    return query


async def _json_body(request: Request) -> bytes:
    if not answers.is_json(request.headers.get("content-type", "")):
        raise UnsupportedMediaTypeError
    return await request.body()


def _pagination(query: Query, rows: Rows) -> dict[str, str]:
    value = {"Page": query.page, "PageSize": query.page_size, "TotalCount": len(rows)}
    return {
        "X-Query-Pagination": msgspec.json.encode(value).decode(),
        "Access-Control-Expose-Headers": "X-Query-Pagination",
    }


class _TokenRequest(msgspec.Struct, rename="lower"):
    secret: str = ""
    lifetime: int = 0


def _token_request(body: bytes) -> _TokenRequest:
    """Read a token request; names in any case, members that make no difference ignored."""
    try:
        members = msgspec.json.decode(body, type=dict[str, Any])
        known = {name.lower(): value for name, value in members.items() if value is not None}
        return msgspec.convert(known, _TokenRequest)
    except msgspec.MsgspecError as error:
        raise InvalidRequestError({"": [str(error)]}) from None


def _world(request: Request) -> World:
    return cast("World", request.app.state.world)


async def _refusal(request: Request, error: Exception) -> Response:
    match error:
        case UnauthenticatedError():
            return answers.no_token()
        case tokens.RefusedTokenError():
            return answers.refused_token(str(error))
        case UnsupportedMediaTypeError():
            return answers.unsupported_media_type()
        case InvalidRequestError(errors=errors):
            return answers.invalid_request(errors)
        case ServerFaultError():
            # Like the vendor's, the detail gives away the message and the address.
            fault = HTTPStatus.INTERNAL_SERVER_ERROR
            return answers.problem(fault, f"{error} ({request.url})")
        case HTTPException():
            return answers.empty(error.status_code, error.headers)
    raise error
