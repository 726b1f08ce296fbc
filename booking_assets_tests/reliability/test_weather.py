"""Weather: a server that fails, stalls, breaks off or asks to slow down costs time, never rows."""

from __future__ import annotations

from collections import Counter

import pytest
from polars.testing import assert_frame_equal

from booking_assets.api.retry import RetryPolicy
from booking_assets.pipeline.results import CollectionResult
from booking_assets_tests.reliability.installation import (
    Install,
    Installation,
    held,
    still_world,
)

EVENTS_EACH = 60
WORLD = still_world(EVENTS_EACH, organizations=3)
FIRST, SECOND, THIRD = (tenant.slug for tenant in WORLD.tenants)
PAGES_OF_FIVE = "page_size = 5"
NEEDED = 1 + EVENTS_EACH // 5 + 1 + 1
"""Requests of an organization on a good day: a count, the pages, a count, the identifiers."""
IN_FLIGHT = 4
"""Requests of an organization at once: the default of max_concurrency."""

STORM = (
    *("error_rate=0.12", "truncate_rate=0.08", "html_rate=0.04"),
    *("truncate_silently_rate=0.02", "reset_rate=0.02"),
)


def assert_whole(site: Installation, slug: str, outcome: CollectionResult) -> None:
    """The organization is stored as the API holds it, with fewer than 3x the requests."""
    assert outcome.is_complete, outcome
    assert_frame_equal(site.stored(slug), held(WORLD, slug))
    sent = sum(request.tenant == slug for request in site.requests)
    logged = site.log(outcome)
    assert sent == logged["requests"] == NEEDED + logged["retries"]
    assert sent < 3 * NEEDED


def refusals(site: Installation) -> Counter[tuple[str | None, int]]:
    """How often the server refused whom, and how."""
    return Counter((one.tenant, one.status) for one in site.requests if one.status >= 400)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_storm_of_failures_costs_requests_and_no_rows(install: Install, seed: int) -> None:
    site = install(WORLD, *STORM, seed=seed, api=PAGES_OF_FIVE)
    outcomes = site.collect()
    for slug, outcome in outcomes.items():
        assert_whole(site, slug, outcome)
    assert sum(site.log(one)["retries"] for one in outcomes.values()) > 0
    assert site.breaches() == []
    assert site.half_written() == []


def test_limits_of_every_kind_are_waited_for_and_never_hammered(install: Install) -> None:
    """With the waits that users have: `Retry-After` in seconds, as a date, and a 403 without.

    A window has room for fewer requests than are in flight at once: one is refused on a busy
    machine too.
    """
    limits = (f"throttle=3/1@{FIRST}", f"throttle_date=3/1@{SECOND}", f"throttle_403=3/1@{THIRD}")
    site = install(WORLD, *limits, api=PAGES_OF_FIVE)
    for slug, outcome in site.collect(retry=RetryPolicy()).items():
        assert_whole(site, slug, outcome)
    refused = refusals(site)
    assert {(slug, status) for slug, status in refused} == {
        *((FIRST, 429), (SECOND, 429), (THIRD, 403)),
    }
    # Whoever waits as long as the server asks is refused once in a window, and five are filled.
    assert refused[FIRST, 429] <= IN_FLIGHT * (NEEDED // 3)


def test_a_short_downtime_is_outlasted_without_hammering(install: Install) -> None:
    site = install(WORLD, "downtime=2/6", api=PAGES_OF_FIVE)
    for slug, outcome in site.collect(retry=RetryPolicy()).items():
        assert_whole(site, slug, outcome)
    # Waits of at least half a second that double: each request asks three times in two seconds.
    assert 0 < refusals(site).total() <= 3 * IN_FLIGHT * len(WORLD.tenants)


@pytest.mark.parametrize(
    ("seconds", "retry", "requests"),
    [
        (400, RetryPolicy(), 1),
        (1, RetryPolicy(attempts=3, wait_jitter_seconds=0.1), 3),
    ],
    ids=["a wait longer than there is time", "a short wait without end"],
)
def test_a_limit_that_never_lifts_ends_in_bounded_time_and_alone(
    install: Install, seconds: int, retry: RetryPolicy, requests: int
) -> None:
    site = install(WORLD, f"never_lifts={seconds}@{FIRST}", api=PAGES_OF_FIVE)
    outcomes = site.collect(retry=retry)
    limited = outcomes.pop(FIRST)
    assert limited.has_failed
    assert "was throttled" in limited.explanation
    for part in (FIRST, "was throttled", "HTTP 429", f"after {requests} attempt", "Run it again"):
        assert part in limited.message
    assert refusals(site) == {(FIRST, 429): requests}
    assert site.log(limited)["reason"] in limited.message
    for slug, outcome in outcomes.items():
        assert_whole(site, slug, outcome)


def test_a_body_that_trickles_is_read_or_given_up_in_bounded_time(install: Install) -> None:
    """A count is short enough for any trickle; five events at 500 bytes a second are not."""
    trickles = (f"slow=500@{FIRST}", f"slow=200000@{SECOND}")
    site = install(WORLD, *trickles, api=f"{PAGES_OF_FIVE}\ntimeout_seconds = 4")
    outcomes = site.collect(retry=RetryPolicy(attempts=2, wait_jitter_seconds=0.1))
    given_up = outcomes.pop(FIRST)
    assert given_up.has_failed
    assert "was given up" in given_up.explanation
    assert "not complete after 4 s" in given_up.message
    for slug, outcome in outcomes.items():
        assert_whole(site, slug, outcome)
    assert site.half_written() == []


def test_a_day_of_outage_fails_with_the_reason_and_the_stored_rows_stay(install: Install) -> None:
    install(WORLD, api=PAGES_OF_FIVE).collect()
    site = install(WORLD, "downtime=3600", api=PAGES_OF_FIVE)
    outcomes = site.collect(retry=RetryPolicy(attempts=3, wait_initial_seconds=0.05))
    for slug, outcome in outcomes.items():
        assert outcome.has_failed
        assert "was given up" in outcome.explanation
        assert "HTTP 503" in outcome.message
        assert "after 3 attempts" in outcome.message
        assert_frame_equal(site.stored(slug), held(WORLD, slug))
