"""Groups and achievements: listed members alone, of every release, the later of two arrivals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from booking_assets.api import wire
from booking_assets.collect.contracts import ACHIEVEMENT_ROWS, GROUP_ROWS, RowContract
from booking_assets.collect.decoding import DecodedPage, Decoder
from booking_assets.collect.errors import ForeignRows
from booking_assets.collect.staging import StagingWriter
from booking_assets.collect.stats import CollectionStats
from booking_assets.tables.raw import ACHIEVEMENTS, GROUPS
from booking_assets_tests.collect.events import ACME, OTHER, STARTED, identifier, page_of

CANARY = "canary-of-a-person"
CONTACTS = (
    *("GroupDescription", "GroupEmail", "GroupFax", "GroupImage", "GroupIndustryComment"),
    *("GroupPhone", "GroupWebSiteUrl", "LastChangeUser", "SocialMediaUrls"),
)


def group(number: int = 1, **members: Any) -> dict[str, Any]:
    return {
        "GroupIdentifier": identifier(number),
        "OrganizationIdentifier": str(ACME),
        "ParentGroupIdentifier": identifier(100),
        "GroupName": f"Campus {number}",
        "GroupType": "Venue",
        "GroupCapacity": 40,
        "GroupExpiry": "2024-06-30T00:00:00-07:00",
        "LastChangeTime": "2026-01-02T03:04:05.1234567+00:00",
        **dict.fromkeys(CONTACTS, CANARY),
        **members,
    }


def achievement(number: int = 1, **members: Any) -> dict[str, Any]:
    return {
        "AchievementIdentifier": identifier(number),
        "OrganizationIdentifier": str(ACME),
        "AchievementTitle": f"Level {number}",
        "AchievementLabel": "Level",
        "AchievementIsEnabled": True,
        "AchievementDescription": CANARY,
        **members,
    }


def later(row: dict[str, Any]) -> dict[str, Any]:
    """The row with the names of release 26.1."""
    return {
        f"{name.removesuffix('Identifier')}Id" if name.endswith("Identifier") else name: value
        for name, value in row.items()
    }


def decoded(contract: RowContract, *rows: dict[str, Any] | str) -> DecodedPage:
    return Decoder(contract, "acme", ACME, STARTED)(page_of(rows))


def seen(page: DecodedPage) -> str:
    return str(page.rows.to_dicts()) + str(page.rejected.to_dicts()) + str(page.unknown)


@pytest.mark.parametrize("renamed", [dict, later], ids=["25.7", "26.1"])
def test_names_of_every_release_are_typed_without_contact_data(renamed: Any) -> None:
    page = decoded(GROUP_ROWS, renamed(group(1)), renamed(group(2, Novelty=CANARY)))
    assert dict(page.rows.schema) == GROUPS.dtypes
    assert page.rows["group_name"].to_list() == ["Campus 1", "Campus 2"]
    assert page.rows["parent_group_identifier"].to_list() == [identifier(100)] * 2
    assert CANARY not in seen(page)
    page = decoded(ACHIEVEMENT_ROWS, renamed(achievement(1)))
    assert dict(page.rows.schema) == ACHIEVEMENTS.dtypes
    assert page.rows.row(0, named=True)["achievement_title"] == "Level 1"
    assert page.rejected.is_empty()
    assert CANARY not in seen(page)


REJECTED = {
    "a bad capacity": group(2, GroupCapacity=CANARY),
    "a bad parent": group(2, ParentGroupIdentifier="banana"),
    "a listed member given twice": json.dumps(group(2))[:-1] + ', "GroupName": "x"}',
    "no owner": group(2, OrganizationIdentifier=None),
    "no object": f'"{CANARY}"',
}


@pytest.mark.parametrize("row", REJECTED.values(), ids=REJECTED)
def test_a_rejected_group_shows_the_listed_members_alone(row: dict[str, Any] | str) -> None:
    page = decoded(GROUP_ROWS, group(1), row)
    assert (page.rows.height, page.rejected.height) == (1, 1)
    payload = json.loads(page.rejected["payload"].item() or "{}")
    assert payload.keys() <= GROUP_ROWS.types.keys()
    assert not payload.keys() & {*CONTACTS}
    # A listed member is shown as received: the fault itself is.
    payload.pop("GroupCapacity", None)
    assert CANARY not in str(page.rows.to_dicts()) + str(payload) + page.rejected["reason"].item()


def test_a_group_of_another_organization_is_recognized() -> None:
    for row in (group(2), later(group(2))):
        owner = next(name for name in row if name.startswith("Organization"))
        with pytest.raises(ForeignRows) as raised:
            decoded(GROUP_ROWS, group(1), row | {owner: str(OTHER)})
        assert CANARY not in str(raised.value)


def test_of_rows_without_a_change_time_the_later_arrival_is_kept(tmp_path: Path) -> None:
    first = decoded(ACHIEVEMENT_ROWS, achievement(1), achievement(2))
    second = decoded(ACHIEVEMENT_ROWS, achievement(1, AchievementTitle="Renamed"))
    stats = CollectionStats("acme", "achievements", "run", "full", STARTED, finished_at=STARTED)
    with StagingWriter(
        tmp_path, "acme", "achievements-0000000001-run", ACHIEVEMENT_ROWS
    ) as staging:
        staging.add(first)
        staging.add(second)
        assert (staging.received, staging.loaded) == (3, 2)
        landing = staging.land(ACME, stats.log_row())
    rows = pl.read_parquet([*landing.rows])
    assert dict(rows.schema) == ACHIEVEMENTS.dtypes
    assert sorted(rows["achievement_title"]) == ["Level 2", "Renamed"]


def test_the_paths_and_identifiers_are_the_vendors() -> None:
    assert (wire.GROUPS.path, wire.GROUPS.identifier) == ("/directory/groups", "GroupIdentifier")
    assert wire.ACHIEVEMENTS.path == "/progress/achievements"
    listing = wire.read_identifiers(
        b'[{"AchievementId": "a", "AchievementTitle": "x"}]', wire.ACHIEVEMENTS
    )
    assert listing.identifiers == ("a",)
