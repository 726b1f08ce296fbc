"""The routes, asked over a real loopback port, behave as the vendor's server does."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import httpx
import pytest

from booking_assets.sandbox import resources, wire
from booking_assets.sandbox.resources import Kind
from booking_assets.sandbox.server import SandboxServer
from booking_assets_tests.sandbox.conftest import EVENTS, collect, everything, identifiers

OPERATIONS = ["collect", "count", "search", "download"]
NOBODY = "123e4567-e89b-12d3-a456-426614174000"
IMPOSSIBLE = {"EventType": "Nonsense", "EventScheduledStart": "1900-01-01T00:00:00Z"}


def test_a_collect_without_a_filter_gives_the_first_twenty(client: httpx.Client) -> None:
    answer = collect(client)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert len(answer.json()) == 20
    assert json.loads(answer.headers["x-query-pagination"]) == {
        "Page": 1,
        "PageSize": 20,
        "TotalCount": len(everything(client)),
    }
    assert " " not in answer.headers["x-query-pagination"]


@pytest.mark.parametrize("size", [1, 7, 20, 1000])
def test_the_pages_together_are_the_count(client: httpx.Client, size: int) -> None:
    count = client.post(f"{EVENTS}/count", json={}).json()
    assert list(count) == ["Count"]
    pages = [
        identifiers(collect(client, Page=page, PageSize=size, Sort="EventIdentifier"))
        for page in range(1, count["Count"] // size + 2)
    ]
    seen = [identifier for page in pages for identifier in page]
    assert len(seen) == len(set(seen)) == count["Count"]


@pytest.mark.parametrize(
    ("page", "size"),
    [(0, 20), (-1, 20), (1, 0), (3, -5), (0, 0)],
)
def test_a_page_or_size_that_is_not_positive_gives_every_row(
    client: httpx.Client, page: int, size: int
) -> None:
    answer = collect(client, Page=page, PageSize=size)
    pagination = json.loads(answer.headers["x-query-pagination"])
    assert (pagination["Page"], pagination["PageSize"]) == (page, size)
    assert len(answer.json()) == pagination["TotalCount"]


def test_a_page_beyond_the_end_is_empty_and_its_total_right(client: httpx.Client) -> None:
    answer = collect(client, Page=1000, PageSize=20)
    assert (answer.status_code, answer.json()) == (200, [])
    total = json.loads(answer.headers["x-query-pagination"])["TotalCount"]
    assert total == len(everything(client))


def test_rows_to_skip_overflow_as_in_32_bits(client: httpx.Client) -> None:
    answer = collect(client, Page=2**31 - 1, PageSize=3)
    assert answer.status_code == 200
    assert collect(client, Page=2**30 + 2, PageSize=2).status_code == 500
    assert collect(client, Page=2**31, PageSize=1).status_code == 400


def test_sorting_by_identifier_is_sql_servers_order(client: httpx.Client) -> None:
    answer = identifiers(collect(client, PageSize=0, Sort="eventidentifier"))
    ordered = sorted(answer, key=lambda one: wire.identifier_order(UUID(one)))
    assert answer == ordered
    assert answer != sorted(answer)
    down = identifiers(collect(client, PageSize=0, Sort="EventIdentifier DESC"))
    assert down == ordered[::-1]


def test_sorting_by_change_puts_the_newest_first_and_nulls_last(client: httpx.Client) -> None:
    events = collect(client, PageSize=0, Sort="LASTCHANGETIME desc,EventIdentifier").json()
    ticks = [
        wire.instant_of(event["LastChangeTime"]).ticks if "LastChangeTime" in event else -1
        for event in events
    ]
    assert ticks == sorted(ticks, reverse=True)
    up = collect(client, PageSize=0, Sort="LastChangeTime asc, EventIdentifier desc").json()
    assert up == events[::-1]


@pytest.mark.parametrize("member", ["CapacityMaximum", "EventTitle", "EventScheduledStart"])
def test_any_other_member_sorts_too(client: httpx.Client, member: str) -> None:
    events = collect(client, PageSize=0, Sort=f"{member},EventIdentifier").json()
    present = [member in event for event in events]
    assert present == sorted(present), "nulls first"
    if member == "CapacityMaximum":
        capacities = [event[member] for event in events if member in event]
        assert capacities == sorted(capacities)
    assert collect(client, PageSize=0, Sort=f"{member},EventIdentifier").json() == events


@pytest.mark.parametrize(
    "sort",
    [
        "EventId",
        "Nonsense",
        "EventIdentifier,",
        " ",
        "EventIdentifier+desc",
        "EventIdentifier downwards",
        "ExamScoreWarnings",
    ],
)
@pytest.mark.parametrize("operation", ["collect", "search"])
def test_a_bad_sort_is_a_server_error(client: httpx.Client, sort: str, operation: str) -> None:
    answer = client.post(f"{EVENTS}/{operation}", json={"Filter": {"Sort": sort}})
    assert answer.status_code == 500
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert set(answer.json()) == {"Type", "Title", "Status", "Detail"}
    assert "x-query-pagination" not in answer.headers


@pytest.mark.parametrize("sort", [None, ""])
def test_no_sort_is_a_stable_order(client: httpx.Client, sort: str | None) -> None:
    once = identifiers(collect(client, PageSize=0, Sort=sort))
    assert once == identifiers(collect(client, PageSize=0, Sort=sort))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_null_filter_is_a_server_error(client: httpx.Client, operation: str) -> None:
    answer = client.post(f"{EVENTS}/{operation}", json={"Filter": None})
    assert answer.status_code == 500
    assert answer.json()["Detail"].startswith("Value cannot be null")


@pytest.mark.parametrize(
    ("body", "member"),
    [
        ({"EventScheduledStart": "yesterday"}, "EventScheduledStart"),
        ({"achievementidentifier": "not-a-guid"}, "AchievementIdentifier"),
        ({"OrganizationIdentifier": 5}, "OrganizationIdentifier"),
        ({"CapacityMaximum": "many"}, "CapacityMaximum"),
        ({"CapacityMaximum": 2**40}, "CapacityMaximum"),
        ({"WaitlistEnabled": "perhaps"}, "WaitlistEnabled"),
        ({"EventTitle": {"en": "x"}}, "EventTitle"),
        ({"CreditHours": "long"}, "CreditHours"),
        ({"Filter": {"Page": "x"}}, "Filter.Page"),
        ({"Filter": {"Page": None}}, "Filter.Page"),
        ({"Filter": []}, "Filter"),
    ],
    ids=str,
)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_malformed_value_is_refused_by_every_operation(
    client: httpx.Client, operation: str, body: dict[str, Any], member: str
) -> None:
    answer = client.post(f"{EVENTS}/{operation}", json=body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"type", "title", "status", "errors", "traceId"}
    assert list(answer.json()["errors"]) == [member]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"EventTitle":"\xff"}'])
def test_a_body_that_is_no_object_is_refused(client: httpx.Client, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = client.post(f"{EVENTS}/collect", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["status"] == 400


def test_the_references_own_sample_body_is_accepted(client: httpx.Client) -> None:
    samples = {Kind.IDENTIFIER: NOBODY, Kind.FLAG: True, Kind.TEXT: "text", Kind.NUMBER: 1}
    samples |= {Kind.MEASURE: 1, Kind.INSTANT: "2025-08-29T22:13:52.542Z"}
    criteria = {member: samples[kind] for member, kind in resources.EVENTS.kinds.items()}
    origin = {"When": samples[Kind.INSTANT], "User": NOBODY, "Description": "text"}
    body = {"Identifier": NOBODY, "Origin": origin, "Texts": {"ANY": "text"}, **criteria}
    assert client.post(f"{EVENTS}/count", json=body).json() == {"Count": len(everything(client))}


@pytest.mark.parametrize(
    "criteria",
    [IMPOSSIBLE, {"eventtype": None, "EventNumber": ""}, {"Unknown": [1], "OrganizationId": "x"}],
    ids=["impossible", "null", "unknown"],
)
def test_criteria_change_nothing(client: httpx.Client, criteria: dict[str, Any]) -> None:
    events = client.post(f"{EVENTS}/collect", json={**criteria, "Filter": {"PageSize": 0}})
    assert events.json() == everything(client)


def test_search_gives_identifiers_alone_in_the_same_order(client: httpx.Client) -> None:
    filter_ = {"Page": 2, "PageSize": 15, "Sort": "LastChangeTime desc,EventIdentifier"}
    found = client.post(f"{EVENTS}/search", json={"Filter": filter_})
    collected = collect(client, **filter_)
    assert found.json() == [{"EventIdentifier": one} for one in identifiers(collected)]
    header = "x-query-pagination"
    assert found.headers[header] == collected.headers[header]


def test_only_collect_and_search_speak_of_pages(client: httpx.Client) -> None:
    for operation in ("count", "download"):
        answer = client.post(f"{EVENTS}/{operation}", json={})
        assert "x-query-pagination" not in answer.headers


def test_an_event_is_retrieved_and_asserted_by_identifier(client: httpx.Client) -> None:
    event = everything(client)[3]
    path = f"{EVENTS}/{event['EventIdentifier']}"
    answer = client.get(path)
    assert answer.json() == event
    assert answer.text.startswith('{\r\n  "')
    assert (client.head(path).status_code, client.head(path).content) == (200, b"")
    assert client.get(path.upper().replace("/BOOKING", "/Booking")).json() == event


def test_an_unknown_and_a_foreign_event_are_not_found(
    client: httpx.Client, anonymous: httpx.Client, sandbox: SandboxServer
) -> None:
    other = {"Authorization": f"Bearer {sandbox.world.tenants[2].token}"}
    foreign = identifiers(anonymous.post(f"{EVENTS}/collect", json={}, headers=other))[0]
    for identifier in (NOBODY, foreign):
        answer = client.get(f"{EVENTS}/{identifier}")
        assert answer.status_code == 404
        assert answer.json()["Status"] == 404
        assert client.head(f"{EVENTS}/{identifier}").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{EVENTS}/not-a-guid", 404),
        ("GET", "/booking/nothing", 404),
        ("POST", "/booking/attendees/count", 404),
        ("GET", f"{EVENTS}/collect", 405),
        ("GET", f"{EVENTS}/count", 405),
        ("POST", f"{EVENTS}/{NOBODY}", 405),
    ],
)
def test_what_has_no_route_has_no_body(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.content) == (status, b"")


def test_paths_match_in_any_case(client: httpx.Client) -> None:
    url = str(client.base_url).lower().rstrip("/") + "/Booking/EVENTS/Count/"
    assert client.post(url, json={}).status_code == 200


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/xml"])
def test_a_body_of_another_type_is_unsupported(
    client: httpx.Client, content_type: str | None
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = client.post(f"{EVENTS}/collect", content=b"{}", headers=headers)
    assert answer.status_code == 415
    assert set(answer.json()) == {"type", "title", "status", "traceId"}


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("text/plain", 406),
        ("text/html, application/xml;q=0.9", 406),
        ("text/html, */*;q=0.1", 200),
        ("application/json", 200),
    ],
)
def test_an_answer_is_json_or_not_acceptable(
    client: httpx.Client, accept: str, status: int
) -> None:
    answer = client.post(f"{EVENTS}/count", json={}, headers={"Accept": accept})
    assert answer.status_code == status
    assert bool(answer.content) == (status == 200)


def test_rows_are_indented_and_without_nulls(client: httpx.Client) -> None:
    answer = collect(client, PageSize=0)
    assert answer.text.startswith('[\r\n  {\r\n    "')
    assert not any(value is None for event in answer.json() for value in event.values())
    hours = [line for line in answer.text.splitlines() if '"CreditHours"' in line]
    assert hours
    assert all(len(line.rstrip(",").rpartition(".")[2]) == 2 for line in hours)


@pytest.mark.parametrize(
    "path", ["/diagnostic/health", "/diagnostic/version", "/health", "/status", "/version"]
)
def test_diagnostics_need_no_token(anonymous: httpx.Client, path: str) -> None:
    assert anonymous.get(path).status_code == 200
