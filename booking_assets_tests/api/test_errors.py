"""Error messages name the organization, operation, cause and remedy; errors can be pickled."""

from __future__ import annotations

import pickle

import pytest

from booking_assets.api.errors import (
    BookingError,
    CredentialMismatch,
    Forbidden,
    InvalidCredential,
    MissingCredential,
    NotFound,
    RateLimited,
    Redirected,
    RequestRejected,
    Unauthorized,
    Unavailable,
    UnexpectedStatus,
)

STATUS_ERRORS: list[type[BookingError]] = [
    InvalidCredential,
    Unauthorized,
    Forbidden,
    Redirected,
    RequestRejected,
    UnexpectedStatus,
    NotFound,
]
ERRORS: list[BookingError] = [
    *(kind("acme", "events: count", 400, "why") for kind in STATUS_ERRORS),
    Unavailable("acme", "events: count", None, "ConnectError: refused", 10, 61.5),
    RateLimited("acme", "events: count", 429, "slow down", 1, 0.2),
    CredentialMismatch("acme", "events: count", "expected-id", "found-id"),
    MissingCredential("acme", "BOOKING_TOKEN_ACME"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_can_be_pickled(error: BookingError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert vars(copy) == vars(error)
    assert str(copy) == str(error)


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
