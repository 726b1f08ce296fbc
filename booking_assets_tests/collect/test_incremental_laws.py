"""Incremental collections of any history, on any server, equal full ones."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from booking_assets_tests.collect.booking import Request
from booking_assets_tests.collect.incremental import DAY, HOUR, NOW, OVERLAP, Site, rows

ZERO = timedelta(0)
STAMPS = st.sampled_from(["now", "missing", "equal", "overlap", "future", "2999"])
CHANGES = st.lists(
    st.tuples(st.sampled_from(["put", "put", "insert", "delete"]), st.integers(0, 39), STAMPS),
    max_size=8,
)
HOURS = st.sampled_from([-3 * HOUR, timedelta(0), 3 * HOUR])


@dataclass(frozen=True)
class World:
    """A server, the clocks, and what happens while the first collection reads and afterwards.

    `stamps_clock` is the clock of change times less the server's. Where it is behind, nothing is
    stamped in the future: a row that is hides how far it is behind.
    """

    unstamped: Any
    sorts: bool
    cap: int
    sends_total: bool
    page_size: int
    missing: int
    our_clock: timedelta
    stamps_clock: timedelta
    meanwhile: list[tuple[str, int, str]]
    history: list[list[tuple[str, int, str]]]


WORLDS = st.builds(
    World,
    unstamped=st.sampled_from(["low", "high", "first", "last"]),
    sorts=st.sampled_from([True, True, True, False]),
    cap=st.sampled_from([3, 10, 10**9]),
    sends_total=st.booleans(),
    page_size=st.sampled_from([7, 50]),
    missing=st.sampled_from([0, 0, 5, 2]),
    our_clock=HOURS,
    stamps_clock=HOURS,
    meanwhile=CHANGES,
    history=st.lists(CHANGES, min_size=1, max_size=3),
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(WORLDS)
def test_a_complete_collection_of_any_history_equals_a_full_one(site: Site, world: World) -> None:
    booking = site.booking
    booking.unstamped, booking.sorts, booking.cap = world.unstamped, world.sorts, world.cap
    booking.sends_total, booking.now = world.sends_total, NOW
    booking.rows.clear()
    site.ours = world.our_clock
    for number in range(40):
        is_missing = world.missing and number % world.missing == 0
        site.put(number, None if is_missing else NOW + world.stamps_clock - number * DAY)
    inserted = iter(range(1_000, 2_000))

    def happen(changes: list[tuple[str, int, str]], since: datetime) -> None:
        for order, (what, number, stamp) in enumerate(changes):
            at = {
                "now": site.now + world.stamps_clock,
                "equal": since + world.stamps_clock + OVERLAP / 2,
                "overlap": since + world.stamps_clock - OVERLAP / 2,
                "future": site.now + world.stamps_clock + 3 * HOUR,
                "2999": datetime(2999, 1, 1, tzinfo=UTC),
            }.get("now" if stamp in ("future", "2999") and world.stamps_clock < ZERO else stamp)
            if what == "delete":
                booking.rows.pop(number, None)
            else:
                name = next(inserted) if what == "insert" else number
                site.put(name, at, f"{site.now} {order}")

    def move(request: Request) -> None:
        if request.verb == "collect" and request.page == 2 and meanwhile:
            booking.now = site.now + 2 * OVERLAP
            happen(meanwhile.pop(), NOW)

    folder, meanwhile = uuid4().hex, [world.meanwhile]
    plan: dict[str, Any] = {"page_size": world.page_size, "max_concurrency": 1, "attempts": 9}
    booking.before = move
    site.collect("full", folder, **plan)
    booking.before = lambda request: None
    for changes in world.history:
        since, booking.now = site.now, site.now + HOUR
        happen(changes, since)
        landing, stats = site.collect("incremental", folder, **plan)
        full, _ = site.collect("full", "full", page_size=50)
        assert rows(landing).equals(rows(full))
        assert stats.duplicates_dropped >= 0
    shutil.rmtree(site.folder / folder)
    shutil.rmtree(site.folder / "full")
