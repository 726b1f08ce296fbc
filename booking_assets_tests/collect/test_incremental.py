"""Incremental collections: what is complete equals a full collection; else they are full."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from booking_assets.collect.decoding import Decoder
from booking_assets_tests.collect.booking import Request
from booking_assets_tests.collect.incremental import HOUR, NOW, OVERLAP, Site, rows


def test_without_a_landing_everything_is_collected(quiet: Site) -> None:
    quiet.assert_as_full(mode="full")


def test_without_a_change_a_page_and_two_rows_are_requested(quiet: Site) -> None:
    quiet.collect("full")
    stats = quiet.assert_as_full()
    assert (stats.requests, stats.rows_received) == (3, 7)


def test_a_page_of_all_rows_is_decoded_until_its_bytes_are_those_of_the_last_one(
    few: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    few.collect("full")
    # In another order than that of the full collection.
    assert few.assert_as_full(page_size=100).requests == 2
    with monkeypatch.context() as patched:
        patched.setattr(Decoder, "__call__", None)
        landing, stats = few.collect("incremental", page_size=100)
    assert (stats.requests, stats.rows_received, rows(landing).height) == (2, 50, 50)
    few.put(25, NOW - timedelta(days=26), "changed, with the same change time")
    few.assert_as_full(page_size=100)
    few.assert_as_full(page_size=100)
    del few.booking.rows[25]
    few.assert_as_full(page_size=100, mode=None)


@pytest.mark.parametrize("page_size", [7, 100])
def test_a_total_that_is_not_true_any_more_hides_no_deletion(few: Site, page_size: int) -> None:
    few.collect("full")
    few.collect("incremental", page_size=page_size)
    few.booking.total = 50
    del few.booking.rows[25]
    few.assert_as_full(page_size=page_size, mode=None)


def test_changes_and_insertions_are_read_and_nothing_else(quiet: Site) -> None:
    quiet.collect("full")
    quiet.put(250, NOW, "changed")
    quiet.put(900, NOW, "new")
    assert quiet.assert_as_full().rows_received == 7


def test_a_hundred_changes_of_many_events_cost_a_hundredth_of_the_bytes(site: Site) -> None:
    for number in range(25_000):
        site.put(number, NOW - HOUR - timedelta(seconds=10 * number))
    _, full = site.collect("full", page_size=5_000)
    for number in range(100):
        site.put(number * 250, NOW, title="Changed")
    landing, few = site.collect("incremental", page_size=5_000)
    assert (few.mode, few.rows_loaded) == ("incremental", 25_000)
    assert rows(landing)["event_title"].eq("Changed").sum() == 100
    assert few.bytes_received <= full.bytes_received / 100


def test_a_deletion_is_found_by_the_identifiers(quiet: Site) -> None:
    quiet.collect("full")
    del quiet.booking.rows[123]
    assert quiet.assert_as_full().rows_received < 20


@pytest.mark.parametrize(
    "changed", [NOW, NOW - timedelta(days=700), None], ids=["now", "long ago", "never"]
)
def test_a_restored_event_is_found_with_any_change_time(
    quiet: Site, changed: datetime | None
) -> None:
    del quiet.booking.rows[5]
    quiet.collect("full")
    quiet.put(5, changed, "back")
    quiet.assert_as_full()


def test_a_clock_behind_by_less_than_the_overlap_hides_no_change(quiet: Site) -> None:
    quiet.put(0, NOW)
    quiet.collect("full")
    quiet.put(250, NOW - OVERLAP / 2, "stamped by a slow clock")
    quiet.assert_as_full()


def test_equal_change_times_over_a_page_boundary_lose_no_row(quiet: Site) -> None:
    quiet.collect("full")
    for number in range(30):
        quiet.put(number, NOW, "all at once")
    quiet.assert_as_full()


def test_too_many_changes_are_collected_in_full(quiet: Site) -> None:
    quiet.collect("full")
    for number in range(300):
        quiet.put(number, NOW, "rebuilt")
    quiet.assert_as_full(mode="full")


def test_the_base_stays_as_it_was(quiet: Site) -> None:
    landing, _ = quiet.collect("full")
    before = {path: path.read_bytes() for path in landing.folder.iterdir()}
    quiet.put(1, NOW, "changed")
    del quiet.booking.rows[2]
    quiet.assert_as_full()
    assert {path: path.read_bytes() for path in landing.folder.iterdir()} == before


@pytest.mark.parametrize("stamps", [-3 * HOUR, timedelta(0), 3 * HOUR], ids=["behind", "", "ahead"])
def test_edits_behind_a_full_collection_longer_than_the_overlap_are_found(
    site: Site, stamps: timedelta
) -> None:
    """180 rows already read are edited, and much later a row that is still to come."""
    for number in range(1_000):
        site.put(number, NOW + stamps - (number + 1) * HOUR)

    def edit(request: Request) -> None:
        if request.verb == "collect":
            site.booking.now = site.now + OVERLAP
        if request == Request("collect", 4, 100):
            for number in range(180):
                site.put(number, site.now + stamps, "edited behind")
        if request == Request("collect", 9, 100):
            site.put(890, site.now + stamps, "edited ahead")

    site.booking.before = edit
    landing, _ = site.collect("full", page_size=100, max_concurrency=1)
    assert rows(landing)["event_title"].eq("edited ahead").sum() == 1
    assert rows(landing)["event_title"].eq("edited behind").sum() == 0
    site.booking.before = lambda request: None
    for step in range(2):
        for number in range(300, 305):
            site.put(number, site.now + stamps, f"edited later {step}")
        site.assert_as_full(page_size=100)


def test_a_deletion_between_the_pages_of_the_changes_hides_no_change(quiet: Site) -> None:
    """It moves a changed row from the second page to the first, which was read already.

    An event that is inserted behind it at the same time leaves every count as it was.
    """
    quiet.collect("full")
    for number in range(100, 113):
        quiet.put(number, NOW, "changed")

    def delete(request: Request) -> None:
        if request.page == 2 and "desc" in request.sort and request.size == 7:
            quiet.booking.rows.pop(100, None)
            quiet.put(900, NOW - 12 * HOUR, "new")

    quiet.booking.before = delete
    quiet.assert_as_full()


@pytest.mark.parametrize("moved", ["insertion", "deletion"])
@pytest.mark.parametrize("page", [1, 300])
def test_a_row_that_moves_after_the_count_does_not_make_the_collection_full(
    quiet: Site, moved: str, page: int
) -> None:
    quiet.collect("full")
    moves = [None]

    def move(request: Request) -> None:
        if request.page == page and "desc" in request.sort and moves:
            moves.pop()
            if moved == "insertion":
                quiet.put(900, NOW, "new")
            else:
                del quiet.booking.rows[299]

    quiet.booking.before = move
    quiet.assert_as_full()


def test_changes_that_never_rest_are_collected_in_full(quiet: Site) -> None:
    quiet.collect("full")
    for number in range(100, 113):
        quiet.put(number, NOW, "changed")

    def change(request: Request) -> None:
        if "LastChangeTime" in request.sort:
            quiet.put(100 + len(quiet.booking.requests) % 13, quiet.now, str(uuid4()))
            quiet.booking.now = quiet.now + timedelta(seconds=1)

    quiet.booking.before = change
    _, stats = quiet.collect("incremental")
    assert stats.mode == "full"
    quiet.booking.before = lambda request: None
    quiet.assert_as_full()
