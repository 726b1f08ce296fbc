"""The content of a collection: a digest of the answers that its rows are made from.

Equal content is equal rows, but for `collected_at`: nothing that is stored of an answer is not in
its bytes. What follows from it is decided in `collection`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

import msgspec
import polars as pl

from booking_assets.collect.decoding import DecodedPage
from booking_assets.collect.landing import Landing

_CODE = ("collect", "tables", "api/wire.py")
"""What makes rows of the bytes of an answer."""


def content_of(digests: Iterable[str]) -> str:
    """The digest of the answers with these digests, in any order, as this release reads them."""
    digest = hashlib.sha256(_code_digest())
    digest.update(" ".join(sorted(digests)).encode())
    return digest.hexdigest()


def unless_repeated(
    decode: Callable[[bytes], DecodedPage], last: Landing | None
) -> Callable[[bytes], DecodedPage | Landing]:
    """Decodes a page, with its digest; gives the landing where the page is the only one of that."""

    def decoded(body: bytes) -> DecodedPage | Landing:
        digest = hashlib.sha256(body).hexdigest()
        if last is not None and content_of([digest]) == last.content:
            return last
        return replace(decode(body), digest=digest)

    return decoded


@cache
def _code_digest() -> bytes:
    """Another release may read the same bytes otherwise."""
    digest = hashlib.sha256(f"{pl.__version__} {msgspec.__version__}".encode())
    package = Path(__file__).parent.parent
    for part in _CODE:
        path = package / part
        for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            digest.update(file.read_bytes())
    return digest.digest()
