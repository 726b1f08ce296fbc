"""Three organizations on a Tuesday and a Wednesday, of which few enough rows are known to count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from booking_assets.sandbox import wire
from booking_assets.sandbox.resources import (
    ACHIEVEMENTS,
    EVENTS,
    GROUPS,
    REGISTRATIONS,
    Kind,
    Resource,
)
from booking_assets.sandbox.rows import Row, Rows

TUESDAY = datetime(2026, 3, 10, 12, tzinfo=UTC)
WEDNESDAY = datetime(2026, 3, 11, 12, tzinfo=UTC)
ACME, GLOBEX, INITECH = (UUID(int=number) for number in (1, 2, 3))
HARBOUR, NORTHGATE, NAMELESS = (UUID(int=number << 96) for number in (0xA1, 0xA2, 0xA3))
WELDING, FIRST_AID = UUID(int=0xB1), UUID(int=0xB2)
CLASS: dict[str, Any] = {
    "EventType": "Class",
    "EventPublicationStatus": "Published",
    "EventSchedulingStatus": "Active",
}
EXAM = CLASS | {"EventType": "Exam", "EventFormat": "Paper", "CapacityMaximum": 20}
EXAM |= {"ExamType": "Class"}
AT_HARBOUR: dict[str, Any] = CLASS | {"VenueLocationIdentifier": HARBOUR, "VenueRoom": "Shop A"}
AT_NORTHGATE = CLASS | {"VenueLocationIdentifier": NORTHGATE, "VenueRoom": "Room 1"}


def event(number: int, title: str, start: str, end: str, **members: Any) -> dict[str, Any]:
    return {
        "EventIdentifier": UUID(int=0xE000 + number),
        "EventNumber": number,
        "EventTitle": title,
        "EventScheduledStart": start,
        "EventScheduledEnd": end,
        **members,
    }


def welding(
    number: int, title: str, first: str, last: str, least: int, most: int
) -> dict[str, Any]:
    return event(
        number,
        title,
        f"{first}T09:00-06:00",
        f"{last}T16:00-06:00",
        **AT_HARBOUR,
        AchievementIdentifier=WELDING,
        CapacityMinimum=least,
        CapacityMaximum=most,
    )


def events(organization: UUID, *, changed: bool) -> list[dict[str, Any]]:
    """The events on Tuesday, or as they are `changed` on Wednesday."""
    if organization == GLOBEX:
        day = {"start": "2026-04-14T09:00-05:00", "end": "2026-04-14T12:00-05:00"}
        where: dict[str, Any] = {"VenueLocationIdentifier": NAMELESS, "VenueRoom": "Bay 2"}
        limits: dict[str, Any] = {"CapacityMinimum": 5, "CapacityMaximum": 10}
        return [event(31, "Forklift", **day, **CLASS, **where, **limits)]
    if organization == INITECH:
        day = {"start": "2026-04-16T10:00+00:00", "end": "2026-04-16T12:00+00:00"}
        return [event(21, "Orientation", **day, **CLASS)]
    first_aid = {"AchievementIdentifier": FIRST_AID}
    both = [
        welding(1, "Welding A", "2026-04-13", "2026-04-17", 6, 8),
        welding(2, "Welding B", "2026-04-20", "2026-04-24", 4, 5 if changed else 4),
        event(
            3,
            "First Aid",
            "2026-03-10T09:00-06:00",
            "2026-03-10T16:00-06:00",
            **AT_NORTHGATE,
            **first_aid,
            CapacityMinimum=2,
            CapacityMaximum=4,
        ),
        event(
            4,
            "First Aid, short",
            "2026-04-15T13:00-06:00",
            "2026-04-15T15:00-06:00",
            **AT_HARBOUR | {"VenueRoom": " shop  a"},
            **first_aid,
            CapacityMaximum=10,
        ),
        event(
            5,
            "Rigging",
            "2026-03-12T09:00-06:00",
            "2026-03-12T16:00-06:00",
            **AT_NORTHGATE | {"EventSchedulingStatus": "Cancelled" if changed else "Active"},
            CapacityMaximum=12,
        ),
        event(
            7,
            "Sitting A",
            "2026-02-10T09:00-07:00",
            "2026-02-10T12:00-07:00",
            **EXAM,
            DistributionExpected="2026-02-01T08:00+00:00",
            DistributionOrdered="2026-01-20T08:00+00:00",
            DistributionShipped="2026-02-03T08:00+00:00",
            DistributionStatus="Delivered",
        ),
        event(
            8,
            "Sitting B",
            "2026-03-20T09:00-06:00",
            "2026-03-20T12:00-06:00",
            **EXAM,
            DistributionExpected="2026-03-10T00:00+00:00",
        ),
        event(
            9,
            "Sitting C",
            "2026-03-25T09:00-06:00",
            "2026-03-25T12:00-06:00",
            **EXAM,
            DistributionOrdered="2026-03-09T08:00+00:00",
            DistributionStatus="Error",
        ),
    ]
    if changed:
        new = welding(10, "Welding C", "2026-05-04", "2026-05-08", 2, 8)
        return [*both, new | {"EventPublicationStatus": "Drafted"}]
    day = {"start": "2026-03-30T09:00-06:00", "end": "2026-03-30T10:00-06:00"}
    return [*both, event(11, "Staff meeting", **day, EventType="Meeting")]


def registrations(organization: UUID, *, changed: bool) -> list[dict[str, Any]]:
    def made(number: int, approval: str, requested: str, attendance: str | None = None) -> Any:
        return {
            "EventIdentifier": UUID(int=0xE000 + number),
            "ApprovalStatus": approval,
            "AttendanceStatus": attendance,
            "RegistrationRequestedOn": requested,
        }

    if organization == GLOBEX:
        return []
    if organization == INITECH:
        return [made(21, "Registered", "2026-03-09T09:00+00:00")]
    marks = ("Present", "Present", "Absent", "Pending") if changed else (None,) * 4
    both = [
        *(made(1, "Registered", f"2026-02-2{day}T09:00-07:00") for day in (0, 1)),
        *(made(2, "Registered", "2026-02-01T09:00-07:00") for _ in range(6)),
        made(2, "Waitlisted", "2026-02-10T09:00-07:00"),
        made(2, "Waitlisted", "2026-03-09T10:00+00:00"),
        *(made(3, "Registered", "2026-02-15T09:00-07:00", mark) for mark in marks),
        made(3, "Registered", "2026-02-15T09:00-07:00", "Withdrawn/Cancelled"),
        made(4, "Registered", "2026-03-08T09:00+00:00"),
        made(7, "Registered", "2026-01-10T09:00-07:00", "Present"),
        made(7, "Registered", "2026-01-10T09:00-07:00", "Absent"),
    ]
    return [*both, made(1, "Invitation Sent", "2026-03-10T18:00+00:00")] if changed else both


def groups(organization: UUID, *, changed: bool) -> list[dict[str, Any]]:
    names = {HARBOUR: "Harbour Campus", NORTHGATE: "Northgate Centre"}
    own = names if organization == ACME else {}
    return [
        {"GroupIdentifier": identifier, "GroupName": name, "GroupType": "Venue"}
        for identifier, name in own.items()
    ]


def achievements(organization: UUID, *, changed: bool) -> list[dict[str, Any]]:
    titles = {WELDING: "Welding", FIRST_AID: "First Aid"}
    own = titles if organization == ACME else {}
    return [
        {"AchievementIdentifier": identifier, "AchievementTitle": title}
        for identifier, title in own.items()
    ]


MEMBERS = {
    EVENTS: events,
    REGISTRATIONS: registrations,
    GROUPS: groups,
    ACHIEVEMENTS: achievements,
}


def rows(resource: Resource, owner: UUID, members: Iterable[Mapping[str, Any]]) -> Rows:
    written = []
    for number, one in enumerate(members):
        identifier = one.get(resource.identifier, UUID(int=(owner.int << 64) + number))
        values = {**one, resource.identifier: identifier, "OrganizationIdentifier": owner}
        for name, value in values.items():
            if resource.kinds[name] is Kind.INSTANT:
                values[name] = wire.instant_of(value)
        written.append(Row.of(identifier, None, wire.row_of(values, resource.kinds)))
    return Rows(resource, written)
