"""Events of a file are served as they stand there."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import httpx
import pytest

from booking_assets.sandbox.rows import members_of
from booking_assets.sandbox.server import SandboxServer
from booking_assets.sandbox.world import World, generated_world, given_world
from booking_assets_tests.sandbox.conftest import NOON

ONE = "11111111-0000-4000-8000-000000000001"
OTHER = "22222222-0000-4000-8000-000000000002"


def lines_of(world: World) -> list[bytes]:
    """The events of a world, one compact line each."""
    return [
        json.dumps(members_of(row), ensure_ascii=False).encode()
        for tenant in world.tenants
        for row in world.rows(tenant)
    ]


def served(server: SandboxServer) -> list[dict[str, object]]:
    """What `collect` gives for all tenants, rows as (name, value) pairs in their order."""
    events = []
    with httpx.Client(base_url=server.base_url) as client:
        for tenant in server.world.tenants:
            answer = client.post(
                "/booking/events/collect",
                json={"Filter": {"PageSize": 0}},
                headers={"Authorization": f"Bearer {tenant.token}"},
            )
            events += answer.json()
    return events


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_every_member_of_every_event_is_as_in_the_file(tmp_path: Path, packed: bool) -> None:
    lines = lines_of(generated_world(3, 80, seed=2, clock=lambda: NOON))
    data = b"\n".join(lines) + b"\n\n"
    path = tmp_path / "events.ndjson"
    path.write_bytes(gzip.compress(data) if packed else data)
    expected = {event["EventIdentifier"]: event for event in map(json.loads, lines)}
    with SandboxServer(given_world(path)) as server:
        answered = {event["EventIdentifier"]: event for event in served(server)}
    assert answered == expected
    assert [list(answered[one]) for one in answered] == [list(expected[one]) for one in answered]


def test_text_order_and_numbers_stay_and_nulls_go(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    line = (
        f'{{"Zulu": 3.00, "EventIdentifier":"{ONE}","EventTitle":null,'
        f'"OrganizationIdentifier":"{OTHER}","EventScheduledStart":"2022-12-08T23:00:00.000Z"}}'
    )
    path.write_text(line, encoding="utf-8")
    world = given_world(path)
    (row,) = world.rows(world.tenants[0])
    assert row.json.decode().split("\r\n") == [
        "  {",
        '    "Zulu": 3.00,',
        f'    "EventIdentifier": "{ONE}",',
        f'    "OrganizationIdentifier": "{OTHER}",',
        '    "EventScheduledStart": "2022-12-08T23:00:00.000Z"',
        "  }",
    ]


def test_events_are_grouped_into_tenants(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    rows = [(ONE, OTHER), (OTHER, OTHER), (OTHER[:-1] + "9", ONE)]
    path.write_text(
        "\n".join(
            json.dumps({"EventIdentifier": event, "OrganizationIdentifier": organization})
            for event, organization in rows
        ),
        encoding="utf-8",
    )
    world = given_world(path)
    assert {tenant.slug: world.rows(tenant).count() for tenant in world.tenants} == {
        "organization-11111111": 1,
        "organization-22222222": 2,
    }
    assert given_world(path).tenants == world.tenants


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "[]",
        "{}",
        f'{{"EventIdentifier":"{ONE}"}}',
        f'{{"EventIdentifier":"x","OrganizationIdentifier":"{ONE}"}}',
        f'{{"EventIdentifier":5,"OrganizationIdentifier":"{ONE}"}}',
        f'{{"EventIdentifier":"{ONE}","OrganizationIdentifier":"{ONE}"}}',
    ],
    ids=["no-json", "no-object", "empty", "no-organization", "no-uuid", "no-text", "repeated"],
)
def test_a_line_that_is_no_event_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "events.ndjson"
    good = json.dumps({"EventIdentifier": ONE, "OrganizationIdentifier": OTHER})
    path.write_text(f"{good}\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"events\.ndjson, line 2"):
        given_world(path)
