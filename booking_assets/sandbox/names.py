"""The groups and achievements of generated organizations: what their events refer to, and others.

They do not change with time. Events refer to `LOST_VENUE` as well, which belongs to the partition:
it is not served.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any
from uuid import UUID, uuid5

from booking_assets.sandbox import vocabulary
from booking_assets.sandbox.draft import AWARDS, DAY, OFFICES, TEAMS, venues_of
from booking_assets.sandbox.registration_texts import CANARY
from booking_assets.sandbox.resources import ACHIEVEMENTS, GROUPS, Kind, Resource
from booking_assets.sandbox.rows import Row, Rows
from booking_assets.sandbox.wire import Instant

EXPIRED_VENUE, LOST_VENUE = 0, 8
_EMPLOYERS = 12
_CREATED, _EXPIRED, _CHANGED = (Instant(days * DAY, -420) for days in (18_262, 19_904, 20_089))
_CONTACTS = (
    *("GroupDescription", "GroupEmail", "GroupFax", "GroupIndustryComment", "GroupPhone"),
    *("GroupWebSiteUrl", "LastChangeUser", "SocialMediaUrls"),
)
"""The members of a group that are about people."""


def named_rows(organization: UUID, events: int) -> dict[Resource, Rows]:
    """The groups and achievements of an organization with so many events, in every process."""
    members = {GROUPS: _groups(organization, events), ACHIEVEMENTS: _awards(organization)}
    owner = {"OrganizationIdentifier": organization}
    return {
        resource: Rows(resource, (Row.made(resource, values | owner) for values in own))
        for resource, own in members.items()
    }


def _groups(organization: UUID, events: int) -> Iterator[dict[str, Any]]:
    region = uuid5(organization, "region")
    yield _group(region, "District", "Main District")
    for number, venue in enumerate(venues_of(organization, events)):
        if number != LOST_VENUE:
            yield _group(venue.identifier, "Venue", venue.name) | {
                "ParentGroupIdentifier": region,
                "GroupCode": f"V{number + 1:02}",
                "GroupCapacity": 20 * (number + 1),
                "GroupRegion": "North" if number % 2 else None,
                "GroupExpiry": _EXPIRED if number == EXPIRED_VENUE else None,
            }
    others = {"office": ("Department", OFFICES), "group": ("Team", TEAMS)}
    for kind, (group_type, count) in others.items():
        for number in range(count):
            identifier = uuid5(organization, f"{kind}/{number}")
            yield _group(identifier, group_type, f"{group_type} {number + 1}")
    for number in range(_EMPLOYERS):
        yield _group(uuid5(organization, f"employer/{number}"), "Employer", f"Works {number + 1}")


def _group(identifier: UUID, group_type: str, name: str) -> dict[str, Any]:
    chance = Random(identifier.int)  # noqa: S311 - repeatable, no secret
    contacts = {
        member: f"{CANARY}-{member.upper()} {chance.getrandbits(16):04x}" for member in _CONTACTS
    }
    return contacts | {
        "GroupIdentifier": identifier,
        "GroupType": group_type,
        "GroupName": name,
        "GroupCreated": _CREATED,
        "LastChangeTime": _CHANGED,
        **dict.fromkeys((m for m, kind in GROUPS.kinds.items() if kind is Kind.FLAG), False),
    }


def _awards(organization: UUID) -> Iterator[dict[str, Any]]:
    for number in range(AWARDS):
        level = vocabulary.LEVELS[number % len(vocabulary.LEVELS)]
        yield {
            "AchievementIdentifier": uuid5(organization, f"award/{number}"),
            "AchievementTitle": f"{vocabulary.TRADES[number % len(vocabulary.TRADES)]} {level}",
            "AchievementLabel": "Level" if level.startswith("Level") else "Certificate",
            "AchievementIsEnabled": number != 0,
            "AchievementAllowSelfDeclared": False,
            "AchievementReportingDisabled": False,
            "ExpirationType": "Relative" if number % 2 else "None",
            "ExpirationLifetimeQuantity": 36 if number % 2 else None,
            "ExpirationLifetimeUnit": "Month" if number % 2 else None,
        }
