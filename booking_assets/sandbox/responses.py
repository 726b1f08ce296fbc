"""The shapes of the vendor's responses: JSON, and its several kinds of error.

Which response a request gets is decided in `application`.
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
_PROBLEM = "application/problem+json; charset=utf-8"
_MEANING = "https://developer.mozilla.org/en-US/docs/Web/HTTP/Status/"
_SECTION = "https://tools.ietf.org/html/rfc9110#section-"
# One trace for every request: the sandbox traces nothing.
_TRACE = "00-5a6e0b0c5a6e0b0c5a6e0b0c5a6e0b0c-5a6e0b0c5a6e0b0c-00"
_ACCEPTED = frozenset({JSON, "text/json", "application/*", "text/*", "*/*"})


class Refusal(Exception):
    """A request that ends in an error."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


class ServerFault(Exception):
    """500 with this message: like the vendor's, its detail gives away the request's URL too."""


def json(request: Request, body: bytes, headers: Mapping[str, str] | None = None) -> Response:
    """A success; 406 without a body where the client accepts no JSON."""
    accept = request.headers.get("accept", "*/*")
    if not any(part.partition(";")[0].strip().lower() in _ACCEPTED for part in accept.split(",")):
        return Response(None, HTTPStatus.NOT_ACCEPTABLE)
    return Response(body, media_type=f"{JSON}; charset=utf-8", headers=headers)


def problem(status: HTTPStatus, detail: str) -> Response:
    """The vendor's own Problem: PascalCase, nulls left out."""
    return Response(wire.json_text(_problem(status, detail)), status, media_type=_PROBLEM)


def refused_token(reason: str) -> Response:
    """401 for a bad bearer token: a Problem by another serializer, which writes nulls."""
    status = HTTPStatus.UNAUTHORIZED
    body = _problem(status, reason) | {"Instance": None, "Extensions": None}
    headers = {"WWW-Authenticate": "Bearer", "X-Authentication-Failed": reason}
    return Response(msgspec.json.encode(body), status, headers, _PROBLEM)


def invalid_request(errors: Mapping[str, list[str]]) -> Response:
    """400, with messages by member: the framework's ValidationProblemDetails, lowercase."""
    title = "One or more validation errors occurred."
    return _framework_problem(HTTPStatus.BAD_REQUEST, "15.5.1", title, {"errors": errors})


def unsupported_media_type() -> Response:
    """415: the framework's ProblemDetails, lowercase."""
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    return _framework_problem(status, "15.5.16", status.phrase, {})


def _problem(status: HTTPStatus, detail: str) -> dict[str, Any]:
    type_ = f"{_MEANING}{status.value}"
    return {"Type": type_, "Title": status.phrase, "Status": status.value, "Detail": detail}


def _framework_problem(
    status: HTTPStatus, section: str, title: str, more: Mapping[str, Any]
) -> Response:
    body = {"type": f"{_SECTION}{section}", "title": title, "status": status.value, **more}
    return Response(wire.json_text(body | {"traceId": _TRACE}), status, media_type=_PROBLEM)
