"""Reading a response body: decompression in small pieces, with a limit of the decompressed size.

httpx decompresses each chunk as a whole, a thousandfold in the worst case, and does not notice that
a compressed body is truncated. The limit of time is in `deadline`.
"""

from __future__ import annotations

import zlib
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator

import httpx

SMALL = 2**20
"""Bytes of a count, a token or an error."""
ROW = 2**24
"""Bytes of one row, or of one page of identifiers."""
PAGE = 2**28
"""Bytes of one page of rows."""
FILE = 2**34
"""Bytes of a download."""

_PIECE_BYTES = 2**18
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
    """Returns the decompressed body of a streamed response without a UTF-8 byte order mark.

    Raises:
        BodyTooLarge, httpx.DecodingError: As for `chunks`.
    """
    return b"".join(chunks(response, max_bytes)).removeprefix(BOM_UTF8)


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
