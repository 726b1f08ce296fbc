"""What an answer means: its text, its verdict, and how long it asks to wait.

What lives here: `Response`, and the one place that judges a status.
What must not: sending (`transport`), asking again (`retry`).
Read more: `docs/reliability.md`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import unescape

import httpx

from booking_assets.api.errors import (
    BookingError,
    Forbidden,
    NotFound,
    Redirected,
    Rejected,
    Unauthorized,
    UnexpectedAnswer,
)
from booking_assets.api.retry import Retryable

OK = 200
UNAUTHORIZED = 401
_FORBIDDEN = 403
_SERVER_ERROR = 500
_TOO_MANY_REQUESTS = 429
_RETRYABLE = frozenset({408, 425, _TOO_MANY_REQUESTS})
_REFUSALS: dict[int, type[BookingError]] = {
    UNAUTHORIZED: Unauthorized,
    _FORBIDDEN: Forbidden,
    404: NotFound,
}

# In the order of how much they tell; every release spells and cases them otherwise.
_TEXT_MEMBERS = ("detail", "message", "description", "summary", "errors", "error", "title")
_LIMIT = re.compile(r"rate.?limit|quota|throttl|\b(rate|limits?)\b", re.IGNORECASE)
_LIMIT_HEADER = re.compile(r"x-(rate-?limit|request-quota)-remaining", re.IGNORECASE)
_THROTTLING_HEADER = re.compile(
    r"retry-after|x-request-cost|x-rate-?limit-.+|x-request-quota-.+", re.IGNORECASE
)
# The server answers 500 to an illegal sort or a null filter: a fault of ours that stays.
_OUR_FAULT = re.compile(
    r"argument|\bparameter '|value cannot be null|\bsort(ed|ing)?\b|\border(ed|ing| by)\b|orderby"
    r"|property or field",
    re.IGNORECASE,
)
_HIDDEN = re.compile(r"<(style|script)\b.*?</\1\s*>|<!--.*?-->", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_SEARCHED_BYTES = 64 * 1024
_SEARCHED_HTML_BYTES = 8 * 1024


@dataclass(frozen=True)
class Response:
    """One HTTP answer, read to its end. `content` is empty where it went to a file."""

    status: int
    reason: str
    headers: httpx.Headers
    content: bytes

    @property
    def is_html(self) -> bool:
        """Whether a page for people came instead of data."""
        kind: str = self.headers.get("Content-Type", "")
        return "html" in kind.lower() or self.content[:64].lstrip()[:1] == b"<"


def failure(
    answer: Response, *, organization: str, operation: str, redact: Callable[[str], str]
) -> Retryable | BookingError | None:
    """What to raise for an answer; None for 200 with data.

    A page for people with 200 comes from something between here and the server, and passes. A 403
    is a limit where it says so, else a missing permission. A 500 is weather unless its text names a
    fault of the request.
    """
    if answer.status == OK and not answer.is_html:
        return None
    said = described(answer)
    detail = redact(said)
    if answer.status == OK:
        return Retryable(f"a page for people came instead of data: {detail}", OK)
    throttled = _is_throttled(answer, said)
    if throttled or answer.status in _RETRYABLE or _is_weather(answer, said):
        wait = retry_after(answer.headers)
        return Retryable(detail, answer.status, retry_after=wait, throttled=throttled)
    return _kind(answer.status)(organization, operation, answer.status, detail)


def described(answer: Response) -> str:
    """What the answer says for people, in full; never empty. Redact it before showing it."""
    said = _first_text(answer.content) if answer.is_html else _text(answer.content)
    if 300 <= answer.status < 400:  # noqa: PLR2004 - the class of redirects
        said = f"to {answer.headers.get('Location', 'nowhere').partition('?')[0]}"
    header: str = answer.headers.get("X-Authentication-Failed", "")
    return said or header or answer.reason or "no text in the answer"


def retry_after(headers: httpx.Headers) -> float | None:
    """The seconds to wait that `Retry-After` asks for; None where it is absent, unreadable or past.

    A date is measured against the answer's own `Date`, so that a wrong clock here does no harm.
    """
    value: str = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", value):
        return float(value) or None
    then = _date(value)
    if then is None:
        return None
    now = _date(headers.get("Date", "")) or datetime.now(UTC)
    seconds = (then - now).total_seconds()
    return seconds if seconds > 0 else None


def throttling(headers: httpx.Headers) -> dict[str, str]:
    """The headers in which a release may speak of its limits, for the log."""
    return {name: value for name, value in headers.items() if _THROTTLING_HEADER.fullmatch(name)}


def _is_throttled(answer: Response, said: str) -> bool:
    if answer.status == _TOO_MANY_REQUESTS:
        return True
    if answer.status != _FORBIDDEN:
        return False
    body = "" if answer.is_html else answer.content[:_SEARCHED_BYTES].decode(errors="replace")
    spent = any(
        _LIMIT_HEADER.fullmatch(name) and value.strip() in {"0", "0.0"}
        for name, value in answer.headers.items()
    )
    speaks = any(_LIMIT.search(text) for text in (said, answer.reason, body))
    return spent or speaks or "Retry-After" in answer.headers


def _is_weather(answer: Response, said: str) -> bool:
    ours = answer.status == _SERVER_ERROR and _OUR_FAULT.search(said) is not None
    return answer.status >= _SERVER_ERROR and not ours


def _kind(status: int) -> type[BookingError]:
    if status in _REFUSALS:
        return _REFUSALS[status]
    if 300 <= status < 400:  # noqa: PLR2004 - the class of redirects
        return Redirected
    return Rejected if status >= 400 else UnexpectedAnswer  # noqa: PLR2004 - refusals


def _date(value: str) -> datetime | None:
    try:
        then = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return then if then.tzinfo else then.replace(tzinfo=UTC)


def _text(content: bytes) -> str:
    try:
        return _said(json.loads(content))
    except (ValueError, RecursionError):
        return content[:_SEARCHED_BYTES].decode(errors="replace").strip()


def _said(value: object) -> str:
    if not isinstance(value, dict):
        return "" if value is None else str(value)
    members = {name.lower(): member for name, member in value.items()}
    texts = (" ".join(_flat(members.get(name))) for name in _TEXT_MEMBERS)
    return next((text for text in texts if text.strip()), "")


def _flat(value: object) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield f"{name}:"
            yield from _flat(member)
    elif isinstance(value, list):
        for member in value:
            yield from _flat(member)


def _first_text(content: bytes) -> str:
    page = _HIDDEN.sub("", content[:_SEARCHED_HTML_BYTES].decode(errors="replace"))
    texts = (unescape(text).strip() for text in _TAG.split(page))
    return next((text for text in texts if text), "")
