"""What one registration holds: statuses that seats are counted by, and much that is personal.

What lives here: `told`, and the canaries, by which a test finds out where personal data went.
What must not: how many registrations an event has, and since when (`enrolments`). No state.
Read more: `docs/sandbox.md`, "Registrations".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any, TypeVar
from uuid import UUID, uuid5

from booking_assets.sandbox import vocabulary
from booking_assets.sandbox.wire import Instant

CANARY = "CANARY"
"""Begins every text about a person: a registration has one at least, its `RegistrationPassword`."""

CANARY_IDENTIFIER = "ca9a4700"
"""Begins every identifier of a person, and of what a person attempted or paid."""

CANARY_NUMBER = 777_777
"""Every number about a person: scores, fees, hours."""

SEAT, WAITLIST, OTHER = "seat", "waitlist", "other"
"""Whether a registration takes a seat, waits for one, or neither: it left or never came."""

CLASS, EXAM, APPOINTMENT = "class", "exam", "appointment"
"""Kinds of event: each has approvals of its own."""

_FORMS = 5
_TIERS = 3
_GRADED = frozenset({"Assigned", "Released", "Withheld", "Published"})
_CANARY_DECIMAL = Decimal(CANARY_NUMBER * 100).scaleb(-2)
_PERSONAL_NUMBERS = (
    ("RegistrationFee", 0.2, _CANARY_DECIMAL),
    ("WorkBasedHoursToDate", 0.1, CANARY_NUMBER),
)

_Choice = TypeVar("_Choice")


@dataclass(frozen=True, slots=True)
class Registration:
    """What a registration is told from.

    Attributes:
        identifier: Draws the chances: a registration keeps them for its life.
        event: The event's identifier.
        organization: The organization's.
        kind: `CLASS`, `EXAM` or `APPOINTMENT`.
        role: `SEAT`, `WAITLIST` or `OTHER`.
        number: Its place among those of its role.
        requested: When it was made (ticks).
        turned: When it was decided, attended or given up (ticks).
        dated: Whether it carries the time of its last change.
    """

    identifier: UUID
    event: UUID
    organization: UUID
    kind: str
    role: str
    number: int
    requested: int
    turned: int
    dated: bool

    def changed_at(self, now: int) -> int | None:
        """The ticks of the newest change up to `now`."""
        if not self.dated:
            return None
        return self.turned if self.turned <= now else self.requested


def told(registration: Registration, now: int) -> dict[str, Any]:
    """The members of a registration at `now`; those without a value may be None or absent."""
    # Not for secrets: repeatable chance is the point.
    chance = Random(registration.identifier.int)  # noqa: S311
    offset = _one_of(chance, vocabulary.OFFICE_OFFSETS)
    changed = registration.changed_at(now)
    values: dict[str, Any] = {
        "RegistrationIdentifier": registration.identifier,
        "EventIdentifier": registration.event,
        "OrganizationIdentifier": registration.organization,
        "RegistrationRequestedOn": Instant(registration.requested, offset),
        "RegistrationSequence": registration.number + 1,
        "RegistrationSource": _one_of(chance, vocabulary.SOURCES),
        "IncludeInT2202": chance.random() < 0.3,  # noqa: PLR2004 - a probability
        "LastChangeTime": None if changed is None else Instant(changed, offset),
    }
    for member, (probability, words) in vocabulary.OFFICE_TEXTS.items():
        if chance.random() < probability:
            values[member] = _one_of(chance, words)
    _tell_person(values, chance)
    if registration.kind == EXAM:
        _tell_candidate(values, chance, registration)
    # All chances are drawn before the turn too, so that the turn touches its own members alone.
    turn = Instant(registration.turned, offset)
    before, after = _before_and_after(chance, registration, turn)
    return values | (after if registration.turned <= now else before)


def _tell_person(values: dict[str, Any], chance: Random) -> None:
    """What nobody but the organization may know."""
    values["CandidateIdentifier"] = _person(chance)
    values["RegistrationPassword"] = f"{CANARY}-PW-{chance.getrandbits(16):04x}"
    values["LastChangeUser"] = f"{CANARY}-USER {_one_of(chance, vocabulary.USERS)}"
    for member, probability in vocabulary.PERSONAL_IDENTIFIERS.items():
        if chance.random() < probability:
            values[member] = _person(chance)
    for member, (probability, words) in vocabulary.PERSONAL_TEXTS.items():
        if chance.random() < probability:
            values[member] = f"{CANARY}-{member.upper()} {_one_of(chance, words)}"
    values |= {
        member: number
        for member, probability, number in _PERSONAL_NUMBERS
        if chance.random() < probability
    }


def _tell_candidate(values: dict[str, Any], chance: Random, registration: Registration) -> None:
    """What only exams know."""
    form = int(chance.random() * _FORMS)
    values["ExamFormIdentifier"] = uuid5(registration.organization, f"form/{form}")
    values["SeatIdentifier"] = uuid5(registration.event, f"tier/{form % _TIERS}")
    values["DistributionExpected"] = values["RegistrationRequestedOn"]
    values["ExamTimeLimit"] = _one_of(chance, (120, 180, 240, None))
    values["CandidateType"] = _one_of(chance, vocabulary.CANDIDATE_TYPES)
    values["MaterialsIncludeDiagramBook"] = _one_of(chance, (True, False, None))
    values["EligibilityStatus"] = _one_of(chance, vocabulary.ELIGIBILITY)
    if values["EligibilityStatus"] is not None:
        values["EligibilityUpdated"] = values["RegistrationRequestedOn"]


def _before_and_after(
    chance: Random, registration: Registration, turn: Instant
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The statuses before the turn and after it."""
    asked, answered, attended = _course(chance, registration)
    before: dict[str, Any] = {
        "ApprovalStatus": asked,
        "AttendanceStatus": _one_of(chance, vocabulary.AWAITED),
        "LastChangeType": "RegistrationRequested",
    }
    after: dict[str, Any] = {
        "ApprovalStatus": answered,
        "AttendanceStatus": attended,
        "AttendanceTaken": turn if attended else None,
        "LastChangeType": "AttendanceTaken" if attended else "ApprovalChanged",
    }
    if registration.role == SEAT:
        before["GradingStatus"] = _one_of(chance, (None, None, "Unassigned"))
        after |= _graded(chance, turn)
    return before, after


def _course(
    chance: Random, registration: Registration
) -> tuple[str | None, str | None, str | None]:
    """Approval before the turn, approval after it, attendance after it."""
    if registration.role == OTHER:
        return _one_of(chance, vocabulary.DEPARTURES)
    if registration.role == WAITLIST:
        waitlisted = _one_of(chance, vocabulary.WAITLISTED)
        return waitlisted, waitlisted, _one_of(chance, vocabulary.AWAITED)
    asked, answered = _one_of(chance, _APPROVALS[registration.kind])
    return asked, answered, _one_of(chance, vocabulary.ATTENDED)


def _graded(chance: Random, turn: Instant) -> dict[str, Any]:
    status, letter = _one_of(chance, vocabulary.GRADINGS), _one_of(chance, vocabulary.GRADES)
    values: dict[str, Any] = {"GradingStatus": status}
    state = (status or "").strip().capitalize()
    if state in _GRADED:
        values["Grade"] = f"{CANARY}-GRADE {letter}"
        values["Score"] = _CANARY_DECIMAL
        values[f"Grade{state}"] = turn
    if state == "Withheld":
        values["GradeWithheldReason"] = f"{CANARY}-REASON {letter}"
    return values


def _person(chance: Random) -> UUID:
    return UUID(f"{CANARY_IDENTIFIER}{chance.getrandbits(96):024x}", version=4)


def _one_of(chance: Random, choices: Sequence[_Choice]) -> _Choice:
    return choices[int(chance.random() * len(choices))]


_APPROVALS: Mapping[str, Sequence[tuple[str | None, str | None]]] = {
    CLASS: vocabulary.CLASS_APPROVALS,
    EXAM: vocabulary.EXAM_APPROVALS,
    APPOINTMENT: vocabulary.APPOINTMENT_APPROVALS,
}
