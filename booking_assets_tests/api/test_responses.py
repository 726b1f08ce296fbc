"""What each status means, how long an answer asks to wait, and what it says to people."""

from __future__ import annotations

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking_assets.api.errors import (
    BookingError,
    FixConfiguration,
    Forbidden,
    NotFound,
    Redirected,
    Rejected,
    ReportDefect,
    Unauthorized,
    UnexpectedAnswer,
)
from booking_assets.api.responses import Response, described, failure, retry_after
from booking_assets.api.retry import Retryable

AGAIN = "again"
THROTTLED = "throttled"


def answer(
    status: int, body: object = b"", headers: dict[str, str] | None = None, reason: str = ""
) -> Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, reason, httpx.Headers(headers), content)


VERDICTS: dict[str, tuple[Response, object]] = {
    "200 JSON": (answer(200, []), None),
    "200 HTML by header": (answer(200, b"x", {"Content-Type": "text/html"}), AGAIN),
    "200 HTML by look": (answer(200, b"\r\n<!DOCTYPE html>"), AGAIN),
    "204": (answer(204), UnexpectedAnswer),
    "206": (answer(206, []), UnexpectedAnswer),
    "301": (answer(301, headers={"Location": "https://b.example/v2"}), Redirected),
    "307": (answer(307), Redirected),
    "304": (answer(304), Redirected),
    "400": (answer(400, {"errors": {"Page": ["bad"]}}), Rejected),
    "401 empty": (answer(401), Unauthorized),
    "403 empty": (answer(403, reason="Forbidden"), Forbidden),
    "403 permission": (answer(403, {"Detail": "limited access"}), Forbidden),
    "403 permission, limits left": (
        answer(403, headers={"X-Rate-Limit-Remaining": "99", "X-Request-Cost": "1"}),
        Forbidden,
    ),
    "403 rate in the reason": (answer(403, reason="Rate Limit Exceeded"), THROTTLED),
    "403 rate in the body": (answer(403, b"Rate Limit Exceeded"), THROTTLED),
    "403 quota in any member": (answer(403, {"Title": "No", "Why": "Quota Exceeded"}), THROTTLED),
    "403 rate in HTML": (answer(403, b"<h1>Rate limit exceeded</h1>"), THROTTLED),
    "403 HTML permission": (
        answer(403, b"<style>.a{limit: 1}</style><h1>No entry</h1>"),
        Forbidden,
    ),
    "403 nothing left": (answer(403, headers={"X-RateLimit-Remaining": "0"}), THROTTLED),
    "403 no quota left": (answer(403, headers={"X-Request-Quota-Remaining": "0"}), THROTTLED),
    "403 with a wait": (answer(403, headers={"Retry-After": "5"}), THROTTLED),
    "404": (answer(404), NotFound),
    "405": (answer(405), Rejected),
    "406": (answer(406), Rejected),
    "408": (answer(408), AGAIN),
    "409": (answer(409), Rejected),
    "415": (answer(415), Rejected),
    "422": (answer(422), Rejected),
    "425": (answer(425), AGAIN),
    "429": (answer(429), THROTTLED),
    "500": (answer(500, {"Title": "Internal Server Error"}), AGAIN),
    "500 deadlock": (answer(500, {"Detail": "Transaction was deadlocked on lock"}), AGAIN),
    "500 illegal sort": (
        answer(500, {"Detail": "No property or field 'EventId'"}),
        Rejected,
    ),
    "500 null filter": (
        answer(500, {"Detail": "Value cannot be null. (Parameter 'filter')"}),
        Rejected,
    ),
    "500 ordering": (
        answer(500, b"<title>It must be ordered before Skip</title>"),
        Rejected,
    ),
    "502 HTML": (answer(502, b"<h1>Bad Gateway</h1>"), AGAIN),
    "503 sorting out": (answer(503, {"Detail": "we are sorting it out"}), AGAIN),
    "599": (answer(599), AGAIN),
}


@pytest.mark.parametrize(("given_answer", "verdict"), VERDICTS.values(), ids=VERDICTS)
def test_each_answer_has_one_verdict(given_answer: Response, verdict: object) -> None:
    error = failure(given_answer, organization="acme", operation="count", redact=str)
    if verdict in (AGAIN, THROTTLED):
        assert isinstance(error, Retryable)
        assert error.throttled == (verdict == THROTTLED)
    elif verdict is None:
        assert error is None
    else:
        assert type(error) is verdict


def test_the_tree_says_who_must_act() -> None:
    assert issubclass(Unauthorized, FixConfiguration)
    assert issubclass(Rejected, ReportDefect)
    assert issubclass(NotFound, BookingError)


NOW = "Wed, 21 Oct 2015 07:28:00 GMT"
WAITS = {
    "seconds": ({"Retry-After": "120"}, 120.0),
    "seconds with spaces": ({"Retry-After": " 7 "}, 7.0),
    "a date": ({"Retry-After": "Wed, 21 Oct 2015 07:29:30 GMT", "Date": NOW}, 90.0),
    "with an offset": (
        {"Retry-After": "Wed, 21 Oct 2015 09:29:30 +0200", "Date": NOW},
        90.0,
    ),
    "now": ({"Retry-After": "0"}, None),
    "a past date": ({"Retry-After": "Wed, 21 Oct 2015 07:27:00 GMT", "Date": NOW}, None),
    "a past date without a clock": ({"Retry-After": NOW}, None),
    "negative": ({"Retry-After": "-5"}, None),
    "a fraction": ({"Retry-After": "1.5"}, None),
    "words": ({"Retry-After": "soon"}, None),
    "absent": ({}, None),
}


@pytest.mark.parametrize(("headers", "seconds"), WAITS.values(), ids=WAITS)
def test_a_wait_is_read_in_both_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(httpx.Headers(headers)) == seconds


@given(st.text(), st.text())
def test_no_header_text_breaks_the_reading_of_a_wait(wait: str, date: str) -> None:
    headers = httpx.Headers([(b"Retry-After", wait.encode()), (b"Date", date.encode())])
    seconds = retry_after(headers)
    assert seconds is None or seconds > 0


TEXTS = {
    "Problem, Pascal case": (
        answer(500, {"Type": "t", "Title": "Error", "Status": 500, "Detail": "why"}),
        "why",
    ),
    "Problem with nulls": (answer(401, {"Title": "Unauthorized", "Detail": None}), "Unauthorized"),
    "validation, lower case": (
        answer(400, {"title": "Invalid", "errors": {"Page": ["not a number", "odd"]}}),
        "Page: not a number odd",
    ),
    "25.7": (answer(401, {"Code": 1, "Summary": "Bad", "Description": "Expired"}), "Expired"),
    "plain text": (answer(429, b"slow down\n"), "slow down"),
    "HTML": (
        answer(500, b"<html><head><style>x{}</style><title> Oops </title></head><p>more"),
        "Oops",
    ),
    "only a header": (answer(401, headers={"X-Authentication-Failed": "expired"}), "expired"),
    "only a reason": (answer(403, reason="Forbidden"), "Forbidden"),
    "nothing": (answer(403), "no text in the answer"),
    "a redirect": (
        answer(302, b"", {"Location": "https://login.example/?token=x"}),
        "to https://login.example/",
    ),
}


@pytest.mark.parametrize(("given_answer", "text"), TEXTS.values(), ids=TEXTS)
def test_the_text_for_people_is_found_in_every_shape(given_answer: Response, text: str) -> None:
    assert described(given_answer) == text


@given(st.binary(max_size=200), st.sampled_from([400, 401, 403, 500]), st.booleans())
def test_no_body_breaks_the_verdict(body: bytes, status: int, html: bool) -> None:
    headers = {"Content-Type": "text/html" if html else "application/json"}
    assert described(answer(status, body, headers))
    assert failure(answer(status, body, headers), organization="a", operation="b", redact=str)


@pytest.mark.parametrize("page", [b"<![foo[ bar", b"<!", b"<style>", b"<" * 9000, b"<a" * 9000])
def test_no_broken_page_breaks_the_verdict(page: bytes) -> None:
    assert described(answer(502, page))


def test_a_deeply_nested_error_body_breaks_nothing() -> None:
    assert described(answer(500, b"[" * 100_000))
    assert described(answer(500, b'{"detail":' + b"[" * 900 + b"]" * 900 + b"}"))
