"""Failures, limits and outages look as on the vendor's server, and strike as often as asked."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
import pytest

from booking_assets_tests.sandbox.faults.conftest import Start, View

REQUESTS = 60


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def outcome(faulty: View) -> str:
    """What became of one page: good, a failure's status, or how it is broken."""
    try:
        answer = faulty.page(1, size=2)
    except httpx.RemoteProtocolError:
        return "cut"
    except httpx.ReadError:
        return "reset"
    if answer.status_code != 200:
        return str(answer.status_code)
    if "html" in answer.headers["content-type"]:
        return "html"
    assert int(answer.headers["content-length"]) == len(answer.content)
    try:
        json.loads(answer.content)
    except ValueError:
        return "half"
    return "good"


@pytest.mark.parametrize(
    ("name", "outcomes"),
    [
        ("error_rate", {"500", "502", "503", "504"}),
        ("html_rate", {"html"}),
        ("truncate_rate", {"cut"}),
        ("truncate_silently_rate", {"half"}),
        ("reset_rate", {"reset"}),
    ],
)
def test_a_share_of_the_answers_is_struck(
    start: Start, name: str, outcomes: set[str], caplog: pytest.LogCaptureFixture
) -> None:
    faulty = start(f"{name}=0.4")
    seen = [outcome(faulty) for _ in range(REQUESTS)]
    assert set(seen) == outcomes | {"good"}
    assert 0.2 < 1 - seen.count("good") / REQUESTS < 0.6
    # The server broke the connection on purpose, and does not complain of it.
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


@pytest.mark.parametrize("share", [0, 1])
def test_a_share_of_none_or_all_is_exact(start: Start, share: int) -> None:
    faulty = start(f"html_rate={share}")
    assert {outcome(faulty) for _ in range(20)} == {"html" if share else "good"}


def test_weathers_add_up(start: Start) -> None:
    faulty = start("error_rate=0.3", "truncate_rate=0.3", "html_rate=0.3", "reset_rate=0.3", seed=4)
    assert {"good", "cut", "html", "reset", "500"} <= {outcome(faulty) for _ in range(REQUESTS)}


def test_a_slow_body_trickles_and_is_whole(start: Start) -> None:
    faulty = start("slow=400")
    with faulty.client.stream("POST", "/booking/events/count", json={}) as answer:
        pieces = list(answer.iter_raw())
    assert len(pieces) > 1
    assert list(json.loads(b"".join(pieces))) == ["Count"]


def test_latency_delays_each_answer(start: Start) -> None:
    faulty = start("latency=0.03")
    began = time.monotonic()
    faulty.count()
    assert time.monotonic() - began >= 0.03


def test_more_than_the_limit_is_refused_until_the_window_is_over(start: Start) -> None:
    clock = Clock()
    faulty = start("throttle=2/10", clock=clock)
    assert [outcome(faulty) for _ in range(3)] == ["good", "good", "429"]
    clock.seconds += 3.5
    assert faulty.ask("count").headers["retry-after"] == "7"
    clock.seconds += 7
    assert [outcome(faulty) for _ in range(3)] == ["good", "good", "429"]


def test_each_organization_has_its_own_limit(start: Start) -> None:
    faulty = start("throttle=1/60")
    assert [outcome(faulty) for _ in range(2)] == ["good", "429"]
    assert outcome(faulty.as_tenant(faulty.server.world.tenants[1])) == "good"


def test_a_limit_may_give_its_end_as_a_date(start: Start) -> None:
    faulty = start("throttle_date=0/40")
    answer = faulty.page(1)
    wait = parsedate_to_datetime(answer.headers["retry-after"]) - datetime.now(UTC)
    assert answer.status_code == 429
    assert timedelta(seconds=20) < wait <= timedelta(seconds=40)


@pytest.mark.parametrize(
    ("name", "says", "header"),
    [
        ("throttle_403", "Rate Limit Exceeded", "x-rate-limit-remaining"),
        ("quota", "Quota Exceeded", "x-request-quota-remaining"),
    ],
)
def test_a_limit_may_come_as_403(start: Start, name: str, says: str, header: str) -> None:
    answer = start(f"{name}=0").page(1)
    assert (answer.status_code, answer.headers[header]) == (403, "0")
    assert says in answer.text
    assert "retry-after" not in answer.headers


def test_a_limit_that_never_lifts(start: Start) -> None:
    faulty = start("never_lifts=3600")
    assert {outcome(faulty) for _ in range(5)} == {"429"}
    assert faulty.page(1).headers["retry-after"] == "3600"


def test_downtime_takes_everything_and_ends(start: Start) -> None:
    clock = Clock()
    faulty = start("downtime=60", clock=clock)
    for path in ("/health", "/security/tokens/generate", "/booking/events/count"):
        assert faulty.client.post(path, json={}).status_code == 503
    clock.seconds += 59
    assert outcome(faulty) == "503"
    clock.seconds += 1
    assert outcome(faulty) == "good"


def test_downtime_may_begin_later(start: Start) -> None:
    clock = Clock()
    faulty = start("downtime=60/3", clock=clock)
    assert [outcome(faulty) for _ in range(4)] == ["good", "good", "503", "503"]
    clock.seconds += 60
    assert outcome(faulty) == "good"
