"""The contract's drift: other releases' names and members, and other spellings of the same times.

What lives here: eras B and C, members that no release has documented, the forms of date-times.
What must not: values of the wrong type (`bad_rows`). Routes' prefixes: `registry.Faults`.
Read more: `docs/sandbox.md`, "Faults".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from booking_assets.sandbox import wire
from booking_assets.sandbox.faults.bodies import (
    identifier_of,
    members_of,
    of_rows,
    text_of,
)
from booking_assets.sandbox.faults.contract import Asked, Handler
from booking_assets.sandbox.resources import EVENTS

ERAS = ("B", "C")
LATER_PREFIX = "/api"
"""What era C puts before `/booking`."""

LATER_NAMES: Mapping[str, str] = {
    member: member.removesuffix("entifier")
    for member in wire.KINDS
    if member.endswith("Identifier")
}
"""The names of era C, by those of era A."""

# One of each type that JSON knows; a row has one of them, by its identifier.
_UNDOCUMENTED: tuple[tuple[str, Any], ...] = (
    ("SandboxText", "Grüße, 世界 \U0001f30d"),
    ("SandboxNumber", 2**60),
    ("SandboxFraction", -1.5e300),
    ("SandboxFlag", True),
    ("SandboxNull", None),
    ("SandboxList", [1, "two", None, {"three": 3}]),
    ("SandboxObject", {"EventTitle": {"en": "text"}, "deep": [[[]]]}),
)

_DATE_TIME = re.compile(
    rb'"(?P<whole>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?P<fraction>\.\d{1,7})?(?P<offset>[+-]\d\d:\d\d)"'
)
_FAR_EAST = 14 * 60


def era(letter: str) -> Handler:
    """Events without `ExamScoreWarnings`; in era C with short names. Registrations keep theirs."""
    names = LATER_NAMES if letter == "C" else {}

    def change(row: bytes, position: int, asked: Asked) -> bytes:  # noqa: ARG001 - for any row
        if asked.resource is not EVENTS:
            return row
        members = members_of(row)
        members.pop(wire.NOT_STORED, None)
        return text_of({names.get(name, name): value for name, value in members.items()})

    return of_rows(change, searches=True)


def unknown_members() -> Handler:
    """Each row has a member that the model does not have, of one of JSON's types."""

    def change(row: bytes, position: int, asked: Asked) -> bytes:  # noqa: ARG001 - for any row
        name, value = _UNDOCUMENTED[identifier_of(row, asked).int % len(_UNDOCUMENTED)]
        return text_of({**members_of(row), name: value})

    return of_rows(change)


def date_times(form: str) -> Handler:
    """Every date-time in another form."""
    rewritten = _FORMS[form]
    return of_rows(lambda row, *_: _DATE_TIME.sub(rewritten, row))


def _utc(found: re.Match[bytes]) -> bytes:
    return _at_offset(found, 0)


def _far(found: re.Match[bytes]) -> bytes:
    return _at_offset(found, _FAR_EAST)


def _zulu(found: re.Match[bytes]) -> bytes:
    return _at_offset(found, 0).replace(b'+00:00"', b'Z"')


def _seven_digits(found: re.Match[bytes]) -> bytes:
    return _with_fraction(found, (found["fraction"] or b".").ljust(8, b"0"))


def _nine_digits(found: re.Match[bytes]) -> bytes:
    return _with_fraction(found, (found["fraction"] or b".").ljust(10, b"0"))


def _no_digits(found: re.Match[bytes]) -> bytes:
    return _with_fraction(found, b"")


def _no_offset(found: re.Match[bytes]) -> bytes:
    return b'"' + found["whole"] + (found["fraction"] or b"") + b'"'


def _at_offset(found: re.Match[bytes], offset: int) -> bytes:
    instant = wire.instant_of(found[0].decode().strip('"'))
    return f'"{wire.date_time(wire.Instant(instant.ticks, offset))}"'.encode()


def _with_fraction(found: re.Match[bytes], fraction: bytes) -> bytes:
    return b'"' + found["whole"] + fraction + found["offset"] + b'"'


_FORMS: Mapping[str, Callable[[re.Match[bytes]], bytes]] = {
    "utc": _utc,
    "far": _far,
    "zulu": _zulu,
    "seven_digits": _seven_digits,
    "nine_digits": _nine_digits,
    "no_digits": _no_digits,
    "no_offset": _no_offset,
}

FORMS: tuple[str, ...] = tuple(_FORMS)
"""The same instants at +00:00, at +14:00, with `Z`, with seven or nine fraction digits; and two
forms that lose something: the fraction, and the offset."""
