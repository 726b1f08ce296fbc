"""Every fault switch by its name: how its value is written, what it means, what it does.

What lives here: `SWITCHES`, and the table of them for people.
What must not: a fault's behaviour (the modules of its family), which are switched on (`selection`).
Read more: `docs/sandbox.md`, "Faults".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from booking_assets.sandbox.faults import (
    bad_rows,
    drift,
    moving,
    organizations,
    paging,
    security,
    values,
    weather,
)
from booking_assets.sandbox.faults.contract import Handler, Setup
from booking_assets.sandbox.faults.values import Value

T = TypeVar("T")


@dataclass(frozen=True)
class Switch(Generic[T]):
    """A fault that can be switched on.

    Attributes:
        name: What stands before `=`.
        value: What stands behind it.
        meaning: One sentence, for the help.
        make: The handler for a value; each server has its own.
        everywhere: Whether it reaches beyond `/booking`, to tokens and health.
        divisible: Whether it may be limited to one organization.
    """

    name: str
    value: Value[T]
    meaning: str
    make: Callable[[T, Setup], Handler]
    everywhere: bool = False
    divisible: bool = True

    @property
    def explanation(self) -> str:
        """The meaning, and what the value must be."""
        rule = f" {self.value.rule}." if self.value.placeholder else ""
        return f"{self.meaning}{rule}"


ERA = Switch(
    "era",
    values.one_of("ERA", drift.ERAS),
    "Names of release B or C; C is served below /api, and only its events have short names.",
    lambda letter, _: drift.era(letter),
    divisible=False,
)
EMPTY_FOREIGN = Switch(
    "empty_foreign",
    values.FLAG,
    "The credential is that of a strange, empty organization; only the token's claim tells.",
    lambda *_: organizations.empty_foreign(),
    everywhere=True,
)

# The outermost first: what spoils an answer stands before what makes it.
_WEATHER: tuple[Switch[Any], ...] = (
    Switch(
        "downtime",
        values.OUTAGE,
        "503 for everything, health and tokens too, from request FIRST on for SECONDS.",
        weather.downtime,
        everywhere=True,
    ),
    Switch(
        "latency",
        values.SECONDS,
        "Each answer waits so long.",
        lambda seconds, _: weather.latency(seconds),
    ),
    Switch(
        "never_lifts",
        values.WAIT,
        "429 for ever, each time with Retry-After of so many seconds.",
        lambda seconds, _: weather.always_limited(seconds),
    ),
    Switch(
        "throttle",
        values.LIMIT,
        "More requests than that in a window of SECONDS: 429, Retry-After in seconds.",
        lambda limit, setup: weather.limited(limit, weather.too_many_requests, setup),
    ),
    Switch(
        "throttle_date",
        values.LIMIT,
        "The same, Retry-After as an HTTP date.",
        lambda limit, setup: weather.limited(limit, weather.too_many_requests_until, setup),
    ),
    Switch(
        "throttle_403",
        values.LIMIT,
        "The same as 403 Rate Limit Exceeded, without Retry-After.",
        lambda limit, setup: weather.limited(limit, weather.rate_limit_exceeded, setup),
    ),
    Switch(
        "quota",
        values.LIMIT,
        "The same as 403 Quota Exceeded, with X-Request-Quota-Remaining.",
        lambda limit, setup: weather.limited(limit, weather.quota_exceeded, setup),
    ),
    Switch(
        "reset_rate",
        values.SHARE,
        "Share of answers broken in the middle by a connection reset.",
        weather.reset_rate,
    ),
    Switch(
        "truncate_rate",
        values.SHARE,
        "Share of answers cut in half, Content-Length promising the whole.",
        weather.truncate_rate,
    ),
    Switch(
        "truncate_silently_rate",
        values.SHARE,
        "Share of answers cut in half, Content-Length fitting the half.",
        weather.truncate_silently_rate,
    ),
    Switch(
        "html_rate",
        values.SHARE,
        "Share of answers that are an HTML page with status 200.",
        weather.html_rate,
    ),
    Switch(
        "error_rate",
        values.SHARE,
        "Share of answers that are 500, 502, 503 or 504.",
        weather.error_rate,
    ),
    Switch(
        "slow",
        values.SPEED,
        "Each body trickles at so many bytes a second.",
        lambda speed, _: weather.slow(speed),
    ),
)
_SECURITY: tuple[Switch[Any], ...] = (
    Switch(
        "unauthorized",
        values.one_of("SCOPE", security.SCOPES),
        "401 with JSON and X-Authentication-Failed for a resource, an operation or all.",
        lambda scope, _: security.refused(scope, security.unauthorized),
    ),
    Switch(
        "forbidden",
        values.one_of("SCOPE", security.SCOPES),
        "403 without a body for a resource, an operation or all.",
        lambda scope, _: security.refused(scope, security.forbidden),
    ),
    Switch(
        "not_found",
        values.one_of("SCOPE", security.SCOPES),
        "404 without a body for a resource, an operation or all.",
        lambda scope, _: security.refused(scope, security.not_found),
    ),
    Switch(
        "redirect",
        values.one_of("STATUS", security.REDIRECTS),
        "Every request is redirected to https.",
        lambda status, _: security.redirect(status),
    ),
    Switch(
        "echo_token",
        values.one_of("STATUS", security.ECHOING),
        "Every answer is an error that repeats the Authorization header.",
        lambda status, _: security.echo_token(status),
    ),
    Switch(
        "expiring_tokens",
        values.REQUESTS,
        "A token is refused with 401 after so many requests, until it is issued anew.",
        lambda requests, _: security.expiring_tokens(requests),
        everywhere=True,
    ),
)
_PAGING: tuple[Switch[Any], ...] = (
    Switch(
        "cap_page_size",
        values.SIZE,
        "Pages hold at most so many rows, and the header says so.",
        lambda most, _: paging.cap_page_size(most, silently=False),
    ),
    Switch(
        "cap_page_size_silently",
        values.SIZE,
        "Pages hold at most so many rows, and the header repeats what was asked.",
        lambda most, _: paging.cap_page_size(most, silently=True),
    ),
    Switch(
        "count_off",
        values.DIFFERENCE,
        "The count is so much too high, or too low where negative.",
        lambda difference, _: paging.count_off(difference),
    ),
    Switch(
        "header_off",
        values.DIFFERENCE,
        "The header's TotalCount is so much too high, or too low where negative.",
        lambda difference, _: paging.header_off(difference),
    ),
    Switch(
        "no_header",
        values.FLAG,
        "Pages come without X-Query-Pagination.",
        lambda *_: paging.no_header(),
    ),
)
_ROWS: tuple[Switch[Any], ...] = (
    Switch(
        "bad_rows",
        values.one_of("KIND", (bad_rows.ALL, *bad_rows.KINDS)),
        "Three rows that cannot be typed, or one of each kind; all others are good.",
        lambda kind, _: bad_rows.bad_rows(kind),
    ),
    ERA,
    Switch(
        "unknown_members",
        values.FLAG,
        "Each row has a member that no release documents, of one of JSON's types.",
        lambda *_: drift.unknown_members(),
    ),
    Switch(
        "date_times",
        values.one_of("FORM", drift.FORMS),
        "Date-times in another form: far is +14:00; no_digits and no_offset lose something.",
        lambda form, _: drift.date_times(form),
    ),
)
_MOVING: tuple[Switch[Any], ...] = (
    Switch(
        "repeat_rows",
        values.SIZE,
        "Every page after the first begins so many rows early; the last rows never come.",
        lambda rows, _: paging.shifted(-rows),
    ),
    Switch(
        "skip_rows",
        values.SIZE,
        "Every page after the first begins so many rows late.",
        lambda rows, _: paging.shifted(rows),
    ),
    Switch(
        "unsorted",
        values.FLAG,
        "The sort is ignored: each page is cut from another order.",
        lambda _, setup: paging.unsorted(setup),
    ),
    Switch(
        "insert_between",
        values.PAGES,
        "After so many pages a row is inserted before all others.",
        moving.insert_between,
    ),
    Switch(
        "insert_every",
        values.EVERY,
        "Another row is inserted after every so many pages, without end.",
        moving.insert_every,
    ),
    Switch(
        "delete_between",
        values.PAGES,
        "After so many pages the first row is deleted.",
        lambda pages, _: moving.delete_between(pages),
    ),
    Switch(
        "change_between",
        values.PAGES,
        "After so many pages the first and the last row are changed.",
        moving.change_between,
    ),
    Switch(
        "rebuild",
        values.ROWS,
        "The read model is being rebuilt: it holds only so many rows, with status 200.",
        lambda rows, _: moving.rebuild(rows),
    ),
)
_ORGANIZATIONS: tuple[Switch[Any], ...] = (
    Switch(
        "foreign_row",
        values.FLAG,
        "One row among the pages belongs to another organization.",
        lambda *_: organizations.foreign_row(),
    ),
    Switch(
        "foreign_token",
        values.SLUG,
        "The token answers for organization SLUG, whatever its claim says.",
        lambda slug, setup: organizations.foreign_token(setup.tenant(slug)),
    ),
    EMPTY_FOREIGN,
)

SWITCHES: Mapping[str, Switch[Any]] = {
    switch.name: switch
    for switch in (*_WEATHER, *_SECURITY, *_PAGING, *_ROWS, *_MOVING, *_ORGANIZATIONS)
}
"""Every switch by its name, in the order in which the faults stand before the routes."""


def fault_table() -> tuple[tuple[str, str, str], ...]:
    """Every switch as (name, value, meaning), for people; the value is empty where none is taken.

    The meaning ends with what the value must be.
    """
    return tuple(
        (switch.name, switch.value.placeholder, switch.explanation) for switch in SWITCHES.values()
    )
