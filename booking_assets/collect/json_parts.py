"""Splits JSON into its parts as received: a page into rows, a row into members.

It also splits texts that strict parsers refuse because of a single token. Types are in `rows`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress

import msgspec

from booking_assets.api.errors import MalformedBody, WrongShape

_RAW_ROWS = msgspec.json.Decoder(list[msgspec.Raw])
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},:]', re.DOTALL)
_BLANKS = " \t\r\n"
# Only the ends of the parts matter: a whole number may have any length.
_LENIENT = json.JSONDecoder(parse_int=float)


def rows_of(body: bytes) -> list[msgspec.Raw]:
    """The rows of a page, as views of its bytes.

    A page in which a row contains `NaN`, half a surrogate pair or thousands of nested lists is the
    same at every request: a retry would not help, and the other rows are valid.

    Raises:
        MalformedBody: the body is no JSON array: cut off, or an error page.
        WrongShape: it is another JSON value: an object, null.
    """
    try:
        return _RAW_ROWS.decode(body)
    except msgspec.ValidationError as error:
        raise WrongShape(f"the page is no JSON array of rows ({error})") from None
    except (ValueError, RecursionError) as error:
        reason = str(error)
    try:
        return [msgspec.Raw(part) for part in _parts(body, "[]")]
    except ValueError:
        raise MalformedBody(f"the page is no JSON array of rows ({reason})") from None


def members_of(row: bytes) -> list[tuple[str, bytes]] | None:
    """The members of a row from `rows_of`, repeated ones included; None if it is no object.

    Bytes that are not UTF-8 stay as they are in values, and become lone surrogates in names.
    """
    try:
        parts = _parts(row, "{}")
    except ValueError:
        return None
    names = [json.loads(_text(part)) for part in parts[::2]]
    return list(zip(names, parts[1::2], strict=True))


def text_of(value: bytes | str) -> str:
    """A value as text that can be stored: the content of a JSON string, other JSON as it is."""
    text = _text(value) if isinstance(value, bytes) else value
    if isinstance(value, bytes) and text.startswith('"'):
        text = json.loads(text)
    return text.encode("utf-8", errors="backslashreplace").decode()


def _parts(raw: bytes, brackets: str) -> list[bytes]:
    """The parts between the outermost brackets: elements, or names and values in turn.

    Nesting of any depth is only counted, not parsed.

    Raises:
        ValueError: the text is no JSON, even where `NaN` and lone surrogates are accepted, or its
            outermost brackets are others.
    """
    text = _text(raw).strip(_BLANKS)
    ends = list(_ends(text, ":," if brackets == "{}" else ",,"))
    if not text.startswith(brackets[0]) or not ends or text[ends[-1] :] != brackets[1]:
        raise ValueError("the outermost brackets are others, or do not close at the end")
    starts = [1, *(end + 1 for end in ends)]
    parts = [text[start:end].strip(_BLANKS) for start, end in zip(starts, ends, strict=False)]
    if parts == [""]:
        return []
    names = parts[::2] if brackets == "{}" else []
    if len(parts) < 2 * len(names) or not all(name.startswith('"') for name in names):
        raise ValueError("a value has no name, or a name no value")
    for part in parts:
        with suppress(RecursionError):
            _LENIENT.decode(part)
    return [part.encode("utf-8", errors="surrogateescape") for part in parts]


def _ends(text: str, separators: str) -> Iterator[int]:
    """Where the parts end: at separators within the outermost brackets, and at their end."""
    depth, number = 0, 0
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in "[{":
            depth += 1
        elif mark in "]}":
            depth -= 1
            if not depth:
                yield token.start()
                return
        elif depth == 1 and mark == separators[number % 2]:
            number += 1
            yield token.start()


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", errors="surrogateescape")
