"""The registrations of an event: how many there are, since and until when, and their members.

A row follows from its event and the instant alone, and is made at each request, since an
organization may have a million.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any, TypeVar
from uuid import UUID, uuid5

import msgspec

from booking_assets.sandbox import vocabulary, wire
from booking_assets.sandbox.draft import DAY
from booking_assets.sandbox.resources import REGISTRATIONS, Kind
from booking_assets.sandbox.wire import Instant

CANARY = "CANARY"
"""Begins every text about a person: a registration has one at least, its `RegistrationPassword`."""

CANARY_IDENTIFIER = "ca9a4700"
"""Begins every identifier of a person, and of what a person attempted or paid."""

CANARY_NUMBER = 777_777
"""Every number about a person: scores, fees, hours."""

SEAT, WAITLIST, OTHER = "seat", "waitlist", "other"
"""Roles: a registration takes a seat, waits for a seat, or neither."""

CLASS, EXAM, APPOINTMENT, GIVEN = "class", "exam", "appointment", "given"
"""Kinds of event, with different approvals; those of a given one take a seat in any type."""

_LATE = 0.15
_UNDATED = 0.05
_LEAVES = 0.25
_EARLIEST = 30 * DAY
_FORMS = 5
_TIERS = 3
_GRADED = frozenset({"Assigned", "Released", "Withheld", "Published"})
_APPROVALS: Mapping[str, Sequence[tuple[str | None, str | None]]] = {
    CLASS: vocabulary.CLASS_APPROVALS,
    EXAM: vocabulary.EXAM_APPROVALS,
    APPOINTMENT: vocabulary.APPOINTMENT_APPROVALS,
    # Blank approvals are pending in an exam.
    GIVEN: [(asked, answered) for asked, answered in vocabulary.CLASS_APPROVALS if answered],
}
# A large exam never fills up: it would outweigh all other registrations.
_LARGEST_FULL_EXAM = 40
_FILLS = (*("empty",) * 5, *("few",) * 7, *("some",) * 5, "full", "full", "over")

_Choice = TypeVar("_Choice")


class _Event(msgspec.Struct, rename="pascal"):
    event_identifier: UUID
    organization_identifier: UUID
    event_type: str | None = None
    capacity_maximum: int | None = None
    waitlist_enabled: bool = False


@dataclass(frozen=True, slots=True)
class Enrollment:
    """The numbers of an event's registrations by role, and when they come and change.

    They come from `opened` on for a `period` (ticks); most are older, all where it `is_closed`.
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
                identifier = uuid5(self.event, f"{role}/{number}")
                requested, turned, gone = self.moments(role, identifier)
                if requested <= now and (gone is None or now < gone):
                    order = wire.identifier_order(identifier)
                    rows.append(RegistrationRow(order, self, role, number, now))
                moments = (requested, turned, gone)
                ahead += [moment for moment in moments if moment is not None and moment > now]
        return rows, min(ahead, default=None)

    def moments(self, role: str, identifier: UUID) -> tuple[int, int, int | None]:
        """When a registration is made, is decided or given up, and is deleted (ticks)."""
        late, at, turn, leave, left = _shares(identifier, 0, 16, 32, 80, 96)
        if late < _LATE and not self.is_closed:
            requested = self.opened + int(0.9 * at * self.period)
        else:
            requested = self.opened - int(at * _EARLIEST)
        turned = max(requested, self.opened + int((0.1 + 0.8 * turn) * self.period))
        gone = None
        if role == OTHER and leave < _LEAVES:
            gone = turned + int((0.1 + 0.9 * left) * (self.opened + self.period - turned))
        return requested, turned, gone


@dataclass(frozen=True, slots=True)
class RegistrationRow:
    """A registration as it is at `now`."""

    order: bytes
    enrollment: Enrollment
    role: str
    number: int
    now: int

    @property
    def identifier(self) -> UUID:
        """The row's identifier."""
        return uuid5(self.enrollment.event, f"{self.role}/{self.number}")

    @property
    def changed(self) -> int | None:
        """Ticks of the last change."""
        identifier = self.identifier
        requested, turned, _ = self.enrollment.moments(self.role, identifier)
        return _changed(identifier, requested, turned, self.now)

    @property
    def json(self) -> bytes:
        """The row as an item of a JSON array."""
        return wire.row_of(_members(self), REGISTRATIONS.kinds)


def enrollment_of(event: bytes, opened: int, period: int) -> Enrollment:
    """The enrollment of a generated event, given its JSON.

    Its size follows from the event's kind and capacity: a class that is full stays full when its
    capacity changes.
    """
    read = msgspec.json.decode(event, type=_Event)
    chance = Random(read.event_identifier.int)  # noqa: S311 - repeatable, no secret
    event_type = (read.event_type or "").casefold()
    kind = {"exam": EXAM, "appointment": APPOINTMENT}.get(event_type, CLASS)
    capacity = max(read.capacity_maximum or 0, 0)
    fill = chance.choice(_FILLS)
    few, some, surplus = chance.randint(1, 4), chance.randint(3, 15), chance.randint(1, 4)
    waiting, others = chance.randint(1, 4), chance.randint(0, 2)
    is_popular = fill in {"full", "over"}
    fills_up = kind == CLASS or (kind == EXAM and capacity <= _LARGEST_FULL_EXAM)
    is_crowded = is_popular and capacity > 0 and fills_up
    if is_crowded:
        seats = capacity + (surplus if fill == "over" else 0)
        # Nobody leaves where every seat counts: full is exactly full.
        waiting, others = waiting if read.waitlist_enabled else 0, 0
    else:
        wanted = {"empty": 0, "few": few}.get(fill, some)
        seats, waiting = min(wanted, capacity or wanted), 0
    if event_type == "meeting":
        seats = min(seats, few)
    return Enrollment(
        event=read.event_identifier,
        organization=read.organization_identifier,
        kind=kind,
        seats=seats,
        waitlisted=waiting,
        others=others,
        opened=opened,
        period=period,
        # By chance alone: a registration keeps its moments when the capacity changes.
        is_closed=is_popular,
    )


def _members(row: RegistrationRow) -> dict[str, Any]:
    """The members of a registration; those without a value may be None or absent."""
    enrollment, identifier = row.enrollment, row.identifier
    requested_at, turned, _ = enrollment.moments(row.role, identifier)
    chance = Random(identifier.int)  # noqa: S311 - repeatable, no secret
    offset = _one_of(chance, vocabulary.OFFICE_OFFSETS)
    changed = _changed(identifier, requested_at, turned, row.now)
    requested = Instant(requested_at, offset)
    values: dict[str, Any] = {
        "RegistrationIdentifier": identifier,
        "EventIdentifier": enrollment.event,
        "OrganizationIdentifier": enrollment.organization,
        "RegistrationRequestedOn": requested,
        "RegistrationSequence": row.number + 1,
        "RegistrationSource": _one_of(chance, vocabulary.SOURCES),
        "RegistrationPassword": f"{CANARY}-PW-{chance.getrandbits(16):04x}",
        "IncludeInT2202": chance.random() < 0.3,  # noqa: PLR2004 - a probability
        "LastChangeUser": f"{CANARY}-USER {_one_of(chance, vocabulary.USERS)}",
        "LastChangeTime": None if changed is None else Instant(changed, offset),
    }
    for member, (probability, words) in vocabulary.OFFICE_MEMBERS.items():
        if chance.random() < probability:
            values[member] = _one_of(chance, words)
    for member, (probability, texts) in vocabulary.PERSONAL_MEMBERS.items():
        if chance.random() < probability:
            values[member] = _canary(member, chance, texts)
    if enrollment.kind == EXAM:
        form = int(chance.random() * _FORMS)
        values["ExamFormIdentifier"] = uuid5(enrollment.organization, f"form/{form}")
        values["SeatIdentifier"] = uuid5(enrollment.event, f"tier/{form % _TIERS}")
        values["DistributionExpected"] = requested
        for member, choices in vocabulary.CANDIDATE_MEMBERS.items():
            values[member] = _one_of(chance, choices)
        values["EligibilityUpdated"] = requested if values["EligibilityStatus"] else None
    # Drawn last, so that the turn touches its own members alone.
    return values | _statuses(row, chance, Instant(turned, offset))


def _statuses(row: RegistrationRow, chance: Random, turn: Instant) -> dict[str, Any]:
    """The statuses before the turn or after it."""
    if row.role == OTHER:
        asked, answered, attended = _one_of(chance, vocabulary.DEPARTURES)
    elif row.role == WAITLIST:
        asked = answered = _one_of(chance, vocabulary.WAITLISTED)
        attended = _one_of(chance, vocabulary.AWAITED)
    else:
        asked, answered = _one_of(chance, _APPROVALS[row.enrollment.kind])
        attended = _one_of(chance, vocabulary.ATTENDED)
    if row.now < turn.ticks:
        return {
            "ApprovalStatus": asked,
            "AttendanceStatus": _one_of(chance, vocabulary.AWAITED),
            "GradingStatus": _one_of(chance, (None, "Unassigned")) if row.role == SEAT else None,
            "LastChangeType": "RegistrationRequested",
        }
    values: dict[str, Any] = {
        "ApprovalStatus": answered,
        "AttendanceStatus": attended,
        "AttendanceTaken": turn if attended else None,
        "LastChangeType": "AttendanceTaken" if attended else "ApprovalChanged",
    }
    if row.role == SEAT:
        values["GradingStatus"] = _one_of(chance, vocabulary.GRADINGS)
        state = (values["GradingStatus"] or "").strip().capitalize()
        if state in _GRADED:
            values[f"Grade{state}"] = turn
            values["Grade"] = _canary("Grade", chance, vocabulary.GRADES)
            values["Score"] = _canary("Score", chance, ())
        if state == "Withheld":
            values["GradeWithheldReason"] = _canary("GradeWithheldReason", chance, ("plagiarism",))
    return values


def _canary(member: str, chance: Random, texts: Sequence[str]) -> Any:
    """A value for a personal member, by which a test finds it."""
    kind = REGISTRATIONS.kinds[member]
    if kind is Kind.TEXT:
        return f"{CANARY}-{member.upper()} {_one_of(chance, texts)}"
    if kind is Kind.IDENTIFIER:
        return UUID(f"{CANARY_IDENTIFIER}{chance.getrandbits(96):024x}", version=4)
    return Decimal(CANARY_NUMBER * 100).scaleb(-2) if kind is Kind.MEASURE else CANARY_NUMBER


def _changed(identifier: UUID, requested: int, turned: int, now: int) -> int | None:
    """Ticks of the last change; a few registrations have none."""
    if _shares(identifier, 112)[0] < _UNDATED:
        return None
    return turned if turned <= now else requested


def _shares(identifier: UUID, *places: int) -> list[float]:
    """Random numbers from 0 to 1: the identifier is a hash, whose bits are random."""
    return [(identifier.int >> place & 0xFFFF) / 0x10000 for place in places]


def _one_of(chance: Random, choices: Sequence[_Choice]) -> _Choice:
    return choices[int(chance.random() * len(choices))]
