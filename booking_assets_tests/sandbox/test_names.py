"""Groups and achievements are answered as events are, name what events refer to, carry canaries."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest

from booking_assets.sandbox.draft import venues_of
from booking_assets.sandbox.names import EXPIRED_VENUE, LOST_VENUE, named_rows
from booking_assets.sandbox.registration_texts import CANARY
from booking_assets.sandbox.resources import ACHIEVEMENTS, EVENTS, GROUPS, Resource
from booking_assets.sandbox.rows import members_of
from booking_assets.sandbox.tenants import Tenant
from booking_assets.sandbox.world import generated_world
from booking_assets.tables import raw
from booking_assets_tests.sandbox.conftest import NOON
from booking_assets_tests.sandbox.test_resources import REQUIRED

ALLOWED = {
    raw.member_name(column)
    for table in (raw.GROUPS, raw.ACHIEVEMENTS)
    for column in table.column_names
}
RESOURCES = [(GROUPS, "/directory/groups"), (ACHIEVEMENTS, "/progress/achievements")]


def everything(client: httpx.Client, base: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = client.post(
        f"{base}/collect", json={"Filter": {"PageSize": 0}}
    ).json()
    return rows


@pytest.mark.parametrize(("resource", "base"), RESOURCES, ids=["groups", "achievements"])
def test_each_operation_answers_as_for_events(
    client: httpx.Client, resource: Resource, base: str
) -> None:
    rows = everything(client, base)
    assert client.post(f"{base}/count", json={}).json() == {"Count": len(rows)}
    assert all(REQUIRED[resource] <= row.keys() <= resource.kinds.keys() for row in rows)
    first = rows[0]
    assert client.get(f"{base}/{first[resource.identifier]}").json() == first
    listed = client.post(f"{base}/search", json={"Filter": {"PageSize": 0}}).json()
    (name,) = resource.listed
    key = "AchievementId" if resource is ACHIEVEMENTS else "GroupIdentifier"
    assert listed == [{key: row[resource.identifier], name: row[name]} for row in rows]
    page = client.post(f"{base}/collect", json={"Filter": {"Page": 2, "PageSize": 5}})
    assert '"TotalCount":' in page.headers["X-Query-Pagination"]
    assert page.json() == rows[5:10]


def test_events_refer_to_named_venues_and_to_one_that_is_not_served(tenant: Tenant) -> None:
    world = generated_world(1, 400, seed=7, clock=lambda: NOON)
    (owner,) = world.tenants
    groups = {one.identifier: members_of(one) for one in world.rows(owner, GROUPS)}
    awards = {one.identifier for one in world.rows(owner, ACHIEVEMENTS)}
    events = [members_of(one) for one in world.rows(owner, EVENTS)]
    venues = venues_of(owner.identifier)
    located = {event.get("VenueLocationIdentifier") for event in events} - {None}
    assert located == {str(venue.identifier) for venue in venues}
    assert located - groups.keys() == {str(venues[LOST_VENUE].identifier)}
    expiry = groups[str(venues[EXPIRED_VENUE].identifier)]["GroupExpiry"]
    assert expiry < NOON.isoformat()
    offices = {event.get("VenueOfficeIdentifier") for event in events} - {None}
    assert offices <= groups.keys()
    granted = {event.get("AchievementIdentifier") for event in events} - {None}
    assert granted == awards


def test_a_large_organization_has_further_venues() -> None:
    owner = UUID("123e4567-e89b-12d3-a456-426614174000")
    usual, many = venues_of(owner), venues_of(owner, events=100_000)
    assert usual == venues_of(owner, events=22_500) == many[: len(usual)]
    assert len({venue.identifier for venue in many}) == len({venue.name for venue in many}) == 40
    named = {row.identifier for row in named_rows(owner, 100_000)[GROUPS]}
    assert {str(venue.identifier) for venue in many} - named == {str(many[LOST_VENUE].identifier)}


def test_what_is_about_people_is_a_canary_and_nothing_else_is(client: httpx.Client) -> None:
    rows = everything(client, "/directory/groups")
    private = {name for row in rows for name, value in row.items() if CANARY in str(value)}
    assert private >= {"GroupEmail", "GroupPhone", "GroupFax", "LastChangeUser"}
    assert not private & ALLOWED
    assert all(row["GroupEmail"].startswith(f"{CANARY}-GROUPEMAIL") for row in rows)
