"""Reading a response body: decompression in small pieces, size limits, atomic writing to a file.

httpx decompresses each chunk as a whole, a thousandfold in the worst case, and does not notice that
a compressed body is truncated. The limit of time is in `deadline`.
"""

from __future__ import annotations

import json
import os
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import httpx

from booking_assets.api.errors import MalformedBody

# Limits in bytes.
SMALL = 2**20  # a count, a token or an error
ROW = 2**24  # one row, or one page of identifiers
PAGE = 2**28  # one page of rows
FILE = 2**34  # a download

_PIECE_BYTES = 2**18
_EDGE_BYTES = 64
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


class BodyTooLarge(Exception):
    """A body that is larger than its limit."""


def chunks(response: httpx.Response, max_bytes: int) -> Iterator[bytes]:
    """Yields the decompressed body of a streamed response.

    Raises:
        BodyTooLarge: It has more than `max_bytes`.
        httpx.DecodingError: It is not valid gzip or deflate, or it is truncated.
    """
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    pieces: Iterable[bytes] = response.iter_raw()
    if encoding in {"gzip", "x-gzip", "deflate"}:
        pieces = _decompress(pieces)
    elif encoding not in {"", "identity"}:
        raise httpx.DecodingError("the content encoding is not gzip, which was requested")
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > max_bytes:
            raise BodyTooLarge
        yield piece


def read(response: httpx.Response, max_bytes: int) -> bytes:
    """Returns the joined `chunks` of a streamed response as UTF-8 without a byte order mark.

    JSON in UTF-16 or UTF-32 is recognized by its first four bytes.
    """
    body = b"".join(chunks(response, max_bytes))
    encoding = json.detect_encoding(body[:4])
    if not encoding.startswith("utf-8"):
        with suppress(UnicodeDecodeError):
            body = body.decode(encoding).encode()
    return body.removeprefix(BOM_UTF8)


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Opens a temporary file that replaces `path`, synced, when the block succeeds.

    When the block fails, the temporary file is removed and `path` stays as it was.
    """
    part = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        with part.open("xb+") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def require_json_array(file: BinaryIO) -> None:
    """Raises `MalformedBody` unless a file starts with `[` and ends with `]`; reads only these."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(_EDGE_BYTES).removeprefix(BOM_UTF8).lstrip()
    file.seek(max(0, size - _EDGE_BYTES))
    tail = file.read(_EDGE_BYTES).rstrip()
    if not (head.startswith(b"[") and tail.endswith(b"]")):
        raise MalformedBody("the file is not a JSON array, or it is truncated")


def _decompress(compressed: Iterable[bytes]) -> Iterator[bytes]:
    decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
    is_started = False
    try:
        for chunk in compressed:
            rest = chunk
            while rest:
                if decoder.eof:  # gzip allows several members
                    decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
                is_started = True
                yield decoder.decompress(rest, _PIECE_BYTES)
                rest = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
        yield decoder.flush()
    except zlib.error as error:
        raise httpx.DecodingError(str(error)) from None
    if is_started and not decoder.eof:
        raise httpx.DecodingError("the compressed body is truncated")
