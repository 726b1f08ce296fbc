"""The registrations of events: how many there are, since and until when, and their members.

A row follows from its event and the instant alone. An organization may have millions of them: they
are made as one array, and written a page at a time, when requested (`registration_texts`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import shake_128
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import msgspec
import numpy as np

from booking_assets.sandbox import wire
from booking_assets.sandbox.draft import DAY
from booking_assets.sandbox.registration_texts import (
    APPOINTMENT,
    CLASS,
    EXAM,
    OTHER,
    SEAT,
    WAITLIST,
    registration_texts,
)
from booking_assets.sandbox.resources import REGISTRATIONS
from booking_assets.sandbox.rows import Row, Rows

NEVER = np.iinfo(np.int64).max
"""An instant (ticks) that does not come."""

Array: TypeAlias = np.ndarray[Any, Any]

ROW = np.dtype(
    [
        *(("order", "S16"), ("event", "S36"), ("slot", "i4"), ("kind", "u1"), ("role", "u1")),
        *(("number", "i4"), ("requested", "i8"), ("turned", "i8"), ("has_turned", "?")),
    ]
)
"""A registration: its `wire.identifier_order`, its place in the event, and its moments (ticks)."""

_LATE = 0.15
_LEAVES = 0.25
_EARLIEST = 30 * DAY
# A large exam never fills up: it would outweigh all other registrations.
_LARGEST_FULL_EXAM = 40
_FILLS = (*("empty",) * 5, *("few",) * 7, *("some",) * 5, "full", "full", "over")
_ROWS_A_PART = 1_000


class Enrollment(NamedTuple):
    """The numbers of an event's registrations by role, and when they come and change.

    They come from `opened` on for a `period` (ticks); most are older, all where it `is_closed`.
    """

    event: str
    slot: int
    kind: int
    seats: int
    waitlisted: int
    others: int
    opened: int
    period: int
    is_closed: bool


class _Event(msgspec.Struct, rename="pascal"):
    event_identifier: str
    event_type: str | None = None
    capacity_maximum: int | None = None
    waitlist_enabled: bool = False


_DECODER = msgspec.json.Decoder(_Event)


def enrollment_of(event: bytes, slot: int, opened: int, period: int) -> Enrollment:
    """The enrollment of a generated event, given its JSON.

    Its size follows from the event's kind and capacity: a class that is full stays full when its
    capacity changes.
    """
    read = _DECODER.decode(event)
    event_type = (read.event_type or "").casefold()
    kind = {"exam": EXAM, "appointment": APPOINTMENT}.get(event_type, CLASS)
    capacity = max(read.capacity_maximum or 0, 0)
    # The identifier is a hash: the digits of its last group are random.
    chance = int(read.event_identifier[-12:], 16)
    chance, place = divmod(chance, len(_FILLS))
    (chance, few), fill = divmod(chance, 4), _FILLS[place]
    chance, some = divmod(chance, 13)
    chance, surplus = divmod(chance, 4)
    chance, waiting = divmod(chance, 4)
    is_popular = fill in {"full", "over"}
    fills_up = kind == CLASS or (kind == EXAM and capacity <= _LARGEST_FULL_EXAM)
    if is_popular and capacity > 0 and fills_up:
        seats = capacity + (1 + surplus if fill == "over" else 0)
        # Nobody leaves where every seat counts: full is exactly full.
        waitlisted, others = 1 + waiting if read.waitlist_enabled else 0, 0
    else:
        wanted = {"empty": 0, "few": 1 + few}.get(fill, 3 + some)
        seats, waitlisted, others = min(wanted, capacity or wanted), 0, chance % 3
    if event_type == "meeting":
        seats = min(seats, 1 + few)
    # Closed by chance alone: a registration keeps its moments when the capacity changes.
    return Enrollment(
        *(read.event_identifier, slot, kind, seats, waitlisted, others, opened, period, is_popular)
    )


def enrolled(enrollments: Sequence[Enrollment], now: int) -> tuple[Array, Array]:
    """The rows that exist at `now`, and for each enrollment when one of its rows changes next."""
    counts = np.array([one[3:6] for one in enrollments], np.int64).reshape(-1, 3)
    identifiers = _identifiers(enrollments)
    owners = np.repeat(np.arange(len(enrollments)), counts.sum(axis=1))
    firsts = np.cumsum(counts) - counts.ravel()
    rows = np.empty(len(owners), ROW)
    rows["order"] = wire.identifier_orders(identifiers)
    rows["role"] = np.repeat(np.tile([SEAT, WAITLIST, OTHER], len(enrollments)), counts.ravel())
    rows["number"] = np.arange(len(owners)) - np.repeat(firsts, counts.ravel())
    columns = dict(zip(Enrollment._fields, zip(*enrollments, strict=True), strict=False))
    for column in ("event", "slot", "kind"):
        rows[column] = np.array(columns.get(column, ()), ROW[column])[owners]
    opened, period, is_closed = (
        np.array(columns.get(column, ()), np.int64)[owners]
        for column in ("opened", "period", "is_closed")
    )
    # When a registration is made, is decided or given up, and is deleted. An identifier is a hash:
    # its bits are random.
    late, at, turn, leave, left = identifiers.view(">u2")[:, (7, 6, 5, 2, 1)].T / 0x10000
    requested = np.where(
        (late < _LATE) & (is_closed == 0),
        opened + (0.9 * at * period).astype(np.int64),
        opened - (at * _EARLIEST).astype(np.int64),
    )
    turned = np.maximum(requested, opened + ((0.1 + 0.8 * turn) * period).astype(np.int64))
    stays = ((0.1 + 0.9 * left) * (opened + period - turned)).astype(np.int64)
    gone = np.where((rows["role"] == OTHER) & (leave < _LEAVES), turned + stays, NEVER)
    rows["requested"], rows["turned"], rows["has_turned"] = requested, turned, turned <= now
    changes = np.full(len(enrollments), NEVER)
    for moments in (requested, turned, gone):
        np.minimum.at(changes, owners, np.where(moments > now, moments, NEVER))
    return rows[(requested <= now) & (now < gone)], changes


def _identifiers(enrollments: Sequence[Enrollment]) -> Array:
    """The bytes of each row's identifier: the same where its event has more or fewer rows."""
    digests = [
        shake_128(role + one.event.encode(), usedforsecurity=False).digest(16 * count)
        for one in enrollments
        for role, count in zip((b"seat", b"waitlist", b"other"), one[3:6], strict=True)
        if count
    ]
    identifiers = np.frombuffer(bytearray().join(digests), np.uint8).reshape(-1, 16)
    # As a random UUID has them: version 4, and the variant.
    identifiers[:, 6] = identifiers[:, 6] & 0x0F | 0x40
    identifiers[:, 8] = identifiers[:, 8] & 0x3F | 0x80
    return identifiers


class Registrations(Rows):
    """The registrations of an organization, as an array of `ROW`; written when needed."""

    def __init__(self, rows: Array, organization: UUID) -> None:
        super().__init__(REGISTRATIONS, ())
        self.array = rows[np.argsort(rows["order"], kind="stable")]
        self._organization = organization

    def __iter__(self) -> Iterator[Row]:
        for start in range(0, len(self.array), _ROWS_A_PART):
            part = self._part(slice(start, start + _ROWS_A_PART))
            for identifier, json in zip(part.identifiers(), part.json(), strict=True):
                text = msgspec.json.decode(json).get("LastChangeTime")
                changed = None if text is None else wire.instant_of(text).ticks
                yield Row.of(UUID(identifier.decode()), changed, json)

    def count(self) -> int:
        """The number of rows."""
        return len(self.array)

    def get(self, identifier: UUID) -> Row | None:
        """The row of that identifier."""
        order = wire.identifier_order(identifier)
        place = int(np.searchsorted(self.array["order"], order))
        found = next(iter(self._part(slice(place, place + 1))), None)
        return found if found and found.order == order else None

    def _part(self, wanted: slice) -> Registrations:
        return Registrations(self.array[wanted], self._organization)

    def identifiers(self) -> list[bytes]:
        """Each row's identifier."""
        return wire.identifiers_in(np.ascontiguousarray(self.array["order"]))

    def json(self) -> list[bytes]:
        """Each row as an item of a JSON array."""
        return registration_texts(self.array, self.identifiers(), self._organization)
