"""Splits JSON into its parts as received: a page into rows, a row into members.

It also splits texts that strict parsers refuse because of a single token. Types are in `rows`.
"""

from __future__ import annotations

import json
import re

import msgspec

from booking_assets.api.errors import MalformedBody

_RAW_ROWS = msgspec.json.Decoder(list[msgspec.Raw])
_GAP = re.compile(r"[ \t\r\n,:]*")
# Only the ends of the parts matter: a whole number may have any length.
_LENIENT = json.JSONDecoder(parse_int=float)


def rows_of(body: bytes) -> list[msgspec.Raw]:
    """The rows of a page, as views of its bytes.

    A page in which a row contains `NaN` or half a surrogate pair is the same at every request: a
    retry would not help, and the other rows are valid.

    Raises:
        MalformedBody: the body is no JSON array: cut off, an error page, an object.
    """
    try:
        return _RAW_ROWS.decode(body)
    except (ValueError, RecursionError) as error:
        reason = str(error)
    try:
        parts = _parts(body, "[")
    except (ValueError, RecursionError):
        parts = None
    if parts is None:
        raise MalformedBody(f"the page is no JSON array of rows ({reason})")
    return [msgspec.Raw(part) for part in parts]


def members_of(row: bytes) -> list[tuple[str, bytes]] | None:
    """The members of a row from `rows_of`, repeated ones included; None if it is no object.

    Bytes that are not UTF-8 stay as they are in values, and become lone surrogates in names.

    Raises:
        RecursionError: it is nested too deeply.
    """
    parts = _parts(row, "{")
    if parts is None:
        return None
    names = (json.loads(_text(part)) for part in parts[::2])
    return list(zip(names, parts[1::2], strict=True))


def text_of(value: bytes | str) -> str:
    """A value as text that can be stored: the content of a JSON string, other JSON as it is."""
    text = _text(value) if isinstance(value, bytes) else value
    if isinstance(value, bytes) and text.startswith('"'):
        text = json.loads(text)
    return text.encode("utf-8", errors="backslashreplace").decode()


def _parts(raw: bytes, bracket: str) -> list[bytes] | None:
    """The parts between the outermost brackets: elements, or names and values in turn.

    Returns:
        None where the outermost bracket is another one.

    Raises:
        ValueError: the text is no JSON, even where `NaN` and lone surrogates are accepted.
        RecursionError: it is nested too deeply.
    """
    text = _text(raw).strip(" \t\r\n")
    # Validated as a whole: below, any gap between two parts is accepted.
    _LENIENT.decode(text)
    if not text.startswith(bracket):
        return None
    parts, position = [], _past_gap(text, 1)
    while position < len(text) - 1:
        _, stop = _LENIENT.raw_decode(text, position)
        parts.append(text[position:stop].encode("utf-8", errors="surrogateescape"))
        position = _past_gap(text, stop)
    return parts


def _past_gap(text: str, position: int) -> int:
    gap = _GAP.match(text, position)
    return gap.end() if gap else position


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", errors="surrogateescape")
