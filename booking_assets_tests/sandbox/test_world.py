"""Generated events: the whole vocabulary, about 1.6 kB each, and a story that moves with time."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from booking_assets.sandbox import wire
from booking_assets.sandbox.resources import EVENTS, Kind
from booking_assets.sandbox.rows import members_of
from booking_assets.sandbox.world import World, generated_world
from booking_assets_tests.sandbox.conftest import NOON

Members = dict[str, Any]


class HandClock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def events_of(world: World) -> dict[str, Members]:
    """All events of all tenants by identifier."""
    return {
        members["EventIdentifier"]: members
        for tenant in world.tenants
        for members in (members_of(row) for row in world.rows(tenant))
    }


@pytest.fixture(scope="module")
def events() -> list[Members]:
    return list(events_of(generated_world(3, 1_000, seed=7, clock=lambda: NOON)).values())


def values(events: list[Members], member: str) -> set[Any]:
    return {event.get(member) for event in events}


def test_an_event_has_about_1600_bytes() -> None:
    world = generated_world(3, 400, seed=7, clock=lambda: NOON)
    rows = [row for tenant in world.tenants for row in world.rows(tenant)]
    assert 1_500 < sum(len(row.json) for row in rows) / len(rows) < 1_750


@pytest.mark.parametrize(
    ("member", "expected"),
    [
        ("EventType", {"Class", "Exam", "Meeting", "Appointment", "Unknown", "exam", None}),
        (
            "EventPublicationStatus",
            {"Drafted", "Drafted (In Development)", "Published", "published", "Unpublished"},
        ),
        ("EventPublicationStatus", {"Archived", "Soft Launch", None}),
        ("EventSchedulingStatus", {"Active", "Cancelled", "CANCELLED", "Completed", "On Hold"}),
        ("EventFormat", {"Online", "Paper", "paper", None}),
        ("DistributionProcess", {"Standard", "Escalation", None}),
        ("DistributionStatus", {"Error", "RECORD_RECEIVED", "In transit - depot 4", None}),
        ("ExamMaterialReturnShipmentCondition", {"Full", "Partial", None}),
        ("CapacityMaximum", {None, 0, -1, 1}),
        ("CapacityMinimum", {None, 0, -1}),
        ("EventNumber", {0}),
        ("ExamType", {"Individual (A)", "Test", "Accessibility and Resource Centre (ARC)"}),
        ("AllowRegistrationWithLink", {True, None}),
        ("LastChangeType", {"ClassImported", "DistributionOrdered", "EventCancelled", None}),
    ],
)
def test_the_vocabulary_occurs(events: list[Members], member: str, expected: set[Any]) -> None:
    assert expected <= values(events, member)


def test_paper_exams_are_in_every_state_of_distribution(events: list[Members]) -> None:
    papers = [event for event in events if event.get("EventFormat") == "Paper"]

    def some(*present: str, absent: tuple[str, ...] = ()) -> bool:
        return any(
            all(event.get(member) not in {None, False} for member in present)
            and all(event.get(member) in {None, False} for member in absent)
            for event in papers
        )

    ordered, expected = "DistributionOrdered", "DistributionExpected"
    received = "ExamMaterialReturnShipmentReceived"
    withheld = "IntegrationWithholdDistribution"
    assert some(withheld, absent=(ordered,))
    assert some("DistributionErrors", ordered)
    assert some("DistributionShipped", ordered)
    assert some(ordered, absent=("DistributionShipped", "DistributionErrors"))
    assert some(expected, absent=(ordered, withheld))
    assert some(absent=(ordered, expected, withheld))
    assert some(received)
    assert some("ExamMaterialReturnShipmentCondition", absent=(received,))


def test_schedules_lie_around_now(events: list[Members]) -> None:
    now = wire.ticks_of(NOON)
    starts = [wire.instant_of(event["EventScheduledStart"]).ticks for event in events]
    ends = [
        wire.instant_of(event["EventScheduledEnd"]).ticks if "EventScheduledEnd" in event else None
        for event in events
    ]
    spans = list(zip(starts, ends, strict=True))
    assert any(start > now for start, _ in spans)
    assert any(start <= now and (end is None or end > now) for start, end in spans)
    assert any(end is not None and end <= now for _, end in spans)
    assert any(end == start for start, end in spans)
    assert None in ends


def test_date_times_differ_in_offset_and_in_fraction_digits(events: list[Members]) -> None:
    texts = [
        event[member]
        for event in events
        for member in event
        if EVENTS.kinds[member] is Kind.INSTANT
    ]
    assert not any(text.endswith("Z") for text in texts)
    assert {"-07:00", "-08:00", "+00:00", "+05:30"} <= {text[-6:] for text in texts}
    digits = {len(text[19:-6].removeprefix(".")) for text in texts}
    assert {0, 7} <= digits
    assert len(digits) >= 5


def test_every_known_member_occurs_and_content_holds_json(events: list[Members]) -> None:
    assert (
        set(EVENTS.kinds) - {member for event in events for member in event} == EVENTS.not_sortable
    )
    for member in ("Content", "RegistrationFields"):
        assert all(json.loads(event[member]) for event in events if member in event)
    assert any(not text.isascii() for event in events for text in [event.get("Content", "")])


def test_venues_and_rooms_are_shared(events: list[Members]) -> None:
    rooms = {(event.get("VenueLocationIdentifier"), event.get("VenueRoom")) for event in events}
    assert len(rooms) < len(events) / 10


def test_the_same_seed_and_time_give_the_same_events() -> None:
    def world(seed: int) -> World:
        return generated_world(2, 50, seed=seed, clock=lambda: NOON)

    assert events_of(world(7)) == events_of(world(7))
    assert not events_of(world(7)).keys() & events_of(world(8)).keys()


@pytest.mark.parametrize("seconds", [1, 10, 600, 86_400, 40 * 86_400])
def test_a_world_that_moved_equals_one_begun_anew(seconds: int) -> None:
    clock = HandClock()
    moving = generated_world(2, 200, seed=3, clock=clock)
    clock.now += timedelta(seconds=seconds)
    assert events_of(moving) == events_of(generated_world(2, 200, seed=3, clock=clock))


def test_ten_minutes_insert_change_and_delete() -> None:
    clock = HandClock()
    world = generated_world(3, 400, seed=7, clock=clock)
    before = events_of(world)
    clock.now += timedelta(minutes=10)
    after = events_of(world)
    changed = [one for one in before.keys() & after.keys() if before[one] != after[one]]
    assert after.keys() - before.keys()
    assert before.keys() - after.keys()
    assert changed
    then, now = wire.ticks_of(NOON), wire.ticks_of(clock.now)
    for identifier in changed:
        moved = wire.instant_of(after[identifier]["LastChangeTime"]).ticks
        assert then < moved <= now
        differing = {
            member
            for member in EVENTS.kinds
            if before[identifier].get(member) != after[identifier].get(member)
        }
        assert not differing & {"EventIdentifier", "OrganizationIdentifier", "EventNumber"}
        assert differing - {"LastChangeTime", "LastChangeType", "LastChangeUser"}


def test_ten_seconds_bring_a_few_changes_and_one_second_seldom_moves_the_count() -> None:
    clock = HandClock()
    world = generated_world(3, 400, seed=7, clock=clock)
    seen = [events_of(world)]
    for _ in range(60):
        clock.now += timedelta(seconds=1)
        seen.append(events_of(world))
    moved_counts = sum(len(one) != len(next_one) for one, next_one in pairwise(seen))
    assert moved_counts < 15
    for before, after in pairwise(seen[::10]):
        new_or_changed = [one for one, members in after.items() if before.get(one) != members]
        assert 1 <= len(new_or_changed) <= 40


def test_a_still_world_does_not_move() -> None:
    clock = HandClock()
    world = generated_world(1, 100, seed=7, clock=clock, still=True)
    before = events_of(world)
    clock.now += timedelta(days=30)
    assert events_of(world) == before


def test_a_clock_that_goes_back_changes_nothing() -> None:
    clock = HandClock()
    world = generated_world(1, 100, seed=7, clock=clock)
    before = events_of(world)
    clock.now -= timedelta(hours=1)
    assert events_of(world) == before


def test_nobody_has_a_name() -> None:
    events = events_of(generated_world(1, 300, seed=5, clock=lambda: NOON)).values()
    users = {event["LastChangeUser"] for event in events if "LastChangeUser" in event}
    assert users
    assert all(user.startswith("Sandbox ") for user in users)
