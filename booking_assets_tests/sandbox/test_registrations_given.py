"""A file says how many seats are taken; the sandbox makes that many registrations."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import IO
from uuid import UUID

import httpx
import polars as pl
import pytest

from booking_assets.sandbox.resources import REGISTRATIONS
from booking_assets.sandbox.rows import members_of
from booking_assets.sandbox.server import SandboxServer
from booking_assets.sandbox.world import given_world
from booking_assets_tests.sandbox.test_registration_rows import Members, normal, takes_a_seat

EVENTS = [f"{digit * 8}-0000-4000-8000-00000000000{digit}" for digit in "123"]
FIRST, SECOND = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"
UNKNOWN = "99999999-0000-4000-8000-000000000009"
HEADER = "event_identifier,seats_taken,waitlisted"
SEATS = pl.DataFrame(
    {
        "event_identifier": [*EVENTS[:2], UNKNOWN],
        "seats_taken": [40, 0, 2],
        "waitlisted": [3, 1, 0],
    }
)


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "events.ndjson"
    owners = (SECOND, FIRST, SECOND)
    lines = [
        json.dumps({"EventIdentifier": event, "OrganizationIdentifier": owner})
        for event, owner in zip(EVENTS, owners, strict=True)
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture(params=["csv", "parquet"])
def seats(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The same table, its columns in another order and with one more; the name tells nothing."""
    path = tmp_path / "seats"
    table = SEATS.select("waitlisted", "event_identifier", "seats_taken", pl.lit("x").alias("note"))
    if request.param == "csv":
        table.write_csv(path)
    else:
        table.with_columns(pl.col("seats_taken").cast(pl.Int32)).write_parquet(path)
    return path


def served(server: SandboxServer, slug: str) -> list[Members]:
    tenant = next(tenant for tenant in server.world.tenants if tenant.slug == slug)
    answer = httpx.post(
        f"{server.base_url}/booking/registrations/collect",
        json={"Filter": {"PageSize": 0}},
        headers={"Authorization": f"Bearer {tenant.token}"},
    )
    rows: list[Members] = answer.json()
    return rows


def test_each_event_has_the_seats_and_the_waitlist_of_the_file(events: Path, seats: Path) -> None:
    with SandboxServer(given_world(events, registrations=seats)) as server:
        first = served(server, "organization-aaaaaaaa")
        second = served(server, "organization-bbbbbbbb")
    assert {row["OrganizationIdentifier"] for row in first} == {FIRST}
    assert {row["OrganizationIdentifier"] for row in second} == {SECOND}
    taken = Counter(row["EventIdentifier"] for row in [*first, *second] if takes_a_seat(row))
    assert taken == {EVENTS[0]: 40, UNKNOWN: 2}
    waitlisted = Counter(
        row["EventIdentifier"]
        for row in [*first, *second]
        if normal(row.get("ApprovalStatus")) == "waitlisted"
    )
    assert waitlisted == {EVENTS[0]: 3, EVENTS[1]: 1}
    assert len(first) + len(second) == 46
    assert len({row["RegistrationIdentifier"] for row in [*first, *second]}) == 46
    assert all(row["RegistrationPassword"] for row in [*first, *second])


def test_registrations_of_an_unknown_event_belong_to_the_first_tenant(
    events: Path, seats: Path
) -> None:
    world = given_world(events, registrations=seats)
    held = [members_of(row) for row in world.rows(world.tenants[0], REGISTRATIONS)]
    assert UNKNOWN in {row["EventIdentifier"] for row in held}


def test_the_seats_of_the_file_are_taken_in_events_of_any_type(events: Path, seats: Path) -> None:
    world = given_world(events, registrations=seats)
    approvals = {
        normal(members_of(row).get("ApprovalStatus"))
        for tenant in world.tenants
        for row in world.rows(tenant, REGISTRATIONS)
    }
    assert approvals == {"registered", "invitation sent", "waitlisted"}


def test_the_same_file_makes_the_same_registrations(events: Path, seats: Path) -> None:
    def made() -> list[bytes]:
        world = given_world(events, registrations=seats)
        return [row.json for tenant in world.tenants for row in world.rows(tenant, REGISTRATIONS)]

    assert made() == made()


def test_a_given_registration_is_looked_up(events: Path, seats: Path) -> None:
    world = given_world(events, registrations=seats)
    rows = world.rows(world.tenants[1], REGISTRATIONS)
    for row in rows:
        found = rows.get(UUID(members_of(row)["RegistrationIdentifier"]))
        assert found is not None
        assert found.json == row.json


def test_without_a_file_nobody_knows_how_many_seats_are_taken(events: Path) -> None:
    with SandboxServer(given_world(events)) as server:
        headers = {"Authorization": f"Bearer {server.world.tenants[0].token}"}
        url = f"{server.base_url}/booking/registrations/count"
        assert httpx.post(url, json={}, headers=headers).status_code == 404


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(f"event_identifier,seats_taken\n{UNKNOWN},1", "waitlisted", id="no-column"),
        pytest.param("", "needs the columns", id="empty"),
        pytest.param(f"{HEADER}\n{UNKNOWN},many,0", "needs the columns", id="no-number"),
        pytest.param(f"{HEADER}\n{UNKNOWN},1.5,0", "needs the columns", id="fraction"),
        pytest.param(f"{HEADER}\n{UNKNOWN},,0", "row 1", id="no-count"),
        pytest.param(f"{HEADER}\n{UNKNOWN},1,0\nroom 12,1,0", "row 2", id="no-identifier"),
        pytest.param(f"{HEADER}\n{UNKNOWN},1,0\n{UNKNOWN},2,0", "row 2.*twice", id="repeated"),
    ],
)
def test_a_file_that_is_unusable_is_named(
    tmp_path: Path, events: Path, text: str, said: str
) -> None:
    path = tmp_path / "seats.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=rf"seats\.csv.*{said}"):
        given_world(events, registrations=path)


@pytest.mark.parametrize("open_file", [open, gzip.open], ids=["plain", "gzip"])
def test_rows_with_a_negative_number_are_named_and_the_others_are_served(
    tmp_path: Path,
    events: Path,
    caplog: pytest.LogCaptureFixture,
    open_file: Callable[..., IO[str]],
) -> None:
    path = tmp_path / "seats.csv.gz"
    with open_file(path, "wt", encoding="utf-8") as file:
        file.write(f"{HEADER}\n{EVENTS[0]},44,-1\n{EVENTS[1]},2,1\n{EVENTS[2]},-3,0\n")
    world = given_world(events, registrations=path)
    served = Counter(
        members_of(row)["EventIdentifier"]
        for tenant in world.tenants
        for row in world.rows(tenant, REGISTRATIONS)
    )
    assert served == {EVENTS[1]: 3}
    (record,) = caplog.records
    named = f"row 1 ({EVENTS[0]}: 44, -1), row 3 ({EVENTS[2]}: -3, 0)"
    assert record.levelname == "WARNING"
    assert record.getMessage() == (f"{path}: 2 rows with a negative number are left out: {named}")


def test_seats_need_an_organization_to_belong_to(tmp_path: Path) -> None:
    nothing, seats = tmp_path / "events.ndjson", tmp_path / "seats.csv"
    nothing.write_text("", encoding="utf-8")
    seats.write_text(f"{HEADER}\n{UNKNOWN},1,0\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"seats\.csv"):
        given_world(nothing, registrations=seats)
