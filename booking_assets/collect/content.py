"""The content of a collection: a digest of the answers that its rows are made from.

Equal content is equal rows, but for `collected_at`: nothing that is stored of an answer is not in
its bytes. What follows from it is decided in `collection`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import msgspec
import polars as pl

_CODE = ("collect", "tables", "api/wire.py")
"""What makes rows of the bytes of an answer."""


def digest_of(body: bytes) -> str:
    """The digest of an answer."""
    return hashlib.sha256(body).hexdigest()


def content_of(digests: Iterable[str]) -> str:
    """The digest of the answers with these digests, in any order, as this release reads them."""
    digest = hashlib.sha256(_code_digest())
    digest.update(" ".join(sorted(digests)).encode())
    return digest.hexdigest()


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
