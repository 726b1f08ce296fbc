"""Writes registrations: 64 templates for each kind of event, role and status, filled in by row.

A row's template follows from its identifier; drawing every member of every row anew would take 20
times as long. How many rows there are, and when they change, is in `registrations`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cache
from itertools import repeat
from operator import itemgetter
from random import Random
from typing import Any
from uuid import UUID

import numpy as np

from booking_assets.sandbox import vocabulary, wire
from booking_assets.sandbox.resources import REGISTRATIONS, Kind

CANARY = "CANARY"
"""Begins every text about a person: a registration has one at least, its `RegistrationPassword`."""

CANARY_IDENTIFIER = "ca9a4700"
"""Begins every identifier of a person, and of what a person attempted or paid."""

CANARY_NUMBER = 777_777
"""Every number about a person: scores, fees, hours."""

SEAT, WAITLIST, OTHER = range(3)
"""Roles: a registration takes a seat, waits for a seat, or neither."""

CLASS, EXAM, APPOINTMENT, GIVEN = range(4)
"""Kinds of event, with different approvals; those of a given one take a seat in any type."""

_TEMPLATES, _UNDATED = 64, 3
_OFFSETS = np.resize(vocabulary.OFFICE_OFFSETS, _TEMPLATES)
_FORMS = 5
_TIERS = 3
_GRADED = frozenset({"Assigned", "Released", "Withheld", "Published"})
_APPROVALS: Sequence[Sequence[tuple[str | None, str | None]]] = (
    vocabulary.CLASS_APPROVALS,
    vocabulary.EXAM_APPROVALS,
    vocabulary.APPOINTMENT_APPROVALS,
    # Blank approvals are pending in an exam.
    [(asked, answered) for asked, answered in vocabulary.CLASS_APPROVALS if answered],
)
_FIELDS = ("identifier", "tail", "event", "organization", "sequence", "requested", "turned")


def registration_texts(
    rows: np.ndarray[Any, Any], identifiers: Sequence[bytes], organization: UUID
) -> list[bytes]:
    """Each of the rows (of `registrations.ROW`) as an item of a JSON array."""
    numbers = [int(identifier[:2], 16) % _TEMPLATES for identifier in identifiers]
    offsets = _OFFSETS[numbers]
    columns = (rows[name].tolist() for name in ("kind", "role", "has_turned"))
    templates = map(_template, *columns, numbers)
    fields = zip(
        identifiers,
        (identifier[8:] for identifier in identifiers),
        rows["event"].tolist(),
        repeat(str(organization).encode(), len(rows)),
        (rows["number"] + 1).tolist(),
        wire.local_times(rows["requested"], offsets),
        wire.local_times(rows["turned"], offsets),
        strict=True,
    )
    return [text % pick(values) for (text, pick), values in zip(templates, fields, strict=True)]


@cache
def _template(
    kind: int, role: int, has_turned: bool, number: int
) -> tuple[bytes, Callable[[tuple[Any, ...]], tuple[Any, ...]]]:
    """A row with `%s` for what differs between the rows of the template, and how to pick that."""
    values = _members(kind, role, has_turned, number)
    text = wire.row_of(values, REGISTRATIONS.kinds).decode()
    text = text.replace('"%(sequence)s"', "%(sequence)d")
    names = re.findall(r"%\((\w+)\)", text)
    return re.sub(r"%\(\w+\)", "%", text).encode(), itemgetter(*map(_FIELDS.index, names))


def _members(kind: int, role: int, has_turned: bool, number: int) -> dict[str, Any]:
    """The members of a registration; those without a value may be None or absent."""
    chance = Random(f"{kind}/{role}/{number}")  # noqa: S311 - repeatable, no secret
    zone = wire.date_time(wire.Instant(0, int(_OFFSETS[number])))[-6:]
    requested, turn = f"%(requested)s{zone}", f"%(turned)s{zone}"
    values: dict[str, Any] = {
        "RegistrationIdentifier": "%(identifier)s",
        "EventIdentifier": "%(event)s",
        "OrganizationIdentifier": "%(organization)s",
        "RegistrationRequestedOn": requested,
        "RegistrationSequence": "%(sequence)s",
        "RegistrationSource": chance.choice(vocabulary.SOURCES),
        "RegistrationPassword": f"{CANARY}-PW-%(identifier).4s",
        "IncludeInT2202": chance.random() < 0.3,  # noqa: PLR2004 - a probability
        "LastChangeUser": f"{CANARY}-USER {chance.choice(vocabulary.USERS)}",
    }
    if number >= _UNDATED:
        values["LastChangeTime"] = turn if has_turned else requested
    for member, (probability, words) in vocabulary.OFFICE_MEMBERS.items():
        if chance.random() < probability:
            values[member] = chance.choice(words)
    for member, (probability, texts) in vocabulary.PERSONAL_MEMBERS.items():
        if chance.random() < probability:
            values[member] = _canary(member, chance, texts)
    if kind == EXAM:
        form = int(chance.random() * _FORMS)
        # Identifiers of the organization's forms and of the event's tiers: another last group.
        values["ExamFormIdentifier"] = f"%(organization).24s{form:012x}"
        values["SeatIdentifier"] = f"%(event).24s{form % _TIERS:012x}"
        values["DistributionExpected"] = requested
        for member, choices in vocabulary.CANDIDATE_MEMBERS.items():
            values[member] = chance.choice(choices)
        values["EligibilityUpdated"] = requested if values["EligibilityStatus"] else None
    # Drawn last, so that the turn touches its own members alone.
    return values | _statuses(kind, role, turn if has_turned else None, chance)


def _statuses(kind: int, role: int, turn: str | None, chance: Random) -> dict[str, Any]:
    """The statuses before the turn or after it."""
    if role == OTHER:
        asked, answered, attended = chance.choice(vocabulary.DEPARTURES)
    elif role == WAITLIST:
        asked = answered = chance.choice(vocabulary.WAITLISTED)
        attended = chance.choice(vocabulary.AWAITED)
    else:
        asked, answered = chance.choice(_APPROVALS[kind])
        attended = chance.choice(vocabulary.ATTENDED)
    if turn is None:
        return {
            "ApprovalStatus": asked,
            "AttendanceStatus": chance.choice(vocabulary.AWAITED),
            "GradingStatus": chance.choice((None, "Unassigned")) if role == SEAT else None,
            "LastChangeType": "RegistrationRequested",
        }
    values: dict[str, Any] = {
        "ApprovalStatus": answered,
        "AttendanceStatus": attended,
        "AttendanceTaken": turn if attended else None,
        "LastChangeType": "AttendanceTaken" if attended else "ApprovalChanged",
    }
    if role == SEAT:
        values["GradingStatus"] = chance.choice(vocabulary.GRADINGS)
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
        return f"{CANARY}-{member.upper()} {chance.choice(texts)}"
    if kind is Kind.IDENTIFIER:
        return f"{CANARY_IDENTIFIER}%(tail)s"
    return Decimal(CANARY_NUMBER * 100).scaleb(-2) if kind is Kind.MEASURE else CANARY_NUMBER
