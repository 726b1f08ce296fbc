"""Bearer tokens of the sandbox: made, signed, and read again without any state.

What lives here: JSON web tokens (HS256) with the claims that the vendor's carry, their opaque form,
and client secrets.
What must not: HTTP headers and statuses (`application`).
Read more: https://www.rfc-editor.org/rfc/rfc7519
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any
from uuid import UUID

import msgspec

# The sandbox guards nothing: whoever reads this may make tokens for its invented tenants.
_KEY = b"booking-assets sandbox signing key"
_ISSUED = 1_735_689_600  # 2025-01-01T00:00:00Z
_EXPIRES = 4_102_444_800  # 2100-01-01T00:00:00Z
_HEADER = {"alg": "HS256", "typ": "JWT"}
_AUDIENCE = "sandbox"
_PARTS = 3


class RefusedTokenError(ValueError):
    """A bearer token that the sandbox does not accept; the message is safe to show."""


def lasting_token(organization: UUID, slug: str, *, opaque: bool) -> str:
    """A token that depends on its organization alone and expires in the year 2100."""
    return _token(organization, slug, _ISSUED, _EXPIRES, opaque=opaque)


def issued_token(organization: UUID, slug: str, now: int, expires: int, *, opaque: bool) -> str:
    """A token made at `now` (seconds since 1970), backdated by a minute like the vendor's."""
    return _token(organization, slug, now - 60, expires, opaque=opaque)


def secret_of(organization: UUID) -> str:
    """The client secret of an organization."""
    return hmac.new(_KEY, b"secret/" + organization.bytes, hashlib.sha256).hexdigest()


def is_readable(token: str) -> bool:
    """Whether a client can read the token's claims: three parts between dots."""
    return token.count(".") == _PARTS - 1


def organization_of(token: str, now: int) -> UUID:
    """The organization that a token is bound to; signature and expiry are checked.

    Raises:
        RefusedTokenError: The token is malformed, not ours, or has expired at `now`.
    """
    readable = token if is_readable(token) else _opened(token)
    signed, _, signature = readable.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(signed)):
        raise RefusedTokenError("The token's signature is not valid.")
    # Signed by us, hence well formed.
    claims: dict[str, Any] = msgspec.json.decode(_decoded(signed.partition(".")[2]))
    if claims["exp"] <= now:
        raise RefusedTokenError("The token has expired.")
    return UUID(claims["org_id"])


def _token(organization: UUID, slug: str, issued: int, expires: int, *, opaque: bool) -> str:
    claims = {
        "aud": _AUDIENCE,
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


def _opened(opaque: str) -> str:
    try:
        return _decoded(opaque).decode("ascii")
    except ValueError:
        raise RefusedTokenError("The token is malformed.") from None


def _signature(signed: str) -> bytes:
    return _encoded(hmac.new(_KEY, signed.encode(), hashlib.sha256).digest())


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
