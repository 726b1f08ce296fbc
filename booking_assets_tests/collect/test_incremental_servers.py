"""Incremental collections from servers that sort, cap, stamp or tell the time in their own way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from booking_assets_tests.collect.incremental import DAY, HOUR, NOW, Site, change_350, rows


def test_a_server_that_sorts_by_month_alone_is_collected_in_full(quiet: Site) -> None:
    quiet.booking.sort_key = lambda stamp: stamp[:7]
    quiet.collect("full")
    quiet.put(2, NOW - timedelta(seconds=1), "changed")
    quiet.put(250, NOW, "changed")
    quiet.assert_as_full(mode="full")


@pytest.mark.parametrize(
    "stamp", [NOW + 3 * HOUR, datetime(2999, 1, 1, tzinfo=UTC), NOW + timedelta(seconds=1)]
)
def test_an_event_stamped_in_the_future_hides_no_change(many: Site, stamp: datetime) -> None:
    many.put(7, stamp)
    many.collect("full", page_size=500)
    change_350(many)
    many.assert_as_full(page_size=500)


@pytest.mark.parametrize(
    ("cap", "sends_total", "skips_by_cap"),
    [(100, True, True), (100, False, True), (30, True, False)],
)
def test_a_server_that_caps_its_pages_hides_no_change(
    many: Site, cap: int, sends_total: bool, skips_by_cap: bool
) -> None:
    many.collect("full", page_size=100)
    many.booking.cap, many.booking.sends_total = cap, sends_total
    many.booking.skips_by_cap = skips_by_cap
    change_350(many)
    many.assert_as_full(page_size=500)


@pytest.mark.parametrize(
    ("unstamped", "every"), [("low", 40), ("high", 40), ("first", 40), ("last", 40), ("low", 3)]
)
def test_rows_without_a_change_time_hide_no_change_however_they_are_sorted(
    many: Site, unstamped: Any, every: int
) -> None:
    many.booking.unstamped = unstamped
    for number in range(1, 2_000, every):
        many.put(number, None)
    many.collect("full", page_size=500)
    change_350(many)
    many.put(1_001, None, "changed, and no longer stamped")
    stats = many.assert_as_full(mode=None, page_size=500)
    if every == 40:
        # Always last, in both directions, they hide whether the server sorts at all.
        assert stats.mode == ("full" if unstamped == "last" else "incremental")


@pytest.mark.parametrize("page_size", [1, 7, 200])
def test_a_server_that_does_not_sort_is_collected_in_full(quiet: Site, page_size: int) -> None:
    """Its rows are sorted by identifier, which was the order of their change times once."""
    quiet.booking.sorts = False
    quiet.collect("full")
    quiet.put(250, NOW, "changed")
    quiet.put(2, NOW - timedelta(seconds=1), "changed")
    quiet.assert_as_full(mode="full", page_size=page_size)


def test_a_server_without_a_clock_is_collected_in_full(quiet: Site) -> None:
    quiet.collect("full")
    quiet.booking.now = None
    landing, stats = quiet.collect("incremental")
    assert (stats.mode, rows(landing).height) == ("full", 300)


@pytest.mark.parametrize("ours", [timedelta(0), 400 * DAY, -400 * DAY], ids=["", "ahead", "behind"])
def test_a_day_after_the_last_full_collection_the_next_is_full(
    quiet: Site, ours: timedelta
) -> None:
    quiet.ours = ours
    quiet.collect("full")
    modes = []
    for _ in range(5):
        quiet.booking.now = quiet.now + 8 * HOUR
        # Found by a full collection alone.
        quiet.put(299, NOW - 300 * DAY, f"changed unnoticed at {quiet.now}")
        landing, stats = quiet.collect("incremental")
        modes.append(stats.mode)
        is_found = f"changed unnoticed at {quiet.now}" in rows(landing)["event_title"].to_list()
        assert is_found is (stats.mode == "full")
    assert modes == ["incremental", "incremental", "full", "incremental", "incremental"]


@pytest.mark.parametrize(
    ("first", "second"), [(30 * DAY, timedelta(0)), (timedelta(0), 30 * DAY)], ids=["back", "on"]
)
def test_after_our_clock_was_corrected_a_collection_is_full_and_the_next_incremental(
    quiet: Site, first: timedelta, second: timedelta
) -> None:
    quiet.ours = first
    quiet.collect("full")
    quiet.ours = second
    quiet.put(250, NOW, "changed")
    quiet.assert_as_full(mode="full")
    quiet.put(251, NOW, "changed")
    quiet.assert_as_full()
