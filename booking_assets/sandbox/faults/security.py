"""Refusals and leaks: what a server does with a credential that it will not take, or repeats.

What lives here: 401, 403, 404, redirects, tokens that expire, errors that echo the token.
What must not: limits (`weather`), answers of somebody else (`organizations`).
Read more: `docs/sandbox.md`, "Faults".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeAlias

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from booking_assets.sandbox import answers
from booking_assets.sandbox.faults.contract import Asked, Forward, Handler

ECHOING = (HTTPStatus.BAD_REQUEST.value, HTTPStatus.INTERNAL_SERVER_ERROR.value)
REDIRECTS = (301, 302, 303, 307, 308)
EVERYTHING = "all"
SCOPES = (
    *(EVERYTHING, "events", "registrations"),
    *("collect", "count", "search", "download", "retrieve"),
)
"""What may be refused: all, a resource, or an operation."""

Refusal: TypeAlias = Callable[[], Response]


def refused(scope: str, refusal: Refusal) -> Handler:
    """Refuses what belongs to the scope."""

    async def handle(asked: Asked, forward: Forward) -> Response:
        resource = asked.resource.name if asked.resource else ""
        if scope in {EVERYTHING, resource, asked.operation}:
            return refusal()
        return await forward(asked)

    return handle


def unauthorized() -> Response:
    """401 as for a bearer token that is bad."""
    return answers.refused_token("The token has been revoked.")


def forbidden() -> Response:
    """403 without a body, as for a permission that is missing."""
    return answers.empty(HTTPStatus.FORBIDDEN)


def not_found() -> Response:
    """404 without a body, as for a route that the release does not have."""
    return answers.empty(HTTPStatus.NOT_FOUND)


def echo_token(status: int) -> Handler:
    """An error whose text repeats the `Authorization` header."""

    async def handle(asked: Asked, forward: Forward) -> Response:  # noqa: ARG001 - a handler's
        text = f"Could not handle the request with Authorization: {asked.authorization}."
        if status == HTTPStatus.BAD_REQUEST:
            return answers.invalid_request({"": [text]})
        return answers.problem(HTTPStatus(status), text)

    return handle


def redirect(status: int) -> Handler:
    """Points to the same address with https, as for plain HTTP."""

    async def handle(asked: Asked, forward: Forward) -> Response:  # noqa: ARG001 - a handler's
        location = str(Request(asked.scope).url.replace(scheme="https"))
        return answers.empty(status, {"Location": location})

    return handle


def expiring_tokens(requests: int) -> Handler:
    """A token is good for so many requests; the next needs a new one from the token endpoint."""
    used: Counter[str] = Counter()

    async def handle(asked: Asked, forward: Forward) -> Response:
        if asked.wants_token:
            answer = await forward(asked)
            if answer.status_code == HTTPStatus.OK:
                # Two tokens of one second are the same text.
                token = msgspec.json.decode(bytes(answer.body))["AccessToken"]
                used.pop(f"Bearer {token}", None)
            return answer
        used[asked.authorization] += asked.resource is not None
        if used[asked.authorization] > requests:
            return answers.refused_token("The token has expired.")
        return await forward(asked)

    return handle
