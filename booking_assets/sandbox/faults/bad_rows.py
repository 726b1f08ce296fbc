"""Rows that cannot be typed, a few among many good ones.

What lives here: the kinds of bad rows, and the positions at which they stand.
What must not: rows that are right and merely look otherwise (`drift`).
Read more: `docs/sandbox.md`, "Faults".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import msgspec

from booking_assets.sandbox.faults.bodies import members_of, of_rows
from booking_assets.sandbox.faults.contract import Asked, Handler
from booking_assets.sandbox.faults.drift import LATER_NAMES
from booking_assets.sandbox.resources import EVENTS, REGISTRATIONS, Resource

ALL = "all"
_COPIES = 3


@dataclass(frozen=True)
class _Victims:
    """The members of a resource that go bad."""

    identifier: str
    number: str
    text: str
    instant: str


_VICTIMS: Mapping[Resource | None, _Victims] = {
    EVENTS: _Victims(EVENTS.identifier, "CapacityMaximum", "EventTitle", "EventScheduledStart"),
    REGISTRATIONS: _Victims(
        REGISTRATIONS.identifier, "RegistrationSequence", "ApprovalStatus", "LastChangeTime"
    ),
}

_Spoil: TypeAlias = Callable[[dict[str, Any], _Victims], bytes]

# msgspec copies raw text as it is, also text that is no JSON.
_NAN = msgspec.Raw(b"NaN")
_INVALID_UTF8 = msgspec.Raw(b'"\xff\xfe\x80"')


def _with(member: Callable[[_Victims], str], value: Any) -> _Spoil:
    return lambda members, victims: msgspec.json.encode({**members, member(victims): value})


def _without_identifier(members: dict[str, Any], victims: _Victims) -> bytes:
    del members[victims.identifier]
    return msgspec.json.encode(members)


def _twice(members: dict[str, Any], victims: _Victims) -> bytes:
    once = msgspec.json.encode({**members, victims.number: 1})
    return once[:-1] + f',"{victims.number}":2}}'.encode()


def _no_object(members: dict[str, Any], victims: _Victims) -> bytes:
    return msgspec.json.encode([members[victims.identifier]])


_KINDS: Mapping[str, _Spoil] = {
    "not_uuid": _with(lambda victims: victims.identifier, "not-a-uuid"),
    "no_identifier": _without_identifier,
    "null_identifier": _with(lambda victims: victims.identifier, None),
    "text_in_number": _with(lambda victims: victims.number, "twelve"),
    "too_large": _with(lambda victims: victims.number, 2**40),
    "fraction": _with(lambda victims: victims.number, 1.5),
    "nan": _with(lambda victims: victims.number, _NAN),
    "impossible_date": _with(lambda victims: victims.instant, "2026-02-30T10:00:00-07:00"),
    "text_in_date": _with(lambda victims: victims.instant, "soon"),
    "object_in_text": _with(lambda victims: victims.text, {"en": ["text"]}),
    "invalid_utf8": _with(lambda victims: victims.text, _INVALID_UTF8),
    "duplicate_members": _twice,
    "not_object": _no_object,
}

KINDS: tuple[str, ...] = tuple(_KINDS)
"""Every kind, in the order in which `all` lets them stand."""


def bad_rows(kind: str) -> Handler:
    """Three bad rows of a kind, or one of each kind: the second row, the fourth, and so on.

    They stay in a collect's pages and in all counts; retrieved and searched they are good.
    """
    kinds = KINDS if kind == ALL else (kind,) * _COPIES
    spoiled_at = {2 * number + 1: _KINDS[name] for number, name in enumerate(kinds)}

    def change(row: bytes, position: int, asked: Asked) -> bytes:
        spoil = spoiled_at.get(position)
        if spoil is None:
            return row
        members = members_of(row)
        victims = _VICTIMS[asked.resource]
        if victims.identifier not in members:
            victims = replace(victims, identifier=LATER_NAMES[victims.identifier])
        return spoil(members, victims)

    return of_rows(change)
