"""Registrations are answered as events are; what they hold: `test_registration_rows`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from booking_assets.sandbox import wire
from booking_assets.sandbox.faults.contract import FaultError
from booking_assets.sandbox.faults.registry import parse_faults
from booking_assets.sandbox.resources import REGISTRATIONS
from booking_assets.sandbox.server import SandboxServer
from booking_assets.sandbox.tenants import Tenant
from booking_assets.sandbox.world import generated_world
from booking_assets_tests.sandbox.conftest import NOON

BASE = "/booking/registrations"
OPERATIONS = ["collect", "count", "search", "download"]
NOBODY = "123e4567-e89b-12d3-a456-426614174000"

Members = dict[str, Any]


def everything(client: httpx.Client) -> list[Members]:
    rows: list[Members] = client.post(
        f"{BASE}/collect", json={"Filter": {"Page": 1, "PageSize": 0}}
    ).json()
    return rows


def test_the_pages_together_are_the_count(client: httpx.Client) -> None:
    count = client.post(f"{BASE}/count", json={}).json()["Count"]
    seen = []
    for page in range(1, count // 50 + 2):
        filter_ = {"Page": page, "PageSize": 50, "Sort": "RegistrationIdentifier"}
        answer = client.post(f"{BASE}/collect", json={"Filter": filter_})
        pagination = json.loads(answer.headers["x-query-pagination"])
        assert pagination == {"Page": page, "PageSize": 50, "TotalCount": count}
        seen += [row["RegistrationIdentifier"] for row in answer.json()]
    assert len(set(seen)) == len(seen) == count > 200
    assert seen == sorted(seen, key=lambda one: wire.identifier_order(UUID(one)))


@pytest.mark.parametrize(
    "sort", ["RegistrationIdentifier", "LastChangeTime desc", "ApprovalStatus"]
)
@pytest.mark.parametrize("operation", ["collect", "search"])
def test_a_page_beyond_the_end_is_empty_and_its_total_right(
    client: httpx.Client, operation: str, sort: str
) -> None:
    body = {"Filter": {"Page": 1000, "PageSize": 20, "Sort": sort}}
    answer = client.post(f"{BASE}/{operation}", json=body)
    assert (answer.status_code, answer.json()) == (200, [])
    total = json.loads(answer.headers["x-query-pagination"])["TotalCount"]
    assert total == len(everything(client))


def test_a_collect_without_a_filter_gives_the_first_twenty(client: httpx.Client) -> None:
    assert client.post(f"{BASE}/collect", json={}).json() == everything(client)[:20]


def test_search_gives_identifiers_alone_in_the_same_order(client: httpx.Client) -> None:
    body = {"Filter": {"Page": 2, "PageSize": 15, "Sort": "LastChangeTime desc,ApprovalStatus"}}
    found = client.post(f"{BASE}/search", json=body)
    collected = client.post(f"{BASE}/collect", json=body)
    assert found.json() == [
        {"RegistrationIdentifier": row["RegistrationIdentifier"]} for row in collected.json()
    ]
    assert found.headers["x-query-pagination"] == collected.headers["x-query-pagination"]


def test_sorting_by_change_puts_the_newest_first_and_nulls_last(client: httpx.Client) -> None:
    filter_ = {"PageSize": 0, "Sort": "LastChangeTime desc"}
    rows = client.post(f"{BASE}/collect", json={"Filter": filter_}).json()
    ticks = [
        wire.instant_of(row["LastChangeTime"]).ticks if "LastChangeTime" in row else -1
        for row in rows
    ]
    assert ticks == sorted(ticks, reverse=True)


@pytest.mark.parametrize("sort", ["EventTitle", "RegistrationId", "Score,"])
def test_a_bad_sort_is_a_server_error(client: httpx.Client, sort: str) -> None:
    answer = client.post(f"{BASE}/collect", json={"Filter": {"Sort": sort}})
    assert answer.status_code == 500
    assert "RegistrationEntity" in answer.json()["Detail"]


def test_criteria_change_nothing(client: httpx.Client) -> None:
    everybody = everything(client)
    body = {
        "EventIdentifier": everybody[0]["EventIdentifier"],
        "ApprovalStatus": "Nonsense",
        "Filter": {"PageSize": 0},
    }
    assert client.post(f"{BASE}/collect", json=body).json() == everybody


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_malformed_criterion_is_refused(client: httpx.Client, operation: str) -> None:
    body = {"eventidentifier": "not-a-guid", "CapacityMaximum": "no member of this model"}
    answer = client.post(f"{BASE}/{operation}", json=body)
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == ["EventIdentifier"]


def test_the_token_decides_whose_registrations_answer(
    client: httpx.Client, sandbox: SandboxServer, tenant: Tenant
) -> None:
    other = sandbox.world.tenants[1]
    body = {"OrganizationIdentifier": str(other.identifier), "Filter": {"PageSize": 0}}
    rows = client.post(f"{BASE}/collect", json=body).json()
    assert {row["OrganizationIdentifier"] for row in rows} == {str(tenant.identifier)}


def test_a_registration_is_retrieved_and_asserted_by_identifier(client: httpx.Client) -> None:
    row = everything(client)[3]
    path = f"{BASE}/{row['RegistrationIdentifier']}"
    assert client.get(path).json() == row
    assert (client.head(path).status_code, client.head(path).content) == (200, b"")
    for unknown in (NOBODY, row["EventIdentifier"]):
        answer = client.get(f"{BASE}/{unknown}")
        assert (answer.status_code, answer.json()["Status"]) == (404, 404)
    assert client.head(f"{BASE}/{NOBODY}").status_code == 404


def test_a_download_is_the_whole_set(client: httpx.Client) -> None:
    answer = client.post(f"{BASE}/download", json={"Filter": {"PageSize": 1}})
    assert "filename=Booking_Registrations__2603011200-" in answer.headers["content-disposition"]
    rows = answer.json()
    assert all(list(row) == list(REGISTRATIONS.kinds) for row in rows)
    present = [{name: value for name, value in row.items() if value is not None} for row in rows]
    assert present == everything(client)
    text = client.post(f"{BASE}/download", json={"Filter": {"Format": "CSV"}}).text
    header, *lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert header == list(REGISTRATIONS.kinds)
    assert len(lines) == len(rows)


def test_no_token_is_refused_without_a_word(anonymous: httpx.Client) -> None:
    answer = anonymous.post(f"{BASE}/count", json={})
    assert (answer.status_code, answer.content) == (401, b"")


@pytest.fixture(scope="module")
def barred() -> Iterator[SandboxServer]:
    """A server whose second tenant may not read registrations."""
    slug = generated_world(2, 0, seed=7).tenants[1].slug
    world = generated_world(2, 20, seed=7, clock=lambda: NOON)
    faults = parse_faults([f"forbidden=registrations@{slug}"])
    with SandboxServer(world, faults=faults) as server:
        yield server


def asked(server: SandboxServer, number: int, method: str, path: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {server.world.tenants[number].token}"}
    content = b"{}" if method == "POST" else None
    headers["Content-Type"] = "application/json"
    return httpx.request(method, f"{server.base_url}{path}", headers=headers, content=content)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_organization_without_events_has_no_registrations(operation: str) -> None:
    with SandboxServer(generated_world(1, 0, seed=7)) as server:
        answer = asked(server, 0, "POST", f"{BASE}/{operation}")
    nothing = {"Count": 0} if operation == "count" else []
    assert (answer.status_code, answer.json()) == (200, nothing)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("POST", f"{BASE}/{operation}") for operation in OPERATIONS),
        *(("GET", f"{BASE}/{NOBODY}"), ("HEAD", f"{BASE}/{NOBODY}")),
    ],
)
def test_a_tenant_without_permission_is_refused_without_a_word(
    barred: SandboxServer, method: str, path: str
) -> None:
    answer = asked(barred, 1, method, path)
    assert (answer.status_code, answer.content) == (403, b"")


def test_a_missing_permission_disturbs_nobody_else(barred: SandboxServer) -> None:
    assert asked(barred, 0, "POST", f"{BASE}/count").json()["Count"] > 0
    assert asked(barred, 1, "POST", "/booking/events/count").json()["Count"] > 0


def test_a_permission_is_taken_from_a_tenant_that_exists() -> None:
    faults = parse_faults(["forbidden=registrations@nobody"])
    with pytest.raises(FaultError, match="nobody"):
        SandboxServer(generated_world(1, 1, seed=7), faults=faults)


def test_a_server_may_lack_the_resource() -> None:
    world = generated_world(1, 20, seed=7, clock=lambda: NOON)
    with SandboxServer(world, faults=parse_faults(["not_found=registrations"])) as server:
        for operation in OPERATIONS:
            answer = asked(server, 0, "POST", f"{BASE}/{operation}")
            assert (answer.status_code, answer.content) == (404, b"")
        assert asked(server, 0, "POST", "/booking/events/count").json()["Count"] > 0
