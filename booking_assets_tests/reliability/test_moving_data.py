"""Rows that move while they are read, and pages that are not what was asked for.

The result is complete against a count that held, or the organization is refused with the numbers.
Never is an event stored twice.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from polars.testing import assert_frame_equal

from booking_assets.collect.contracts import REGISTRATION_ROWS
from booking_assets.pipeline.results import CollectionResult
from booking_assets.sandbox.world import generated_world
from booking_assets_tests.reliability.installation import (
    NOON,
    Install,
    Installation,
    held,
    still_world,
)

EVENTS_EACH = 60
WORLD = still_world(EVENTS_EACH)
FIRST, SECOND = (tenant.slug for tenant in WORLD.tenants)


def collected(install: Install, *faults: str) -> tuple[Installation, CollectionResult]:
    """The first organization's outcome under these faults; the second is as it ever was."""
    site = install(WORLD, *(f"{fault}@{FIRST}" for fault in faults))
    outcomes = site.collect()
    assert outcomes[SECOND].is_complete
    assert_frame_equal(site.stored(SECOND), held(WORLD, SECOND))
    assert site.breaches() == []
    assert site.half_written() == []
    return site, outcomes[FIRST]


def complete(site: Installation, outcome: CollectionResult) -> dict[str, Any]:
    """What the log says of a complete collection."""
    assert outcome.is_complete, outcome
    logged = site.log(outcome)
    assert logged["rows_loaded"] == site.stored(FIRST).height
    assert logged["status"] == "complete"
    return logged


@pytest.mark.parametrize(
    ("fault", "events"),
    [
        ("insert_between=2", EVENTS_EACH + 1),
        ("delete_between=2", EVENTS_EACH - 1),
        ("insert_every=2", None),
    ],
)
def test_rows_that_come_and_go_between_pages_are_stored_as_they_came_to_rest(
    install: Install, fault: str, events: int | None
) -> None:
    site, outcome = collected(install, fault)
    logged = complete(site, outcome)
    assert_frame_equal(site.stored(FIRST), site.served(FIRST))
    assert logged["count_before"] == EVENTS_EACH
    if events is not None:
        assert logged["count_after"] == logged["rows_loaded"] == events


def test_rows_that_change_between_pages_are_stored_once_and_the_next_run_has_the_change(
    install: Install,
) -> None:
    site, outcome = collected(install, "change_between=2")
    assert complete(site, outcome)["rows_loaded"] == EVENTS_EACH
    identifiers = site.stored(FIRST).get_column("event_identifier")
    assert identifiers.equals(held(WORLD, FIRST).get_column("event_identifier"))
    site.collect()
    assert_frame_equal(site.stored(FIRST), site.served(FIRST))


@pytest.mark.parametrize(
    "fault",
    [
        "cap_page_size=7",
        "cap_page_size_silently=7",
        "repeat_rows=3",
        "skip_rows=3",
        "unsorted",
        "header_off=3",
        "header_off=-15",
        "no_header",
    ],
)
def test_pages_that_are_not_as_asked_for_lose_and_double_nothing(
    install: Install, fault: str
) -> None:
    site, outcome = collected(install, fault)
    logged = complete(site, outcome)
    assert_frame_equal(site.stored(FIRST), held(WORLD, FIRST))
    assert logged["count_before"] == logged["count_after"] == EVENTS_EACH
    received = logged["rows_loaded"] + logged["duplicates_dropped"]
    assert logged["rows_received"] == received


@pytest.mark.parametrize("fault", ["cap_page_size_silently=7", "repeat_rows=3", "unsorted"])
def test_registrations_are_as_whole_as_events(install: Install, fault: str) -> None:
    small = still_world(20)
    site = install(small, fault, registrations=True)
    outcomes = site.collect(resource=REGISTRATION_ROWS.resource.name)
    for slug, outcome in outcomes.items():
        assert outcome.is_complete, outcome
        assert_frame_equal(
            site.stored(slug, REGISTRATION_ROWS), held(small, slug, REGISTRATION_ROWS)
        )
    assert site.breaches() == []


def test_registrations_that_moved_are_stored_although_their_events_did_not(
    install: Install,
) -> None:
    """The time of an event's last change knows nothing of its registrations."""
    minutes = [0]
    moving = generated_world(2, 40, seed=7, clock=lambda: NOON + timedelta(minutes=minutes[0]))
    site = install(moving, registrations=True)
    site.collect()
    before = {slug: site.stored(slug, REGISTRATION_ROWS) for slug in site.slugs}
    minutes[0] += 30
    site.collect(mode="incremental")
    for slug, former in before.items():
        stored = site.stored(slug, REGISTRATION_ROWS)
        assert not stored.equals(former)
        assert_frame_equal(stored, held(moving, slug, REGISTRATION_ROWS))
        assert_frame_equal(site.stored(slug), held(moving, slug))


def test_registrations_never_part_from_their_events(install: Install) -> None:
    """`as_of` is that of the events: it would not tell that the seats have moved."""
    before, after = still_world(EVENTS_EACH), still_world(EVENTS_EACH // 3)
    site = install(before, registrations=True)
    site.collect()
    site = install(after, registrations=True)
    outcomes = site.collect()
    assert all(one.has_failed for one in outcomes.values())
    for slug in site.slugs:
        assert_frame_equal(site.stored(slug), held(before, slug))
        stored = site.stored(slug, REGISTRATION_ROWS)
        assert_frame_equal(stored, held(before, slug, REGISTRATION_ROWS))
        assert not stored.equals(held(after, slug, REGISTRATION_ROWS))


def test_faults_that_meet_are_told_apart(install: Install) -> None:
    site, outcome = collected(install, "cap_page_size=9", "repeat_rows=2", "insert_between=3")
    assert complete(site, outcome)["rows_loaded"] == EVENTS_EACH + 1
    stored = set(site.stored(FIRST).get_column("event_identifier"))
    assert stored > set(held(WORLD, FIRST).get_column("event_identifier"))


@pytest.mark.parametrize("difference", [1, -1, 40, -40])
def test_a_count_that_no_rows_can_meet_is_refused_with_the_numbers(
    install: Install, difference: int
) -> None:
    install(WORLD).collect()
    site, outcome = collected(install, f"count_off={difference}")
    assert outcome.has_failed
    assert "distinct rows arrived" in outcome.explanation
    for number in (EVENTS_EACH, EVENTS_EACH + difference):
        assert str(number) in outcome.message
    assert "The stored rows stay" in outcome.message
    assert str(EVENTS_EACH + difference) in site.log(outcome)["reason"]
    assert_frame_equal(site.stored(FIRST), held(WORLD, FIRST))


def test_a_refused_count_costs_bounded_requests(install: Install) -> None:
    site, outcome = collected(install, "count_off=5")
    assert outcome.has_failed
    sent = sum(request.tenant == FIRST for request in site.requests)
    tries = 3
    # Before, the pages and an empty one, after, the identifiers and an empty page, once more.
    once = 1 + EVENTS_EACH // 10 + 1 + 1 + 2 + 1
    assert sent <= tries * once
