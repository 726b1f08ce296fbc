"""The routes of the stand-in API; their checks are in the order of the vendor's server.

Responses are in `responses`, reading requests in `query`, rows in `world`, faults in `faults`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, TypeAlias
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

from booking_assets.sandbox import downloads, responses, tokens, wire
from booking_assets.sandbox.query import Query, query_of_body
from booking_assets.sandbox.registrations import Registrations
from booking_assets.sandbox.resources import Resource
from booking_assets.sandbox.responses import Refusal, ServerFault
from booking_assets.sandbox.rows import ReadyPages, Row, Rows, members_of
from booking_assets.sandbox.tenants import Tenant
from booking_assets.sandbox.world import World

PREFIX = "/v2/E01"
CHANGES = "sandbox.changes"
"""The key of an ASGI scope with the functions by which faults change rows."""

Write: TypeAlias = Callable[[Iterable[Row], Resource], bytes]
_SCHEME = "Bearer "
_JSON_TYPE = re.compile(r"(application|text)/json|application/.*\+json")
_DEFAULT_LIFETIME = 1200
_LONGEST_LIFETIME = 365 * 86_400
_HEALTH, _VERSION = wire.json_text({"Status": "Healthy"}), wire.json_text({"Version": "25.5"})
_DIAGNOSTICS = dict.fromkeys(("diagnostic/health", "health", "status"), _HEALTH)
_DIAGNOSTICS |= dict.fromkeys(("diagnostic/version", "version"), _VERSION)


def application(
    world: World, *, middleware: Sequence[Middleware] = (), ready_bytes: int = 0
) -> Starlette:
    """The stand-in API over a world; faults are middleware before its routes.

    Pages of up to `ready_bytes` altogether are kept as they were sent, until a row changes.
    """
    prefix = PREFIX.lower()
    routes = [
        *(route for resource in world.resources for route in _routes(prefix, resource)),
        Route(f"{prefix}/security/tokens/generate", _generate_token, methods=["POST"]),
        *(
            Route(f"{prefix}/{path}", partial(_constant, body))
            for path, body in _DIAGNOSTICS.items()
        ),
    ]
    app = Starlette(
        routes=routes,
        middleware=[*middleware, Middleware(_with_lowercase_paths)],
        exception_handlers=dict.fromkeys((HTTPException, Refusal, ServerFault), _failed),
    )
    app.state.world = world
    app.state.downloads = Counter[Tenant]()
    app.state.ready_pages = ReadyPages(ready_bytes)
    return app


def _with_lowercase_paths(app: ASGIApp) -> ASGIApp:
    """Paths match in any case and with a slash at their end, as on the vendor's server."""

    async def lowercased(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].lower().rstrip("/") or "/"
        await app({**scope, "path": path}, receive, send)

    return lowercased


def _routes(prefix: str, resource: Resource) -> list[Route]:
    base = f"{prefix}/{resource.area}/{resource.name}"
    return [
        Route(f"{base}/collect", partial(_page, _whole, resource), methods=["POST"]),
        Route(f"{base}/count", partial(_count, resource), methods=["POST"]),
        Route(f"{base}/search", partial(_page, _identifiers, resource), methods=["POST"]),
        Route(f"{base}/download", partial(_download, resource), methods=["POST"]),
        Route(f"{base}/{{row:uuid}}", partial(_retrieve, resource), methods=["GET", "HEAD"]),
    ]


async def _constant(body: bytes, request: Request) -> Response:
    return responses.json(request, body)  # Starlette would call it in a thread of its own


async def _page(write: Write, resource: Resource, request: Request) -> Response:
    tenant, query = _authenticated(request), await _query(resource, request)
    page = _rows(request, tenant, resource).page(query)
    numbers = {"Page": page.number, "PageSize": page.size, "TotalCount": page.total}
    headers = {
        "X-Query-Pagination": msgspec.json.encode(numbers).decode(),
        "Access-Control-Expose-Headers": "X-Query-Pagination",
    }
    ready: ReadyPages = request.app.state.ready_pages
    body = ready.body((page.key, write), lambda: write(page.rows, resource))
    return responses.json(request, body, headers)


def _whole(rows: Iterable[Row], resource: Resource) -> bytes:  # noqa: ARG001 - a Write
    json = rows.json() if isinstance(rows, Registrations) else [row.json for row in rows]
    return wire.array_of(json)


def _identifiers(rows: Iterable[Row], resource: Resource) -> bytes:
    name = resource.listed_as or resource.identifier
    if isinstance(rows, Registrations):
        return wire.json_text([{name: one.decode()} for one in rows.identifiers()])
    return wire.json_text(
        [
            {name: row.identifier}
            | {member: members_of(row).get(member) for member in resource.listed}
            for row in rows
        ]
    )


async def _count(resource: Resource, request: Request) -> Response:
    tenant, _ = _authenticated(request), await _query(resource, request)
    count = _rows(request, tenant, resource).count()
    return responses.json(request, wire.json_text({"Count": count}))


async def _download(resource: Resource, request: Request) -> Response:
    tenant, query = _authenticated(request), await _query(resource, request)
    world: World = request.app.state.world
    rows = tuple(world.rows(tenant, resource))
    is_csv = query.format.lower() == "csv"
    body = await run_in_threadpool(downloads.content, rows, resource, is_csv=is_csv)
    counter: Counter[Tenant] = request.app.state.downloads
    counter[tenant] += 1
    name = downloads.file_name(world.now(), counter[tenant], resource, is_csv=is_csv)
    headers = {
        "Content-Type": "text/csv" if is_csv else responses.JSON,
        "Content-Disposition": f"attachment; filename={name}; filename*=UTF-8''{name}",
    }
    return Response(body, headers=headers)


async def _retrieve(resource: Resource, request: Request) -> Response:
    tenant = _authenticated(request)
    identifier: UUID = request.path_params["row"]
    row = _rows(request, tenant, resource).get(identifier)
    if row is None:
        detail = f"{resource.noun} {identifier} was not found."
        return responses.problem(HTTPStatus.NOT_FOUND, detail)
    return responses.json(request, wire.outside_array(row.json))


async def _generate_token(request: Request) -> Response:
    body = await _json_body(request)
    try:
        members = msgspec.json.decode(body, type=dict[str, Any])
        # Names are in any case.
        known = {name.lower(): value for name, value in members.items() if value is not None}
        asked = msgspec.convert(known, _TokenRequest)
    except msgspec.MsgspecError as error:
        raise Refusal(responses.invalid_request({"": [str(error)]})) from None
    world: World = request.app.state.world
    tenant = world.tenant_of_secret.get(asked.secret)
    if tenant is None:
        reason = "The secret is unknown." if asked.secret else "The secret is missing."
        return responses.problem(HTTPStatus.UNAUTHORIZED, reason)
    lifetime = min(asked.lifetime, _LONGEST_LIFETIME) if asked.lifetime > 0 else _DEFAULT_LIFETIME
    now = int(world.now().timestamp())
    # A minute back, and by the vendor's defect as many minutes ahead as there should be seconds.
    times = {"issued": now - 60, "expires": now + lifetime * 60}
    token = tokens.token_of(tenant.identifier, tenant.slug, opaque=tenant.is_opaque, **times)
    lasting = {"ExpiresIn": lifetime, "Lifetime": f"{lifetime} seconds"}
    answer = {"AccessToken": token, "TokenType": "Bearer", **lasting}
    return responses.json(request, wire.json_text(answer))


def _authenticated(request: Request) -> Tenant:
    """The tenant that the token is bound to: it alone decides whose rows are served."""
    world: World = request.app.state.world
    header = request.headers.get("authorization", "")
    if not header.lower().startswith(_SCHEME.lower()):
        challenge = {"WWW-Authenticate": "Bearer"}
        raise Refusal(Response(None, HTTPStatus.UNAUTHORIZED, challenge))
    try:
        # In another case the scheme stays before the token, which is then malformed.
        return world.tenant_of_token(header.removeprefix(_SCHEME))
    except tokens.RefusedTokenError as error:
        raise Refusal(responses.refused_token(str(error))) from None


def _rows(request: Request, tenant: Tenant, resource: Resource) -> Rows:
    """The tenant's rows, as faults change them."""
    rows: Rows = request.app.state.world.rows(tenant, resource)
    for change in request.scope.get(CHANGES, ()):
        rows = change(rows)
    return rows


async def _query(resource: Resource, request: Request) -> Query:
    return query_of_body(await _json_body(request), resource)


async def _json_body(request: Request) -> bytes:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not _JSON_TYPE.fullmatch(content_type):
        raise Refusal(responses.unsupported_media_type())
    return await request.body()


class _TokenRequest(msgspec.Struct, rename="lower"):
    secret: str = ""
    lifetime: int = 0


async def _failed(request: Request, error: Exception) -> Response:
    if isinstance(error, Refusal):
        return error.response
    if isinstance(error, HTTPException):
        return Response(None, error.status_code, error.headers)
    return responses.problem(HTTPStatus.INTERNAL_SERVER_ERROR, f"{error} ({request.url})")
