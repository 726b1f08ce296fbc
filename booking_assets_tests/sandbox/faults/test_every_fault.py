"""What holds for every fault: it repeats itself, and strikes only whom it is meant for."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from booking_assets.sandbox.world import World
from booking_assets_tests.faults.server import SWITCHES, FaultySandbox
from booking_assets_tests.sandbox.faults.conftest import SIZE, SORT, Start, View, total

EXAMPLES = {
    "downtime": "60/2",
    "latency": "0.005",
    "never_lifts": "1",
    "throttle": "3/60",
    "throttle_date": "3/60",
    "throttle_403": "3/60",
    "quota": "3/60",
    "reset_rate": "0.5",
    "truncate_rate": "0.5",
    "truncate_silently_rate": "0.5",
    "html_rate": "0.5",
    "error_rate": "0.5",
    "slow": "2000000",
    "unauthorized": "all",
    "forbidden": "collect",
    "not_found": "events",
    "redirect": "307",
    "echo_token": "500",
    "expiring_tokens": "3",
    "cap_page_size": "7",
    "cap_page_size_silently": "7",
    "count_off": "2",
    "header_off": "-2",
    "no_header": "",
    "bad_rows": "all",
    "era": "B",
    "unknown_members": "",
    "date_times": "utc",
    "repeat_rows": "2",
    "skip_rows": "2",
    "unsorted": "",
    "insert_between": "1",
    "insert_every": "1",
    "delete_between": "1",
    "change_between": "1",
    "rebuild": "5",
    "foreign_row": "",
    "foreign_token": "northern-health",
}
BY_CHANCE_OR_COUNT = (
    *("downtime", "throttle", "expiring_tokens", "unsorted", "insert_every", "change_between"),
    *("reset_rate", "truncate_rate", "truncate_silently_rate", "html_rate", "error_rate"),
)


def written(name: str) -> str:
    return f"{name}={EXAMPLES[name]}" if EXAMPLES[name] else name


def course(faulty: View) -> Iterator[object]:
    """What comes of a fixed script of requests: the answer without its date, or how it broke."""
    script = ["count", *["collect"] * 3, "search", "count"]
    for page, operation in enumerate(script):
        try:
            answer = faulty.ask(operation, Page=max(page, 1), PageSize=SIZE, Sort=SORT)
        except httpx.TransportError as error:
            yield type(error)
        else:
            headers = {
                name: value
                for name, value in answer.headers.items()
                if name not in {"date", "retry-after", "location"}
            }
            yield answer.status_code, headers, answer.content


def test_every_switch_has_an_example() -> None:
    assert EXAMPLES.keys() == SWITCHES.keys()


@pytest.mark.parametrize("name", BY_CHANCE_OR_COUNT)
def test_a_fault_takes_the_same_course_twice(start: Start, name: str) -> None:
    once, twice = (list(course(start(written(name)))) for _ in range(2))
    assert once == twice


def test_faults_of_one_organization_disturb_no_other(
    start: Start, world: World, sound: View
) -> None:
    afflicted, undisturbed = world.tenants[0], world.tenants[2]
    faulty = start(*(f"{written(name)}@{afflicted.slug}" for name in SWITCHES if name != "era"))
    assert faulty.ask("count").status_code != 200
    expected = list(course(sound.as_tenant(undisturbed)))
    assert list(course(faulty.as_tenant(undisturbed))) == expected


def test_health_and_tokens_stay_sound_in_every_fault_but_downtime(start: Start) -> None:
    faulty = start(*(written(name) for name in EXAMPLES if name != "downtime"))
    body = {"Secret": faulty.tenant.secret}
    for _ in range(4):
        assert faulty.client.get("/health").json() == {"Status": "Healthy"}
        assert faulty.client.post("/security/tokens/generate", json=body).status_code == 200


def test_another_seed_strikes_other_requests(start: Start) -> None:
    courses = [
        [start_.ask("count").status_code == 200 for _ in range(30)]
        for start_ in (start("error_rate=0.5", seed=seed) for seed in (1, 1, 2))
    ]
    assert courses[0] == courses[1] != courses[2]


def test_the_log_knows_the_tenant_and_the_page_of_a_refused_request(start: Start) -> None:
    faulty = start("never_lifts=5")
    faulty.page(3)
    assert isinstance(faulty.server, FaultySandbox)
    (logged,) = faulty.server.log.requests()
    assert (logged.status, logged.tenant, logged.page) == (429, faulty.tenant.slug, 3)


def test_a_refusal_of_the_routes_passes_through(start: Start) -> None:
    faulty = start("cap_page_size=7", "rebuild=5", "bad_rows=all", "unknown_members", "no_header")
    assert faulty.client.post("/booking/events/collect", content=b"no JSON").status_code == 415
    assert faulty.ask("collect", Page="nonsense").status_code == 400
    assert faulty.page(1, sort="EventId").status_code == 500
    del faulty.client.headers["Authorization"]
    assert faulty.page(1).status_code == 401


def test_registrations_are_struck_as_events_are(start: Start) -> None:
    faulty = start("bad_rows=not_uuid", "unknown_members", "era=C", "insert_between=1")
    pages = [
        faulty.client.post(
            "/booking/registrations/collect",
            json={"Filter": {"Page": page, "PageSize": 10, "Sort": "RegistrationIdentifier"}},
        )
        for page in (1, 2)
    ]
    first, second = (page.json() for page in pages)
    assert [number for number, row in enumerate(first) if "not-a-uuid" in row.values()] == [1, 3, 5]
    assert second[0] == first[-1]
    assert total(pages[1]) == total(pages[0]) + 1
    assert all(any(name.startswith("Sandbox") for name in row) for row in first)
    assert all("EventIdentifier" in row for row in first), "era C renames events alone"
