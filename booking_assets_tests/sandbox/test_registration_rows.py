"""Registrations follow from their events, and what is personal carries canaries."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from booking_assets.sandbox import generated, wire
from booking_assets.sandbox.registration_texts import (
    CANARY,
    CANARY_IDENTIFIER,
    CANARY_NUMBER,
    CLASS,
)
from booking_assets.sandbox.registrations import Enrollment, Registrations, enrolled
from booking_assets.sandbox.resources import EVENTS, REGISTRATIONS, Kind, Resource
from booking_assets.sandbox.rows import members_of
from booking_assets.sandbox.world import World, generated_world
from booking_assets.tables import raw
from booking_assets_tests.sandbox.conftest import NOON

Members = dict[str, Any]

ALLOWED = {
    raw.member_name(column)
    for column in raw.REGISTRATIONS.column_names
    if column not in {"organization", "collected_at"}
}
IMPERSONAL = {
    *("ApprovalProcess", "CandidateType", "EligibilityProcess", "GradingProcess"),
    *("LastChangeType", "MaterialsPackagedForDistribution", "RegistrationSource"),
    *("SynchronizationProcess", "SynchronizationStatus"),
}
REFERENCES = {"EventIdentifier", "ExamFormIdentifier", "OrganizationIdentifier", "SeatIdentifier"}


class HandClock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def rows_of(world: World, resource: Resource) -> dict[str, Members]:
    """All rows of all tenants by identifier."""
    return {
        members[resource.identifier]: members
        for tenant in world.tenants
        for members in (members_of(row) for row in world.rows(tenant, resource))
    }


def normal(status: str | None) -> str:
    return (status or "").strip().casefold()


def takes_a_seat(registration: Members) -> bool:
    approval = normal(registration.get("ApprovalStatus"))
    attendance = normal(registration.get("AttendanceStatus"))
    return approval in {"", "registered", "invitation sent"} and attendance != "withdrawn/cancelled"


def availability(event: Members, taken: int) -> str:
    lowest, highest = event.get("CapacityMinimum") or 0, event.get("CapacityMaximum") or 0
    cases = {
        "Locked": "RegistrationLocked" in event,
        "Under": taken < max(lowest, 0),
        "Over": 0 < highest < taken,
        "Full": 0 < highest == taken,
        "Empty": taken == 0,
    }
    return next((name for name, holds in cases.items() if holds), "Open")


@pytest.fixture(scope="module")
def world() -> World:
    return generated_world(3, 600, seed=7, clock=lambda: NOON)


@pytest.fixture(scope="module")
def events(world: World) -> dict[str, Members]:
    return rows_of(world, EVENTS)


@pytest.fixture(scope="module")
def registrations(world: World) -> list[Members]:
    return list(rows_of(world, REGISTRATIONS).values())


def test_the_model_has_its_51_members_in_order_and_every_one_occurs(
    registrations: list[Members],
) -> None:
    order = list(REGISTRATIONS.kinds)
    assert len(order) == 51
    assert (order[0], order[12], order[14]) == (
        "AttemptIdentifier",
        "IncludeInT2202",
        "ApprovalProcess",
    )
    assert {member for row in registrations for member in row} == set(order)
    assert all(None not in row.values() for row in registrations)
    for row in registrations:
        assert list(row) == [member for member in order if member in row]


def test_the_allow_list_is_of_the_model() -> None:
    assert set(REGISTRATIONS.kinds) >= ALLOWED


def test_whatever_is_personal_carries_a_canary(registrations: list[Members]) -> None:
    prefixes = {
        Kind.TEXT: f"{CANARY}-",
        Kind.IDENTIFIER: f"{CANARY_IDENTIFIER}-",
    }
    personal = {
        member: prefixes[kind]
        for member, kind in REGISTRATIONS.kinds.items()
        if kind in prefixes and member not in ALLOWED | IMPERSONAL | REFERENCES
    }
    for row in registrations:
        assert row["RegistrationPassword"].startswith(f"{CANARY}-PW-")
        assert len(row["RegistrationPassword"]) <= 14
        for member in personal.keys() & row.keys():
            assert row[member].startswith(personal[member]), member
        for member in {"Score", "RegistrationFee", "WorkBasedHoursToDate"} & row.keys():
            assert row[member] == CANARY_NUMBER
        assert CANARY not in json.dumps([row.get(member) for member in ALLOWED])


@pytest.mark.parametrize(
    ("member", "expected"),
    [
        ("ApprovalStatus", {None, "", "Registered", "registered", " Registered ", "Waitlisted"}),
        ("ApprovalStatus", {"Invitation Sent", "Invitation Expired", "Invitation Declined"}),
        ("ApprovalStatus", {"Moved", "Scheduled", "Eligible", "Not Eligible", "On Hold"}),
        ("AttendanceStatus", {None, "Pending", "Present", "Attended", "Absent", "Incomplete"}),
        ("AttendanceStatus", {"Withdrawn/Cancelled", "withdrawn/cancelled ", " attended"}),
        ("GradingStatus", {None, "Unassigned", "Assigned", "Released", "Withheld"}),
        ("GradingStatus", {"Published", "published ", "Cancelled"}),
        ("EligibilityStatus", {None, "Eligible", "Eligible with Limitations", "Not Eligible"}),
    ],
)
def test_the_vocabulary_occurs(
    registrations: list[Members], member: str, expected: set[str | None]
) -> None:
    assert expected <= {row.get(member) for row in registrations}


def test_classes_are_of_every_availability(
    events: dict[str, Members], registrations: list[Members]
) -> None:
    taken = Counter(row["EventIdentifier"] for row in registrations if takes_a_seat(row))
    classes = [event for event in events.values() if event.get("EventType") == "Class"]
    seen = Counter(availability(event, taken[event["EventIdentifier"]]) for event in classes)
    assert set(seen) == {"Locked", "Under", "Over", "Full", "Empty", "Open"}
    assert min(seen.values()) > len(classes) / 100


def test_an_event_has_about_six_registrations(
    events: dict[str, Members], registrations: list[Members]
) -> None:
    assert 5 < len(registrations) / len(events) < 8


def test_registrations_outlive_their_event_in_the_fourth_organization_alone() -> None:
    world = generated_world(5, 600, seed=7, clock=lambda: NOON)
    unknown = {}
    for number, tenant in enumerate(world.tenants, start=1):
        events = {row.identifier for row in world.rows(tenant, EVENTS)}
        registered = [members_of(row) for row in world.rows(tenant, REGISTRATIONS)]
        unknown[number] = len({row["EventIdentifier"] for row in registered} - events)
    assert 0 < unknown.pop(4) < 600 / 10
    assert set(unknown.values()) == {0}


def test_a_registration_belongs_to_the_tenant_of_its_event(
    events: dict[str, Members], registrations: list[Members]
) -> None:
    for row in registrations:
        if row["EventIdentifier"] in events:
            event = events[row["EventIdentifier"]]
            assert row["OrganizationIdentifier"] == event["OrganizationIdentifier"]


def test_the_same_seed_and_time_give_the_same_registrations() -> None:
    def world(seed: int) -> World:
        return generated_world(2, 50, seed=seed, clock=lambda: NOON)

    assert rows_of(world(7), REGISTRATIONS) == rows_of(world(7), REGISTRATIONS)
    assert not rows_of(world(7), REGISTRATIONS).keys() & rows_of(world(8), REGISTRATIONS).keys()


@pytest.mark.parametrize("seconds", [1, 600, 86_400])
def test_a_world_that_moved_equals_one_begun_anew(seconds: int) -> None:
    clock = HandClock()
    moving = generated_world(1, 200, seed=3, clock=clock)
    assert rows_of(moving, REGISTRATIONS)
    clock.now += timedelta(seconds=seconds)
    anew = generated_world(1, 200, seed=3, clock=clock)
    assert rows_of(moving, REGISTRATIONS) == rows_of(anew, REGISTRATIONS)


def test_ten_minutes_insert_change_and_delete_and_leave_the_events_time_alone() -> None:
    clock = HandClock()
    world = generated_world(2, 400, seed=7, clock=clock)
    alone = generated_world(2, 400, seed=7, clock=clock)
    before, events_before = rows_of(world, REGISTRATIONS), rows_of(world, EVENTS)
    clock.now += timedelta(minutes=10)
    after, events_after = rows_of(world, REGISTRATIONS), rows_of(world, EVENTS)
    changed = [one for one in before.keys() & after.keys() if before[one] != after[one]]
    then, now = wire.ticks_of(NOON), wire.ticks_of(clock.now)
    dated = [after[one]["LastChangeTime"] for one in changed if "LastChangeTime" in after[one]]
    assert dated
    assert all(then < wire.instant_of(text).ticks <= now for text in dated)
    at_rest = {one for one, event in events_after.items() if events_before.get(one) == event}
    moved = {after[one]["EventIdentifier"] for one in [*changed, *(after.keys() - before.keys())]}
    assert moved & at_rest, "registrations move while their event keeps its LastChangeTime"
    gone = {before[one]["EventIdentifier"] for one in before.keys() - after.keys()}
    assert gone & events_after.keys(), "some are deleted while their event lives"
    assert events_after == rows_of(alone, EVENTS)


def test_a_clock_that_goes_back_changes_nothing() -> None:
    clock = HandClock()
    world = generated_world(1, 100, seed=7, clock=clock)
    expected = rows_of(generated_world(1, 100, seed=7, clock=clock), REGISTRATIONS)
    assert rows_of(world, EVENTS)
    clock.now -= timedelta(hours=1)
    assert rows_of(world, REGISTRATIONS) == expected


def test_registrations_are_not_made_before_they_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Made(Exception):
        """Registrations were made."""

    def enrollment_of(event: bytes, slot: int, opened: int, period: int) -> None:
        raise Made

    monkeypatch.setattr(generated, "enrollment_of", enrollment_of)
    clock = HandClock()
    world = generated_world(1, 100, seed=7, clock=clock)
    clock.now += timedelta(days=1)
    assert rows_of(world, EVENTS)
    with pytest.raises(Made):
        rows_of(world, REGISTRATIONS)


def test_registrations_stay_the_same_where_their_event_gets_more() -> None:
    few = Enrollment(str(UUID(int=5)), 0, CLASS, 4, 1, 1, 10**16, 10**14, is_closed=False)
    now = few.opened + few.period // 2
    identifiers = [
        {row.identifier: row.json for row in Registrations(enrolled([one], now)[0], UUID(int=1))}
        for one in (few, few._replace(seats=9, waitlisted=3, others=2))
    ]
    assert len(identifiers[0]) > 3
    assert identifiers[0].items() < identifiers[1].items()


def test_nobody_has_a_name(registrations: list[Members]) -> None:
    users = {row["LastChangeUser"] for row in registrations}
    assert all(user.startswith(f"{CANARY}-USER Sandbox ") for user in users)
