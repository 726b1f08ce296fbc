"""Redaction: removes credentials from texts that reach a log or an error."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

PLACEHOLDER = "[redacted]"
MAX_LENGTH = 200

# Long enough to be a credential: "Bearer token expired" must stay readable.
_BEARER = re.compile(r"\b(bearer\s+)[^\s\"',;<>]{20,}", re.IGNORECASE)
_JWT = re.compile(r"\beyJ[\w-]{8,}(\.[\w-]*){0,2}")


def redact(text: str, secrets: Iterable[str]) -> str:
    """Returns one line of at most `MAX_LENGTH` characters without secrets, bearer values or JWTs.

    The text is shortened last: half a secret would no longer be recognized.
    """
    forms = {form for secret in secrets for form in (secret, quote(secret, safe=""))}
    for form in sorted(forms, key=len, reverse=True):
        text = re.sub(re.escape(form), PLACEHOLDER, text, flags=re.IGNORECASE)
    text = _BEARER.sub(rf"\1{PLACEHOLDER}", _JWT.sub(PLACEHOLDER, text))
    line = " ".join(text.split())
    return line if len(line) <= MAX_LENGTH else f"{line[: MAX_LENGTH - 1]}…"
