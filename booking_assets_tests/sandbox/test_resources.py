"""The members that the sandbox writes from the reference are those that the tables expect."""

from __future__ import annotations

import pytest

from booking_assets.sandbox.resources import (
    ACHIEVEMENTS,
    EVENTS,
    GROUPS,
    REGISTRATIONS,
    RESOURCES,
    Kind,
    Resource,
)
from booking_assets.sandbox.rows import members_of
from booking_assets.sandbox.world import generated_world
from booking_assets.tables import contract, raw
from booking_assets_tests.sandbox.conftest import NOON

KINDS = {
    Kind.IDENTIFIER: contract.Identifier,
    Kind.FLAG: contract.Flag,
    Kind.TEXT: contract.Text,
    Kind.NUMBER: contract.Number,
    Kind.MEASURE: contract.Measure,
    Kind.INSTANT: contract.Instant,
}
"""The column of the tables for each type of the reference."""

REQUIRED = {
    EVENTS: {"EventIdentifier", "OrganizationIdentifier"},
    REGISTRATIONS: {
        *("CandidateIdentifier", "EventIdentifier", "OrganizationIdentifier"),
        *("RegistrationIdentifier", "IncludeInT2202", "RegistrationPassword"),
    },
    GROUPS: {
        *("GroupIdentifier", "OrganizationIdentifier", "GroupName", "GroupType"),
        *("GroupCreated", "LastChangeTime"),
        *("AddNewUsersAutomatically", "AllowJoinGroupUsingLink", "AllowSelfSubscription"),
    },
    ACHIEVEMENTS: {
        *("AchievementIdentifier", "OrganizationIdentifier", "AchievementTitle"),
        *("AchievementLabel", "AchievementIsEnabled", "AchievementAllowSelfDeclared"),
        "AchievementReportingDisabled",
    },
}
"""The members that the reference (events) and the data model (others) say are never null."""


def columns_of(table: contract.Table, names: tuple[str, ...]) -> dict[str, tuple[type, bool]]:
    """What the tables expect of each member: the kind of its column, and whether it may be null."""
    columns = table.columns.columns()
    return {raw.member_name(n): (type(columns[n]), columns[n].nullable) for n in names}


def test_the_tables_have_the_62_members_of_the_reference_with_types_and_nullability() -> None:
    served = {
        member: (KINDS[kind], member not in REQUIRED[EVENTS])
        for member, kind in EVENTS.kinds.items()
    }
    assert len(served) == 62
    expected = columns_of(raw.EVENTS, raw.EVENT_MEMBERS)
    assert served == expected
    assert list(served) == list(expected)


@pytest.mark.parametrize(
    ("table", "resource"),
    [
        (raw.REGISTRATIONS, REGISTRATIONS),
        (raw.GROUPS, GROUPS),
        (raw.ACHIEVEMENTS, ACHIEVEMENTS),
    ],
    ids=["registrations", "groups", "achievements"],
)
def test_the_tables_take_their_members_from_the_model(
    table: contract.Table, resource: Resource
) -> None:
    own = {"organization", "collected_at"}
    names = tuple(name for name in table.column_names if name not in own)
    expected = columns_of(table, names)
    assert {member: kind for member, (kind, _) in expected.items()} == {
        member: KINDS[resource.kinds[member]] for member in expected
    }
    never_null = {member for member, (_, nullable) in expected.items() if not nullable}
    assert never_null <= REQUIRED[resource]


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda one: one.name)
def test_required_members_are_in_every_row(resource: Resource) -> None:
    assert REQUIRED[resource] <= resource.kinds.keys()
    world = generated_world(1, 100, seed=7, clock=lambda: NOON)
    for row in world.rows(world.tenants[0], resource):
        assert REQUIRED[resource] <= members_of(row).keys()
