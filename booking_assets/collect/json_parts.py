"""JSON in its parts, each as received: the rows of a page, the members of a row.

What lives here: splitting, also of texts that strict readers refuse as a whole for one token.
What must not: contracts and types (`rows`).
Read more: https://www.rfc-editor.org/rfc/rfc8259
"""

from __future__ import annotations

import json
import re

import msgspec

from booking_assets.api.errors import MalformedBody

_RAW_ROWS = msgspec.json.Decoder(list[msgspec.Raw])
_GAP = re.compile(r"[ \t\r\n,:]*")
# Only the parts' ends count here: a whole number may have any length.
_LENIENT = json.JSONDecoder(parse_int=float)


def rows_of(body: bytes) -> list[msgspec.Raw]:
    """The rows of a page, which are views of it.

    A page of which one row holds `NaN` or half a surrogate pair is the same at every request:
    asking again would not help, and the other rows are good.

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
    """The members of a row that `rows_of` split off, repeated ones too; None if it is no object.

    Bytes that are no UTF-8 come back as they were in values, as lone surrogates in names.

    Raises:
        RecursionError: it is nested too deeply.
    """
    parts = _parts(row, "{")
    if parts is None:
        return None
    names = (json.loads(_text(part)) for part in parts[::2])
    return list(zip(names, parts[1::2], strict=True))


def text_of(value: bytes | str) -> str:
    """A value as text that can be stored: a JSON text's content, anything else as written."""
    text = _text(value) if isinstance(value, bytes) else value
    if isinstance(value, bytes) and text.startswith('"'):
        text = json.loads(text)
    return text.encode("utf-8", errors="backslashreplace").decode()


def _parts(raw: bytes, bracket: str) -> list[bytes] | None:
    """What stands in the outermost brackets: elements, or names and values in turn.

    Returns:
        None where the outermost bracket is another one.

    Raises:
        ValueError: the text is no JSON, also where `NaN` and lone surrogates are allowed for.
        RecursionError: it is nested too deeply.
    """
    text = _text(raw).strip(" \t\r\n")
    # Once as a whole: below, any gap between two parts will do.
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
