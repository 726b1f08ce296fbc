"""The shapes of the vendor's answers: rows, counts, and its several kinds of error.

What lives here: one function a shape; which spelling, content type and nulls each has.
What must not: when to give which (`application`).
Read more: `docs/sandbox.md`, "Answers and errors".
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from booking_assets.sandbox import wire

JSON = "application/json"
_PROBLEM = "application/problem+json"
_MEANING = "https://developer.mozilla.org/en-US/docs/Web/HTTP/Status/"
_SECTION = "https://tools.ietf.org/html/rfc9110#section-"
# One trace for every request: the sandbox traces nothing.
_TRACE = "00-5a6e0b0c5a6e0b0c5a6e0b0c5a6e0b0c-5a6e0b0c5a6e0b0c-00"
_ACCEPTED = frozenset({JSON, "text/json", "application/*", "text/*", "*/*"})


def json(request: Request, body: bytes, headers: Mapping[str, str] | None = None) -> Response:
    """A success; 406 without a body where the client accepts no JSON."""
    if not _accepts_json(request.headers.get("accept", "*/*")):
        return empty(HTTPStatus.NOT_ACCEPTABLE)
    return Response(body, media_type=f"{JSON}; charset=utf-8", headers=headers)


def empty(status: int, headers: Mapping[str, str] | None = None) -> Response:
    """A status and nothing else."""
    return Response(status_code=status, headers=headers)


def problem(status: HTTPStatus, detail: str) -> Response:
    """The vendor's own Problem: PascalCase, nulls left out."""
    return _document(
        status,
        {
            "Type": f"{_MEANING}{status.value}",
            "Title": status.phrase,
            "Status": status.value,
            "Detail": detail,
        },
    )


def refused_token(reason: str) -> Response:
    """401 for a bearer token that is bad: a Problem by another serializer, which writes nulls."""
    status = HTTPStatus.UNAUTHORIZED
    body = {
        "Type": f"{_MEANING}{status.value}",
        "Title": status.phrase,
        "Status": status.value,
        "Detail": reason,
        "Instance": None,
        "Extensions": None,
    }
    return Response(
        msgspec.json.encode(body),
        status_code=status,
        media_type=f"{_PROBLEM}; charset=utf-8",
        headers={"WWW-Authenticate": "Bearer", "X-Authentication-Failed": reason},
    )


def no_token() -> Response:
    """401 without a token or with an unsupported scheme: no body, a standard challenge."""
    return empty(HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": "Bearer"})


def invalid_request(errors: Mapping[str, list[str]]) -> Response:
    """400: the framework's ValidationProblemDetails, lowercase."""
    return _document(
        HTTPStatus.BAD_REQUEST,
        {
            "type": f"{_SECTION}15.5.1",
            "title": "One or more validation errors occurred.",
            "status": HTTPStatus.BAD_REQUEST.value,
            "errors": errors,
            "traceId": _TRACE,
        },
    )


def unsupported_media_type() -> Response:
    """415: the framework's ProblemDetails, lowercase."""
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    return _document(
        status,
        {
            "type": f"{_SECTION}15.5.16",
            "title": status.phrase,
            "status": status.value,
            "traceId": _TRACE,
        },
    )


def is_json(content_type: str) -> bool:
    """Whether the server reads a body of this content type."""
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type in {JSON, "text/json"} or (
        media_type.startswith("application/") and media_type.endswith("+json")
    )


def _accepts_json(accept: str) -> bool:
    return any(part.partition(";")[0].strip().lower() in _ACCEPTED for part in accept.split(","))


def _document(status: HTTPStatus, body: Mapping[str, Any]) -> Response:
    return Response(
        wire.json_text(body), status_code=status, media_type=f"{_PROBLEM}; charset=utf-8"
    )
