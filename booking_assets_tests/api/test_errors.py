"""Errors are whole sentences, and survive the way between processes."""

from __future__ import annotations

import pickle

import pytest

from booking_assets.api.errors import (
    BookingError,
    Forbidden,
    ForeignCredential,
    MissingCredential,
    NotFound,
    RateLimited,
    Redirected,
    Rejected,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    UnusableCredential,
)

PLAIN: list[type[BookingError]] = [
    UnusableCredential,
    Unauthorized,
    Forbidden,
    Redirected,
    Rejected,
    UnexpectedAnswer,
    NotFound,
]
ERRORS: list[BookingError] = [
    *(kind("acme", "events: count", 400, "why") for kind in PLAIN),
    Unavailable("acme", "events: count", None, "ConnectError: refused", 10, 61.5),
    RateLimited("acme", "events: count", 429, "slow down", 1, 0.2),
    ForeignCredential("acme", "events: count", "expected-id", "found-id"),
    MissingCredential("acme", "BOOKING_TOKEN_ACME"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling(error: BookingError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert vars(again) == vars(error)
    assert str(again) == str(error)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_names_the_organization_the_operation_the_cause_and_the_remedy(
    error: BookingError,
) -> None:
    text = str(error)
    assert text.startswith(f"acme: {error.operation} ")
    assert error.detail in text
    assert text.endswith(error.remedy)
    assert error.remedy.endswith(".")
    assert error.remedy != BookingError.remedy
