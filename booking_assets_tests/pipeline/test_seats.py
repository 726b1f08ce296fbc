"""Seats end to end: what a refresh against the sandbox says of seats, and of which instant."""

from __future__ import annotations

from pathlib import Path

import pytest

from booking_assets.pipeline.checks import data_checks
from booking_assets.sandbox.resources import EVENTS, REGISTRATIONS
from booking_assets.sandbox.rows import members_of
from booking_assets.sandbox.world import World, generated_world
from booking_assets.settings import Organization
from booking_assets.warehouse.published import published_summary
from booking_assets_tests.pipeline.conftest import NOON, Place, new_place, still_world

AGES = "SELECT DISTINCT organization, seats_as_of = as_of FROM marts.capacity_by_event ORDER BY 1"
MANY = 200


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place with every kind of event; what asks changes nothing."""
    place = new_place(tmp_path_factory.mktemp("many"))
    assert not place.refresh(world=still_world(MANY)).failed
    return place


def place_of(world: World, folder: Path) -> Place:
    organizations = [
        Organization(slug=one.slug, identifier=one.identifier, token_env="UNUSED")
        for one in world.tenants
    ]
    return Place(folder, world.tenants, (*organizations,))


@pytest.mark.usefixtures("refreshed")
def test_seats_are_of_the_instant_of_the_events_where_both_were_complete(place: Place) -> None:
    first, second = place.tenants
    assert place.ask(AGES) == sorted([(first.slug, True), (second.slug, True)])
    (started,) = place.ask(
        f"SELECT started_at FROM raw.collections WHERE organization = '{first.slug}'"
        " AND resource = 'registrations'"
    )
    place.collect(f"error_rate=1@{first.slug}")
    place.refresh("unauthorized=registrations")
    seats = "SELECT DISTINCT seats_as_of, as_of > seats_as_of FROM marts.capacity_by_event"
    assert place.ask(f"{seats} WHERE organization = '{first.slug}'") == [(*started, True)]
    assert not place.refresh().failed
    assert place.ask(AGES) == sorted([(first.slug, True), (second.slug, True)])


def test_every_registration_of_the_sandbox_is_in_its_seats_or_left(many: Place) -> None:
    place, world = many, still_world(MANY)
    served = {
        tenant.slug: [members_of(row) for row in world.rows(tenant, REGISTRATIONS)]
        for tenant in world.tenants
    }

    def word(row: dict[str, str], member: str) -> str:
        return row.get(member, "").strip().lower()

    left = ("moved", "invitation expired", "invitation declined")
    for slug, registrations in served.items():
        counted = [
            row
            for row in registrations
            if word(row, "AttendanceStatus") != "withdrawn/cancelled"
            and word(row, "ApprovalStatus") not in left
        ]
        query = """
            SELECT sum(seats_confirmed + seats_invited + seats_waitlisted + seats_other),
                sum(seats_taken) FILTER (lower(trim(event_type)) = 'exam'),
                sum(seats_taken) FILTER (lower(trim(event_type)) = 'appointment'),
                sum(seats_other)
            FROM marts.capacity_by_event WHERE organization = ?
        """.replace("?", f"'{slug}'")
        ((seats, exams, appointments, others),) = place.ask(query)
        not_eligible = [row for row in counted if word(row, "ApprovalStatus") == "not eligible"]
        assert len(counted) - len(not_eligible) <= seats <= len(counted)
        assert min(exams, appointments, others) > 0
        ((marked, taken),) = place.ask(
            "SELECT sum(present + absent + incomplete + unmarked + other), sum(taken)"
            f" FROM marts.attendance_by_event WHERE organization = '{slug}'"
        )
        ((of_events,),) = place.ask(
            f"SELECT sum(seats_taken) FROM marts.capacity_by_event WHERE organization = '{slug}'"
        )
        assert marked == taken == of_events
    for figures in ("capacity_utilization", "course_utilization"):
        assert place.ask(
            f"SELECT sum(seats_taken + seats_taken_unlimited) FROM marts.{figures}"
        ) == place.ask(
            "SELECT sum(seats_taken) FROM marts.capacity_by_event"
            " WHERE lifecycle_status <> 'Cancelled'"
        )


def test_a_healthy_organization_of_the_sandbox_has_every_event_and_the_fourth_has_not(
    tmp_path: Path,
) -> None:
    world = generated_world(4, 200, seed=7, clock=lambda: NOON)
    place = place_of(world, tmp_path)
    with place.collector(world=world) as collector:
        assert not collector.collect(place.settings.slugs, "run").failed
    (check,) = [one for one in data_checks(place.settings) if one.name == "events_are_known"]
    with place.warehouse.session() as session:
        found = check.failing_organizations(session)
    fourth = world.tenants[3]
    events = {row.identifier for row in world.rows(fourth, EVENTS)}
    orphans = [
        row
        for row in map(members_of, world.rows(fourth, REGISTRATIONS))
        if row["EventIdentifier"] not in events
    ]
    assert orphans
    assert dict(found) == {fourth.slug: f"{len(orphans)} registrations"}


@pytest.mark.usefixtures("refreshed")
def test_tables_without_an_organization_are_published_whole_for_whoever_is_published(
    place: Place,
) -> None:
    calendar = place.ask("SELECT min(day), max(day), count(*) FROM marts.calendar")
    states = place.ask("SELECT * FROM marts.states ORDER BY ALL")
    assert (
        place.ask(
            "SELECT date_trunc('month', min(local_date))::DATE, last_day(max(local_date)),"
            " datediff('day', date_trunc('month', min(local_date)), last_day(max(local_date))) + 1"
            " FROM marts.capacity_by_event"
        )
        == calendar
    )
    assert states
    snapshot = place.settings.snapshot_path
    _, counted = published_summary(snapshot, memory_limit="192MB", threads=1)
    assert counted["marts.attendance_by_event"].keys() == {one.slug for one in place.organizations}
    assert not counted.keys() & {"marts.calendar", "marts.states"}
    leaving = place.organizations[1]
    place.organizations = place.organizations[:1]
    place.derive()
    assert place.published().keys() == {place.organizations[0].slug}
    assert place.ask("SELECT * FROM marts.states ORDER BY ALL") == states
    days = "SELECT date_trunc('month', min(local_date))::DATE FROM marts.capacity_by_event"
    assert place.ask(days) == place.ask("SELECT min(day) FROM marts.calendar")
    place.warehouse.forget(leaving.slug)
    assert place.ask("SELECT count(*) FROM marts.states", snapshot=False) == [(len(states),)]


def test_a_word_in_a_mart_is_in_its_states(many: Place) -> None:
    place = many
    columns = place.ask('SELECT DISTINCT mart, "column" FROM marts.states')
    assert len(columns) > 5
    for mart, column in columns:
        unknown = place.ask(
            f"SELECT DISTINCT {column} FROM marts.{mart} WHERE {column} IS NOT NULL EXCEPT"
            f" SELECT state FROM marts.states WHERE mart = '{mart}' AND \"column\" = '{column}'"
        )
        assert unknown == [], (mart, column)
