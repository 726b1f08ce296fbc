"""Incremental collections: what is complete equals a full collection; else they are full."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from booking_assets.collect.contracts import EVENT_ROWS
from booking_assets.collect.landing import MANIFEST, Landing
from booking_assets.collect.landings import FolderLandings
from booking_assets.collect.stats import CollectionStats, Mode
from booking_assets.settings import Collect
from booking_assets_tests.collect.booking import Booking, Request
from booking_assets_tests.collect.conftest import MakeCollection
from booking_assets_tests.collect.events import event

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ZERO = timedelta(0)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
OVERLAP = timedelta(minutes=Collect().overlap_minutes)


@dataclass
class Site:
    """An organization's server whose events the test changes, and collections of it.

    `ours` is the collecting computer's clock less the server's.
    """

    booking: Booking
    make: MakeCollection
    folder: Path
    ours: timedelta = timedelta(0)

    @property
    def now(self) -> datetime:
        assert self.booking.now is not None
        return self.booking.now

    def put(self, number: int, changed: datetime | None, title: str = "") -> None:
        """Inserts or changes an event; `changed` is its change time."""
        stamp = changed.isoformat(timespec="microseconds") if changed else None
        self.booking.rows[number] = event(number, EventTitle=title, LastChangeTime=stamp)

    def collect(self, mode: Mode, folder: str = "landing", **plan: Any) -> tuple[Landing, Any]:
        collection = self.make(
            self.booking,
            run_id=uuid4().hex,
            landings=FolderLandings(self.folder / folder),
            allow_shrink=True,
            mode=mode,
            overlap=OVERLAP,
            clock=lambda: (self.booking.now or NOW) + self.ours,
            **{"page_size": 7} | plan,
        )
        stats = collection.begin()
        return collection.run(stats).landing, stats

    def assert_as_full(self, *, mode: Mode | None = "incremental", **plan: Any) -> CollectionStats:
        """An incremental collection equals a full collection; its stats."""
        landing, stats = self.collect("incremental", **plan)
        full, _ = self.collect("full", "full")
        assert rows(landing).equals(rows(full))
        if mode:
            assert stats.mode == mode
        assert stats.rows_loaded + stats.rows_rejected == stats.count_after
        assert stats.duplicates_dropped >= 0
        assert isinstance(stats, CollectionStats)
        return stats


def rows(landing: Landing) -> pl.DataFrame:
    if not landing.rows:
        return EVENT_ROWS.table.empty().drop("collected_at")
    files = [pl.read_parquet(path, glob=False) for path in landing.rows]
    return pl.concat(files).drop("collected_at").sort("event_identifier")


@pytest.fixture
def site(booking: Booking, collection_from: MakeCollection, tmp_path: Path) -> Site:
    booking.now = NOW
    return Site(booking, collection_from, tmp_path)


@pytest.fixture
def quiet(site: Site) -> Site:
    """300 events of the last 300 days, one a day."""
    for number in range(300):
        site.put(number, NOW - timedelta(days=number + 1))
    return site


@pytest.fixture
def many(site: Site) -> Site:
    """2,000 events, one an hour."""
    for number in range(2_000):
        site.put(number, NOW - (number + 1) * HOUR)
    return site


def change_350(site: Site) -> None:
    """350 of 2,000 events change, half a minute apart."""
    site.booking.now = NOW + 3 * HOUR
    for number in range(350):
        site.put(5 * number, site.now - timedelta(seconds=30 * number), "changed")


def test_without_a_landing_everything_is_collected(quiet: Site) -> None:
    quiet.assert_as_full(mode="full")


def test_without_a_change_a_page_and_two_rows_are_requested(quiet: Site) -> None:
    quiet.collect("full")
    stats = quiet.assert_as_full()
    assert (stats.requests, stats.rows_received) == (5, 7)


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


def truncated(landing: Landing) -> None:
    path = landing.rows[0]
    path.write_bytes(path.read_bytes()[:-100])


def flipped(landing: Landing) -> None:
    content = bytearray(landing.rows[0].read_bytes())
    content[len(content) // 3] ^= 1
    landing.rows[0].write_bytes(content)


def half_deleted(landing: Landing) -> None:
    landing.rows[0].unlink()


def of_other_columns(landing: Landing) -> None:
    path = landing.rows[0]
    pl.read_parquet(path).drop("extra").write_parquet(path)


def without_manifest(landing: Landing) -> None:
    (landing.folder / MANIFEST).unlink()


def of_half_a_manifest(landing: Landing) -> None:
    path = landing.folder / MANIFEST
    path.write_bytes(path.read_bytes()[:-100])


DAMAGES = [
    *(truncated, flipped, half_deleted, of_other_columns, without_manifest, of_half_a_manifest)
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_base_is_replaced_by_a_full_collection(
    quiet: Site, damage: Callable[[Landing], None]
) -> None:
    landing, _ = quiet.collect("full")
    damage(landing)
    quiet.put(250, NOW, "changed")
    quiet.assert_as_full(mode="full")
    quiet.put(251, NOW, "changed")
    quiet.assert_as_full()


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP, errno.EXDEV, errno.EMLINK])
def test_without_hard_links_the_base_is_copied(
    quiet: Site, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def link(source: Path, target: Path) -> None:
        raise OSError(code, os.strerror(code), str(source))

    monkeypatch.setattr(os, "link", link)
    quiet.collect("full")
    quiet.put(250, NOW, "changed")
    quiet.assert_as_full()


@pytest.mark.parametrize("name", ["a[b]c", "[", "*?", "{a,b}", "%20", "back\\slash", "hive=1"])
def test_any_name_of_a_folder_will_do(quiet: Site, name: str) -> None:
    quiet.folder /= name
    quiet.collect("full")
    quiet.put(250, NOW, "changed")
    del quiet.booking.rows[3]
    quiet.assert_as_full()


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
