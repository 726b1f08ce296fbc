"""Who asks: a bearer token, or a client secret that is exchanged for tokens and renewed.

What lives here: the two credentials, the keeping of an exchanged token, and the comparison of a
token's own organization with the one that is asked for.
What must not: sending the exchange (`client`), reading the environment (`settings`).
Read more: `docs/reliability.md`.
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
_MARGIN_SECONDS = 60.0
_JWT_PARTS = 3


@dataclass(frozen=True)
class Token:
    """A bearer token, sent as it is. Its text is not in its repr."""

    value: str = field(repr=False)


@dataclass(frozen=True)
class ClientSecret:
    """A client secret, sent to the token endpoint alone. Its text is not in its repr."""

    value: str = field(repr=False)


Credential = Token | ClientSecret


class ExchangedToken:
    """The current token of a client secret, renewed before the server lets it expire.

    Threads share one exchange: the others wait for it, and for its failure too, so that a wrong
    secret is tried once and not once a thread.

    The `exp` claim is not read: the server sets it sixty times too far ahead.
    """

    def __init__(
        self, exchange: Callable[[], tuple[str, float]], clock: Callable[[], float]
    ) -> None:
        """Takes what fetches a token with its seconds to live, and a monotonic clock."""
        self._exchange = exchange
        self._clock = clock
        self._lock = Lock()
        self._token: str | None = None
        self._renew_at = 0.0
        self._failure: BookingError | None = None
        self._failures = 0

    def current(self, refused: str | None = None) -> str:
        """A token that is still good; another one than `refused` where that is given.

        Raises:
            BookingError: When the exchange fails for good.
        """
        failures = self._failures
        with self._lock:
            if self._failures != failures and self._failure is not None:
                raise self._failure
            if self._token is None or self._token == refused or self._clock() >= self._renew_at:
                self._token = self._renewed()
            return self._token

    def _renewed(self) -> str:
        asked_at = self._clock()
        try:
            token, seconds = self._exchange()
        except BookingError as failure:
            self._failure = failure
            self._failures += 1
            raise
        self._renew_at = asked_at + seconds - min(_MARGIN_SECONDS, seconds / 10)
        return token


def foreign_organization(token: str, identifier: UUID) -> str | None:
    """The organization in the token's `org_id` claim where it is not `identifier`, else None.

    The signature is not checked: the claim only tells what the server will answer for. A token
    that is no JWT, or a JWT without the claim, tells nothing.
    """
    found = _claims(token).get("org_id")
    if found is None or str(found).lower() == str(identifier):
        return None
    return str(found)


def _claims(token: str) -> dict[str, object]:
    parts = token.split(".")
    if len(parts) != _JWT_PARTS:
        return {}
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        claims = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}
