"""The registrations of an event: how many there are, since when, and until when.

What lives here: `Enrolment`, which follows from an event, and its rows at an instant. A row is
written each time it is asked for, since an organization may have a million.
What must not: what a registration holds (`registrations`), which events there are (`generated`,
`given`). No state: the same event and instant always give the same rows.
Read more: `docs/sandbox.md`, "Registrations".
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import UUID, uuid5

import msgspec

from booking_assets.sandbox import wire
from booking_assets.sandbox.draft import DAY
from booking_assets.sandbox.registrations import (
    APPOINTMENT,
    CLASS,
    EXAM,
    OTHER,
    SEAT,
    WAITLIST,
    Registration,
    told,
)
from booking_assets.sandbox.resources import REGISTRATIONS
from booking_assets.sandbox.rows import decoded

_LATE = 0.15
_UNDATED = 0.05
_LEAVES = 0.25
_EARLIEST = 30 * DAY
# A large exam never fills up: it would outweigh all other registrations.
_LARGEST_FULL_EXAM = 40
_FILLS = (*("empty",) * 5, *("few",) * 7, *("some",) * 5, "full", "full", "over")


class _Event(msgspec.Struct, rename="pascal"):
    """What registrations follow from."""

    event_identifier: UUID
    organization_identifier: UUID
    event_type: str | None = None
    capacity_maximum: int | None = None
    waitlist_enabled: bool = False


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the registrations of one event follow from.

    Attributes:
        event: The event's identifier.
        organization: The organization's.
        kind: `registrations.CLASS`, `EXAM` or `APPOINTMENT`.
        seats: How many take a seat.
        waitlisted: How many wait for one.
        others: How many lose theirs or never get one.
        opened: From when on registrations come and change (ticks); most were there before.
        period: For how long they do (ticks).
        is_closed: Whether all were there before.
    """

    event: UUID
    organization: UUID
    kind: str
    seats: int
    waitlisted: int
    others: int
    opened: int
    period: int
    is_closed: bool

    def at(self, now: int) -> tuple[list[RegistrationRow], int | None]:
        """The rows that exist at `now`, and when that or one of them changes next (ticks)."""
        rows, ahead = [], []
        for role, count in ((SEAT, self.seats), (WAITLIST, self.waitlisted), (OTHER, self.others)):
            for number in range(count):
                registration, gone = self.registration(role, number)
                moments = (registration.requested, registration.turned, gone)
                if registration.requested <= now and (gone is None or now < gone):
                    order = wire.identifier_order(registration.identifier)
                    rows.append(RegistrationRow(order, self, role, number, now))
                ahead += [moment for moment in moments if moment is not None and moment > now]
        return rows, min(ahead, default=None)

    def registration(self, role: str, number: int) -> tuple[Registration, int | None]:
        """The registration of that role and number, and when it is deleted, if it is (ticks)."""
        identifier = uuid5(self.event, f"{role}/{number}")
        # The identifier is a hash: its parts are shares drawn by chance.
        late, at, turn, leave, left, dated = (
            (identifier.int >> bits & 0xFFFF) / 0x10000 for bits in (0, 16, 32, 80, 96, 112)
        )
        if late < _LATE and not self.is_closed:
            requested = self.opened + int(0.9 * at * self.period)
        else:
            requested = self.opened - int(at * _EARLIEST)
        turned = max(requested, self.opened + int((0.1 + 0.8 * turn) * self.period))
        gone = None
        if role == OTHER and leave < _LEAVES:
            gone = turned + int((0.1 + 0.9 * left) * (self.opened + self.period - turned))
        registration = Registration(
            identifier=identifier,
            event=self.event,
            organization=self.organization,
            kind=self.kind,
            role=role,
            number=number,
            requested=requested,
            turned=turned,
            dated=dated >= _UNDATED,
        )
        return registration, gone


@dataclass(frozen=True, slots=True)
class RegistrationRow:
    """A registration as a row that is written when it is asked for."""

    order: bytes
    enrolment: Enrolment
    role: str
    number: int
    now: int

    @property
    def registration(self) -> Registration:
        """What is told in the row."""
        return self.enrolment.registration(self.role, self.number)[0]

    @property
    def identifier(self) -> UUID:
        """What tells it from the others."""
        return self.registration.identifier

    @property
    def changed(self) -> int | None:
        """The ticks of its last change."""
        return self.registration.changed_at(self.now)

    @property
    def json(self) -> bytes:
        """Its JSON as an array's item."""
        values = told(self.registration, self.now)
        return wire.row_json(wire.present_members(values, REGISTRATIONS.kinds))

    def members(self) -> dict[str, Any]:
        """The members that have a value."""
        return decoded(self.json)


def enrolment_of(event: bytes, opened: int, period: int) -> Enrolment:
    """The enrolment of a generated event, given its JSON.

    Its size follows from the event's kind and capacity: a class that is full stays full when its
    capacity changes.
    """
    read = msgspec.json.decode(event, type=_Event)
    # Not for secrets: repeatable chance is the point.
    chance = Random(read.event_identifier.int)  # noqa: S311
    event_type = (read.event_type or "").casefold()
    kind = {"exam": EXAM, "appointment": APPOINTMENT}.get(event_type, CLASS)
    capacity = max(read.capacity_maximum or 0, 0)
    fill = chance.choice(_FILLS)
    few, some, surplus = chance.randint(1, 4), chance.randint(3, 15), chance.randint(1, 4)
    waiting, others = chance.randint(1, 4), chance.randint(0, 2)
    is_popular = fill in {"full", "over"}
    is_crowded = (
        is_popular
        and capacity > 0
        and (kind == CLASS or (kind == EXAM and capacity <= _LARGEST_FULL_EXAM))
    )
    if is_crowded:
        seats = capacity + (surplus if fill == "over" else 0)
    else:
        wanted = {"empty": 0, "few": few}.get(fill, some)
        seats = min(wanted, capacity or wanted)
    if event_type == "meeting":
        seats = min(seats, few)
    return Enrolment(
        event=read.event_identifier,
        organization=read.organization_identifier,
        kind=kind,
        seats=seats,
        waitlisted=waiting if is_crowded and read.waitlist_enabled else 0,
        # Nobody leaves where every seat counts: full is exactly full.
        others=0 if is_crowded else others,
        opened=opened,
        period=period,
        # By chance alone: a registration keeps its moments when the capacity changes.
        is_closed=is_popular,
    )
