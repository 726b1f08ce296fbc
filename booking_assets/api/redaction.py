"""Keeping credentials out of what people read.

What lives here: the one function that cuts secrets out of a text and shortens it.
What must not: where texts come from (`answers`, `transport`).
Read more: `docs/reliability.md`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

MARK = "[redacted]"
LONGEST = 200

# Long enough to be a credential: "Bearer token expired" must stay readable.
_BEARER = re.compile(r"\b(bearer\s+)[^\s\"',;<>]{20,}", re.IGNORECASE)
_JWT = re.compile(r"\beyJ[\w-]{8,}(\.[\w-]*){0,2}")


def redact(text: str, secrets: Iterable[str]) -> str:
    """One line of at most `LONGEST` characters without `secrets`, bearer values or JWTs.

    Shortened last: half a secret would no longer be recognized.
    """
    forms = {form for secret in secrets for form in (secret, quote(secret, safe=""))}
    for form in sorted(forms, key=len, reverse=True):
        text = re.sub(re.escape(form), MARK, text, flags=re.IGNORECASE)
    text = _BEARER.sub(rf"\1{MARK}", _JWT.sub(MARK, text))
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
