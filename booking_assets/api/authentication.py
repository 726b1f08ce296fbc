"""Credentials: bearer tokens, and client secrets that are exchanged for tokens and renewed.

The exchange request is sent by `client`; the environment variables are read by `settings`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from uuid import UUID

from booking_assets.api.errors import BookingError

LIFETIME_SECONDS = 3600
_RENEWAL_MARGIN_SECONDS = 60.0
_JWT_PARTS = 3


@dataclass(frozen=True)
class Token:
    """A bearer token, sent as it is."""

    value: str = field(repr=False)


@dataclass(frozen=True)
class ClientSecret:
    """A client secret, sent to the token endpoint only."""

    value: str = field(repr=False)


Credential = Token | ClientSecret


class TokenCache:
    """The access token of a client secret, renewed before it expires.

    Threads that wait for the same exchange share its token or its error, so that a wrong secret is
    sent once and not once per thread. The lifetime comes from `ExpiresIn`, because the server sets
    the `exp` claim sixty times too far ahead.
    """

    def __init__(
        self, exchange: Callable[[], tuple[str, float]], clock: Callable[[], float]
    ) -> None:
        """Takes the exchange, which returns a token and its lifetime, and a monotonic clock."""
        self._exchange = exchange
        self._clock = clock
        self._lock = Lock()
        self._token: str | None = None
        self._renew_at = 0.0
        self._error: BookingError | None = None

    def token(self, rejected: str | None = None) -> str:
        """Returns a valid token, never the one that the server `rejected`.

        Raises:
            BookingError: The exchange failed.
        """
        earlier_error = self._error
        with self._lock:
            if self._error is not None and self._error is not earlier_error:
                raise self._error
            sent_at = self._clock()
            if self._token is None or self._token == rejected or sent_at >= self._renew_at:
                try:
                    self._token, seconds = self._exchange()
                except BookingError as error:
                    self._error = error
                    raise
                self._renew_at = sent_at + seconds - min(_RENEWAL_MARGIN_SECONDS, seconds / 10)
            return self._token


def mismatched_organization(token: str, identifier: UUID) -> str | None:
    """Returns the token's `org_id` claim if it is not `identifier`, else None.

    The server returns the rows of the token's organization and ignores the one in the request. The
    signature is not verified. An opaque token, or a JWT without the claim, returns None.
    """
    parts = token.split(".")
    if len(parts) != _JWT_PARTS:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
    except (ValueError, RecursionError):
        return None
    claim = claims.get("org_id") if isinstance(claims, dict) else None
    if claim is None or str(claim).lower() == str(identifier):
        return None
    try:
        return str(UUID(str(claim)))
    except ValueError:
        return "(not a UUID)"  # not shown: an error shows no text that a server may have chosen
