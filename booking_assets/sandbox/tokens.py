"""Bearer tokens of the sandbox: JSON web tokens (HS256), their opaque form, client secrets."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any
from uuid import UUID

import msgspec

# No secret: anyone may make tokens for the sandbox's invented tenants.
_KEY = b"booking-assets sandbox signing key"
_ISSUED = 1_735_689_600  # 2025-01-01T00:00:00Z
_EXPIRES = 4_102_444_800  # 2100-01-01T00:00:00Z
_HEADER = {"alg": "HS256", "typ": "JWT"}


class RefusedTokenError(ValueError):
    """A bearer token that the sandbox does not accept; the message is safe to show."""


def token_of(
    organization: UUID, slug: str, *, opaque: bool, issued: int = _ISSUED, expires: int = _EXPIRES
) -> str:
    """A token that lasts until the year 2100, or from `issued` until `expires` (seconds)."""
    claims = {
        "aud": "sandbox",
        "exp": expires,
        "iat": issued,
        "iss": "sandbox",
        "nbf": issued,
        "sub": "sandbox-integration",
        "org_code": slug,
        "org_id": str(organization),
        "partition_slug": "e01",
        "user_name": "Sandbox Integration",
    }
    signed = b".".join(_encoded(msgspec.json.encode(part)) for part in (_HEADER, claims)).decode()
    token = f"{signed}.{_signature(signed).decode()}"
    return _encoded(token.encode()).decode() if opaque else token


def secret_of(organization: UUID) -> str:
    """The client secret of an organization."""
    return hmac.new(_KEY, b"secret/" + organization.bytes, hashlib.sha256).hexdigest()


def is_readable(token: str) -> bool:
    """Whether a client can read the token's claims: three parts between dots."""
    return token.count(".") == 2  # noqa: PLR2004 - header, claims, signature


def organization_of(token: str, now: int) -> UUID:
    """The organization that a token is bound to.

    Raises:
        RefusedTokenError: The token is malformed, not ours, or has expired at `now`.
    """
    try:
        readable = token if is_readable(token) else _decoded(token).decode("ascii")
    except ValueError:
        raise RefusedTokenError("The token is malformed.") from None
    signed, _, signature = readable.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(signed)):
        raise RefusedTokenError("The token's signature is not valid.")
    # Signed by us, hence well formed.
    claims: dict[str, Any] = msgspec.json.decode(_decoded(signed.partition(".")[2]))
    if claims["exp"] <= now:
        raise RefusedTokenError("The token has expired.")
    return UUID(claims["org_id"])


def _signature(signed: str) -> bytes:
    return _encoded(hmac.new(_KEY, signed.encode(), hashlib.sha256).digest())


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
