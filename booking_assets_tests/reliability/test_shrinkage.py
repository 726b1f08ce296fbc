"""A read model that is being rebuilt: 200, and too few rows. Nothing is lost by believing it."""

from __future__ import annotations

import dagster as dg
import pytest
from polars.testing import assert_frame_equal

from booking_assets_tests.reliability.installation import Install, held, still_world

EVENTS_EACH = 40
WORLD = still_world(EVENTS_EACH)
EMPTY = still_world(0)
FIRST, SECOND = (tenant.slug for tenant in WORLD.tenants)


def test_a_slice_that_shrank_waits_for_a_persons_consent(
    install: Install, instance: dg.DagsterInstance
) -> None:
    install(WORLD).collect()
    site = install(WORLD, f"rebuild=5@{FIRST}")

    assert site.collect()[FIRST].has_failed
    assert_frame_equal(site.stored(FIRST), held(WORLD, FIRST))

    allowed = site.refresh(instance, allow_shrink=True)
    assert allowed.is_complete, allowed
    loaded = {one.organization: one.log_row["rows_loaded"] for one in allowed.report.complete}
    assert loaded == {FIRST: 5, SECOND: EVENTS_EACH}
    assert site.breaches() == []


@pytest.mark.parametrize("rows", [0, 1, 19])
def test_a_slice_that_lost_more_than_half_is_refused_with_the_numbers(
    install: Install, rows: int
) -> None:
    install(WORLD).collect()
    site = install(WORLD, f"rebuild={rows}@{FIRST}")
    outcomes = site.collect()
    refused = outcomes[FIRST]
    assert outcomes[SECOND].is_complete
    assert refused.has_failed
    assert refused.status == "shrunk"
    for part in (FIRST, f"{rows} rows where {EVENTS_EACH} are stored", "50%", "--allow-shrink"):
        assert part in refused.message
    assert_frame_equal(site.stored(FIRST), held(WORLD, FIRST))


@pytest.mark.parametrize("rows", [20, 40])
def test_half_of_the_rows_may_go(install: Install, rows: int) -> None:
    install(WORLD).collect()
    site = install(WORLD, f"rebuild={rows}@{FIRST}")
    outcome = site.collect()[FIRST]
    assert outcome.is_complete
    assert site.log(outcome)["rows_deleted"] == EVENTS_EACH - rows


def test_a_first_load_has_nothing_to_lose(install: Install) -> None:
    site = install(WORLD, f"rebuild=3@{FIRST}")
    assert site.collect()[FIRST].is_complete
    assert site.stored(FIRST).height == 3


def test_an_empty_organization_may_stay_empty_and_grow_but_not_become_empty(
    install: Install,
) -> None:
    for _ in range(2):
        site = install(EMPTY)
        outcomes = site.collect()
        assert all(one.is_complete for one in outcomes.values()), outcomes
        assert site.stored(FIRST).height == 0
    assert install(WORLD).collect()[FIRST].is_complete
    emptied = install(EMPTY).collect()[FIRST]
    assert emptied.has_failed
    assert emptied.status == "shrunk"


def test_a_refused_loss_is_refused_again_until_the_rows_are_back(install: Install) -> None:
    install(WORLD).collect()
    for _ in range(2):
        site = install(WORLD, "rebuild=5")
        assert all(one.has_failed for one in site.collect().values())
    site = install(WORLD)
    assert all(one.is_complete for one in site.collect().values())
    assert_frame_equal(site.stored(FIRST), held(WORLD, FIRST))
