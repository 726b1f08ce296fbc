"""Classification of HTTP responses: success, retryable, rate limited, or which exception.

Also reads the error text of a body and the `Retry-After` header. Bodies with data are parsed in
`wire` and, for pages, in `collect`; the retry loop is in `retry`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import unescape
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx

from booking_assets.api.errors import (
    BookingError,
    Forbidden,
    NotFound,
    Redirected,
    RequestRejected,
    Unauthorized,
    UnexpectedStatus,
)
from booking_assets.api.redaction import known_words
from booking_assets.api.retry import RetryableError

OK = 200
_RETRYABLE = frozenset({408, 425, 429})
_ERROR_CLASSES: dict[int, type[BookingError]] = {401: Unauthorized, 403: Forbidden, 404: NotFound}

# The most specific first; each release of the API spells and cases them differently.
_TEXT_MEMBERS = ("detail", "message", "description", "summary", "errors", "error", "title")
_RATE_LIMIT = re.compile(r"rate.?limit|quota|throttl|\b(rate|limits?)\b", re.IGNORECASE)
_REMAINING_HEADER = re.compile(r"x-(rate-?limit|request-quota)-remaining", re.IGNORECASE)
_RATE_LIMIT_HEADER = re.compile(
    r"retry-after|x-request-cost|x-(rate-?limit|request-quota)-(limit|remaining|reset|used)",
    re.IGNORECASE,
)
# The server returns 500 for an illegal sort or a null filter: a retry cannot help.
_INVALID_REQUEST = re.compile(
    r"argument|\bparameter '|value cannot be null|\bsort(ed|ing)?\b|\border(ed|ing| by)\b|orderby"
    r"|property or field",
    re.IGNORECASE,
)
_INVISIBLE = re.compile(r"<(style|script)\b.*?</\1\s*>|<!--.*?-->", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_SEARCHED_BYTES = 64 * 1024
_SEARCHED_HTML_BYTES = 8 * 1024


@dataclass(frozen=True)
class Response:
    """One HTTP response of `host`. `content` is empty where the body went to a file."""

    status: int
    reason: str
    headers: httpx.Headers
    content: bytes
    host: str = ""

    @property
    def is_html(self) -> bool:
        """Whether the body is HTML instead of JSON."""
        content_type: str = self.headers.get("Content-Type", "")
        return "html" in content_type.lower() or self.content[:64].lstrip()[:1] == b"<"


def error_for(
    response: Response, *, organization: str, operation: str
) -> RetryableError | BookingError | None:
    """Returns the exception to raise for a response; None for 200 with data.

    HTML with status 200 comes from a proxy or a gateway and is retryable. A 403 is a rate limit
    where its text or headers name one, else a missing permission. A 500 is retryable unless its
    text names an invalid request.
    """
    if response.status == OK and not response.is_html:
        return None
    status, text = response.status, error_text(response)
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "no known text"
    detail = known_words(text) or phrase
    if status == OK:
        return RetryableError(f"HTML instead of JSON: {detail}", OK)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return Redirected(organization, operation, status, _redirect_target(response))
    throttled = _is_throttled(response, text)
    is_server_error = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    is_invalid = status == HTTPStatus.INTERNAL_SERVER_ERROR and _INVALID_REQUEST.search(text)
    if throttled or status in _RETRYABLE or (is_server_error and not is_invalid):
        wait = retry_after(response.headers)
        return RetryableError(detail, status, retry_after=wait, throttled=throttled)
    default = RequestRejected if status >= HTTPStatus.BAD_REQUEST else UnexpectedStatus
    return _ERROR_CLASSES.get(status, default)(organization, operation, status, detail)


def error_text(response: Response) -> str:
    """Returns the error message that the server wrote, "" if there is none; not for display."""
    text = _html_text(response.content) if response.is_html else _json_text(response.content)
    header: str = response.headers.get("X-Authentication-Failed", "")
    return text or header or response.reason


def retry_after(headers: httpx.Headers) -> float | None:
    """Returns the seconds of `Retry-After`; None where it is absent, unreadable or past.

    A date is compared with the response's own `Date`, so that a wrong local clock has no effect.
    """
    value: str = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", value):
        return float(value) or None
    if (then := parse_date(value)) is None:
        return None
    now = parse_date(headers.get("Date", "")) or datetime.now(UTC)
    return max(0.0, (then - now).total_seconds()) or None


def rate_limit_headers(headers: httpx.Headers) -> dict[str, str]:
    """Returns the headers about rate limits whose value is a short number, for the log."""
    return {
        name: value
        for name, value in headers.items()
        if _RATE_LIMIT_HEADER.fullmatch(name) and re.fullmatch(r"[0-9.]{1,7}", value)
    }


def _redirect_target(response: Response) -> str:
    """Describes `Location` without quoting it: it may contain a credential."""
    try:
        target = urlsplit(response.headers.get("Location", ""))
    except ValueError:
        return "to an invalid address"
    scheme = target.scheme if target.scheme in {"http", "https"} else "another path"
    host = "the same host" if target.netloc.partition(":")[0] == response.host else "another host"
    return f"to {scheme} on {host if target.netloc else 'the same host'}"


def _is_throttled(response: Response, text: str) -> bool:
    if response.status != HTTPStatus.FORBIDDEN:
        return response.status == HTTPStatus.TOO_MANY_REQUESTS
    body = "" if response.is_html else response.content[:_SEARCHED_BYTES].decode(errors="replace")
    exhausted = any(
        _REMAINING_HEADER.fullmatch(name) and value.strip() in {"0", "0.0"}
        for name, value in response.headers.items()
    )
    is_named = any(_RATE_LIMIT.search(part) for part in (text, response.reason, body))
    return exhausted or is_named or "Retry-After" in response.headers


def parse_date(value: str) -> datetime | None:
    """Parses a date of a header, to UTC; None where it is absent or invalid."""
    try:
        then = parsedate_to_datetime(value)
        return then.astimezone(UTC) if then.tzinfo else then.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _json_text(content: bytes) -> str:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return content[:_SEARCHED_BYTES].decode(errors="replace").strip()
    if not isinstance(value, dict):
        return "" if value is None else str(value)
    members = {name.lower(): member for name, member in value.items()}
    texts = (" ".join(_strings_in(members.get(name))) for name in _TEXT_MEMBERS)
    return next((text for text in texts if text.strip()), "")


def _strings_in(value: object) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield f"{name}:"
            yield from _strings_in(member)
    elif isinstance(value, list):
        for member in value:
            yield from _strings_in(member)


def _html_text(content: bytes) -> str:
    """Returns the first visible text, which is the page's title."""
    page = _INVISIBLE.sub("", content[:_SEARCHED_HTML_BYTES].decode(errors="replace"))
    texts = (unescape(text).strip() for text in _TAG.split(page))
    return next((text for text in texts if text), "")
