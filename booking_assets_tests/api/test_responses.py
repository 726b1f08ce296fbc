"""The classification of responses, `Retry-After`, and error texts."""

from __future__ import annotations

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking_assets.api.errors import (
    BookingError,
    ConfigurationError,
    ContractViolation,
    Forbidden,
    NotFound,
    Redirected,
    RequestRejected,
    Unauthorized,
    UnexpectedStatus,
)
from booking_assets.api.responses import Response, error_for, error_text, retry_after
from booking_assets.api.retry import RetryableError

RETRYABLE = "retryable"
THROTTLED = "throttled"


def response_of(
    status: int, body: object = b"", headers: dict[str, str] | None = None, reason: str = ""
) -> Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, reason, httpx.Headers(headers), content)


CLASSIFICATIONS: dict[str, tuple[Response, object]] = {
    "200 JSON": (response_of(200, []), None),
    "200 HTML by header": (response_of(200, b"x", {"Content-Type": "text/html"}), RETRYABLE),
    "200 HTML by body": (response_of(200, b"\r\n<!DOCTYPE html>"), RETRYABLE),
    "204": (response_of(204), UnexpectedStatus),
    "206": (response_of(206, []), UnexpectedStatus),
    "301": (response_of(301, headers={"Location": "https://b.example/v2"}), Redirected),
    "307": (response_of(307), Redirected),
    "304": (response_of(304), Redirected),
    "400": (response_of(400, {"errors": {"Page": ["bad"]}}), RequestRejected),
    "401 empty": (response_of(401), Unauthorized),
    "403 empty": (response_of(403, reason="Forbidden"), Forbidden),
    "403 permission": (response_of(403, {"Detail": "limited access"}), Forbidden),
    "403 permission, limits remaining": (
        response_of(403, headers={"X-Rate-Limit-Remaining": "99", "X-Request-Cost": "1"}),
        Forbidden,
    ),
    "403 rate in the reason": (response_of(403, reason="Rate Limit Exceeded"), THROTTLED),
    "403 rate in the body": (response_of(403, b"Rate Limit Exceeded"), THROTTLED),
    "403 quota in any member": (
        response_of(403, {"Title": "No", "Why": "Quota Exceeded"}),
        THROTTLED,
    ),
    "403 rate in HTML": (response_of(403, b"<h1>Rate limit exceeded</h1>"), THROTTLED),
    "403 HTML permission": (
        response_of(403, b"<style>.a{limit: 1}</style><h1>No entry</h1>"),
        Forbidden,
    ),
    "403 nothing remaining": (response_of(403, headers={"X-RateLimit-Remaining": "0"}), THROTTLED),
    "403 no quota remaining": (
        response_of(403, headers={"X-Request-Quota-Remaining": "0"}),
        THROTTLED,
    ),
    "403 with Retry-After": (response_of(403, headers={"Retry-After": "5"}), THROTTLED),
    "404": (response_of(404), NotFound),
    "405": (response_of(405), RequestRejected),
    "406": (response_of(406), RequestRejected),
    "408": (response_of(408), RETRYABLE),
    "409": (response_of(409), RequestRejected),
    "415": (response_of(415), RequestRejected),
    "422": (response_of(422), RequestRejected),
    "425": (response_of(425), RETRYABLE),
    "429": (response_of(429), THROTTLED),
    "500": (response_of(500, {"Title": "Internal Server Error"}), RETRYABLE),
    "500 deadlock": (response_of(500, {"Detail": "Transaction was deadlocked on lock"}), RETRYABLE),
    "500 illegal sort": (
        response_of(500, {"Detail": "No property or field 'EventId'"}),
        RequestRejected,
    ),
    "500 null filter": (
        response_of(500, {"Detail": "Value cannot be null. (Parameter 'filter')"}),
        RequestRejected,
    ),
    "500 ordering": (
        response_of(500, b"<title>It must be ordered before Skip</title>"),
        RequestRejected,
    ),
    "502 HTML": (response_of(502, b"<h1>Bad Gateway</h1>"), RETRYABLE),
    "503 sorting out": (response_of(503, {"Detail": "we are sorting it out"}), RETRYABLE),
    "599": (response_of(599), RETRYABLE),
}


@pytest.mark.parametrize(("response", "expected"), CLASSIFICATIONS.values(), ids=CLASSIFICATIONS)
def test_each_response_has_one_classification(response: Response, expected: object) -> None:
    error = error_for(response, organization="acme", operation="count")
    if expected in (RETRYABLE, THROTTLED):
        assert isinstance(error, RetryableError)
        assert error.throttled == (expected == THROTTLED)
    elif expected is None:
        assert error is None
    else:
        assert type(error) is expected


def test_base_classes_name_who_must_act() -> None:
    assert issubclass(Unauthorized, ConfigurationError)
    assert issubclass(RequestRejected, ContractViolation)
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
def test_retry_after_is_read_as_seconds_or_as_a_date(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after(httpx.Headers(headers)) == seconds


@given(st.text(), st.text())
def test_retry_after_accepts_any_header_text(wait: str, date: str) -> None:
    headers = httpx.Headers([(b"Retry-After", wait.encode()), (b"Date", date.encode())])
    seconds = retry_after(headers)
    assert seconds is None or seconds > 0


TEXTS = {
    "Problem, Pascal case": (
        response_of(500, {"Type": "t", "Title": "Error", "Status": 500, "Detail": "why"}),
        "why",
    ),
    "Problem with nulls": (
        response_of(401, {"Title": "Unauthorized", "Detail": None}),
        "Unauthorized",
    ),
    "validation, lower case": (
        response_of(400, {"title": "Invalid", "errors": {"Page": ["not a number", "odd"]}}),
        "Page: not a number odd",
    ),
    "25.7": (response_of(401, {"Code": 1, "Summary": "Bad", "Description": "Expired"}), "Expired"),
    "plain text": (response_of(429, b"slow down\n"), "slow down"),
    "HTML": (
        response_of(500, b"<html><head><style>x{}</style><title> Oops </title></head><p>more"),
        "Oops",
    ),
    "only a header": (response_of(401, headers={"X-Authentication-Failed": "expired"}), "expired"),
    "only a reason": (response_of(403, reason="Forbidden"), "Forbidden"),
    "nothing": (response_of(403), ""),
}


@pytest.mark.parametrize(("response", "text"), TEXTS.values(), ids=TEXTS)
def test_the_error_text_is_found_in_every_format(response: Response, text: str) -> None:
    assert error_text(response) == text


@given(st.binary(max_size=200), st.sampled_from([400, 401, 403, 500]), st.booleans())
def test_any_body_can_be_classified(body: bytes, status: int, html: bool) -> None:
    headers = {"Content-Type": "text/html" if html else "application/json"}
    error_text(response_of(status, body, headers))
    assert error_for(response_of(status, body, headers), organization="a", operation="b")


@pytest.mark.parametrize("page", [b"<![foo[ bar", b"<!", b"<style>", b"<" * 9000, b"<a" * 9000])
def test_invalid_html_can_be_read(page: bytes) -> None:
    error_text(response_of(502, page))


def test_a_deeply_nested_error_body_can_be_read() -> None:
    assert error_text(response_of(500, b"[" * 100_000))
    error_text(response_of(500, b'{"detail":' + b"[" * 900 + b"]" * 900 + b"}"))


SAME, OTHER = "api.example", "login.example"
TARGETS = {
    "https on the same host": (f"https://{SAME}/v2?token=x", "to https on the same host"),
    "a port": (f"http://{SAME}:8080/v2", "to http on the same host"),
    "another host": (f"https://{OTHER}/sign-in", "to https on another host"),
    "a path": ("/v3/booking", "to another path on the same host"),
    "another scheme": (f"secret://{SAME}/", "to another path on the same host"),
    "nothing": ("", "to another path on the same host"),
    "not an address": ("http://[", "to an invalid address"),
}


@pytest.mark.parametrize(("location", "detail"), TARGETS.values(), ids=TARGETS)
def test_a_redirect_is_described_and_not_quoted(location: str, detail: str) -> None:
    response = Response(302, "", httpx.Headers({"Location": location}), b"", SAME)
    error = error_for(response, organization="acme", operation="count")
    assert isinstance(error, Redirected)
    assert error.detail == detail


def test_an_error_without_known_words_has_the_standard_phrase() -> None:
    for status, phrase in ((403, "Forbidden"), (502, "Bad Gateway"), (599, "no known text")):
        error = error_for(
            response_of(status, b"zzz yyy", reason="xxx"), organization="acme", operation="count"
        )
        assert error is not None
        assert phrase in str(error)
