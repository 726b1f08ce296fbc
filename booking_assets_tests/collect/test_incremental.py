"""Incremental collections: the result equals that of a full collection."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from booking_assets.api.authentication import Token
from booking_assets.api.client import BookingClient, open_http
from booking_assets.collect.collection import Collection, NoProgress, Plan
from booking_assets.collect.contracts import EVENT_ROWS
from booking_assets.collect.landing import Landing
from booking_assets.collect.stats import CollectionStats, Mode
from booking_assets.sandbox import wire
from booking_assets.sandbox.resources import EVENTS
from booking_assets.sandbox.rows import Rows, WrittenRow
from booking_assets.sandbox.server import SandboxServer
from booking_assets.sandbox.tenants import Tenant, generated_tenants
from booking_assets.sandbox.world import World
from booking_assets.settings import Collect
from booking_assets_tests.collect.events import event, identifier

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
OVERLAP = timedelta(minutes=Collect().overlap_minutes)


@dataclass
class Events:
    """An organization's events, changed by the test between two collections."""

    tenant: Tenant
    rows: dict[int, dict[str, object]] = field(default_factory=dict)

    def put(self, number: int, changed: datetime | None, title: str = "") -> None:
        """Inserts or changes an event; `changed` is what it says of itself."""
        self.rows[number] = event(
            number,
            OrganizationIdentifier=str(self.tenant.identifier),
            EventTitle=title,
            LastChangeTime=changed.isoformat() if changed else None,
        )

    def at(self, now: int) -> Rows:
        return Rows(EVENTS, [_row(members) for members in self.rows.values()])


def _row(members: dict[str, object]) -> WrittenRow:
    identifier_ = UUID(str(members["EventIdentifier"]))
    changed = members.get("LastChangeTime")
    return WrittenRow(
        identifier=identifier_,
        order=wire.identifier_order(identifier_),
        changed=wire.instant_of(str(changed)).ticks if changed else None,
        json=wire.row_json(members),
    )


@dataclass
class Booking:
    """A server with one organization, and collections of it."""

    events: Events
    server: SandboxServer
    http: httpx.Client

    def collect(
        self, landings: Path, mode: Mode, page_size: int = 7
    ) -> tuple[Landing, CollectionStats]:
        tenant = self.events.tenant
        plan = Plan(
            run_id=uuid4().hex,
            landing=landings,
            page_size=page_size,
            max_concurrency=2,
            attempts=3,
            max_shrink=1,
            allow_shrink=True,
            mode=mode,
            overlap=OVERLAP,
            clock=lambda: datetime.now(UTC),
            progress=NoProgress(),
        )
        collection = Collection(
            connect=lambda: BookingClient(
                base_url=self.server.base_url,
                organization=tenant.slug,
                identifier=tenant.identifier,
                credential=Token(tenant.token),
                http=self.http,
            ),
            contract=EVENT_ROWS,
            organization=tenant.slug,
            identifier=tenant.identifier,
            stored_rows=None,
            plan=plan,
        )
        stats = collection.begin()
        return collection.run(stats).landing, stats


@pytest.fixture(scope="module")
def booking() -> Iterator[Booking]:
    tenant = generated_tenants(1, 1)[0]
    events = Events(tenant)
    world = World({EVENTS: {tenant: events.at}}, lambda: NOW)
    with SandboxServer(world) as server, open_http(10) as http:
        yield Booking(events, server, http)


@pytest.fixture
def quiet(booking: Booking) -> Booking:
    """300 events of the last 300 days, one a day."""
    booking.events.rows.clear()
    for number in range(300):
        booking.events.put(number, NOW - timedelta(days=number + 1))
    return booking


def rows(landing: Landing) -> pl.DataFrame:
    if not landing.rows:
        return EVENT_ROWS.table.empty().drop("collected_at")
    return pl.read_parquet([*landing.rows]).drop("collected_at").sort("event_identifier")


def assert_as_full(
    booking: Booking, folder: Path, *, mode: Mode = "incremental"
) -> CollectionStats:
    """An incremental collection upon what the folder holds equals a full one; its stats."""
    landing, stats = booking.collect(folder / "incremental", "incremental")
    full, _ = booking.collect(folder / "full", "full")
    assert rows(landing).equals(rows(full))
    assert stats.mode == mode
    assert stats.rows_loaded + stats.rows_rejected == stats.count_after
    assert stats.duplicates_dropped >= 0
    return stats


def started(booking: Booking, folder: Path) -> None:
    booking.collect(folder / "incremental", "full")


def test_without_a_landing_everything_is_collected(quiet: Booking, tmp_path: Path) -> None:
    assert_as_full(quiet, tmp_path, mode="full")


def test_without_a_change_a_page_and_a_row_are_requested(quiet: Booking, tmp_path: Path) -> None:
    started(quiet, tmp_path)
    stats = assert_as_full(quiet, tmp_path)
    assert (stats.requests, stats.rows_received) == (4, 7)


def test_changes_and_insertions_are_read_and_nothing_else(quiet: Booking, tmp_path: Path) -> None:
    started(quiet, tmp_path)
    quiet.events.put(250, NOW, "changed")
    quiet.events.put(900, NOW, "new")
    stats = assert_as_full(quiet, tmp_path)
    assert stats.rows_received == 7


def test_a_hundred_changes_of_many_events_cost_a_hundredth_of_the_bytes(
    quiet: Booking, tmp_path: Path
) -> None:
    for number in range(25_000):
        quiet.events.put(number, NOW - HOUR - timedelta(seconds=10 * number))
    _, full = quiet.collect(tmp_path, "full", page_size=5_000)
    for number in range(100):
        quiet.events.put(number * 250, NOW, title="Changed")
    landing, few = quiet.collect(tmp_path, "incremental", page_size=5_000)
    assert (few.mode, few.rows_loaded) == ("incremental", 25_000)
    assert rows(landing)["event_title"].eq("Changed").sum() == 100
    assert few.bytes_received <= full.bytes_received / 100


def test_a_deletion_is_found_by_the_identifiers(quiet: Booking, tmp_path: Path) -> None:
    started(quiet, tmp_path)
    del quiet.events.rows[123]
    stats = assert_as_full(quiet, tmp_path)
    assert stats.rows_received < 20


@pytest.mark.parametrize(
    "changed", [NOW, NOW - timedelta(days=700), None], ids=["now", "long ago", "never"]
)
def test_a_restored_event_is_found_with_any_change_time(
    quiet: Booking, tmp_path: Path, changed: datetime | None
) -> None:
    del quiet.events.rows[5]
    started(quiet, tmp_path)
    quiet.events.put(5, changed, "back")
    assert_as_full(quiet, tmp_path)


def test_a_clock_behind_by_less_than_the_overlap_hides_no_change(
    quiet: Booking, tmp_path: Path
) -> None:
    quiet.events.put(0, NOW)
    started(quiet, tmp_path)
    quiet.events.put(250, NOW - OVERLAP / 2, "stamped by a slow clock")
    assert_as_full(quiet, tmp_path)


def test_equal_change_times_over_a_page_boundary_lose_no_row(
    quiet: Booking, tmp_path: Path
) -> None:
    started(quiet, tmp_path)
    for number in range(30):
        quiet.events.put(number, NOW, "all at once")
    assert_as_full(quiet, tmp_path)


def test_too_many_changes_are_collected_in_full(quiet: Booking, tmp_path: Path) -> None:
    started(quiet, tmp_path)
    for number in range(300):
        quiet.events.put(number, NOW, "rebuilt")
    assert_as_full(quiet, tmp_path, mode="full")


def test_a_landing_of_other_columns_is_no_base(quiet: Booking, tmp_path: Path) -> None:
    landing, _ = quiet.collect(tmp_path / "incremental", "full")
    for path in landing.rows:
        pl.read_parquet(path).drop("extra").write_parquet(path)
    assert_as_full(quiet, tmp_path, mode="full")


def test_the_base_stays_as_it_was(quiet: Booking, tmp_path: Path) -> None:
    landing, _ = quiet.collect(tmp_path, "full")
    before = {path: path.read_bytes() for path in landing.folder.iterdir()}
    quiet.events.put(1, NOW, "changed")
    del quiet.events.rows[2]
    quiet.collect(tmp_path, "incremental")
    assert {path: path.read_bytes() for path in landing.folder.iterdir()} == before


Change = tuple[str, int, int]


@st.composite
def changes(draw: st.DrawFn) -> list[Change]:
    """What happens in the hour between two collections: (what, event, minutes since its stamp)."""
    kinds = st.sampled_from(["put", "put unstamped", "delete"])
    minutes = st.integers(0, (HOUR + OVERLAP) // timedelta(minutes=1) - 1)
    return draw(st.lists(st.tuples(kinds, st.integers(0, 25), minutes), max_size=8))


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(changes(), min_size=1, max_size=4))
def test_any_history_gives_what_a_full_collection_gives(
    booking: Booking, tmp_path: Path, history: list[list[Change]]
) -> None:
    folder = tmp_path / uuid4().hex
    events = booking.events
    events.rows.clear()
    for number in range(20):
        events.put(number, NOW - timedelta(days=number) if number % 5 else None)
    started(booking, folder)
    for step, happened in enumerate(history, start=1):
        for what, number, minutes in happened:
            stamp = NOW + step * HOUR - timedelta(minutes=minutes)
            if what == "delete":
                events.rows.pop(number, None)
            elif what == "put":
                events.put(number, stamp, f"{step}.{minutes}")
            else:
                # Who changes without a stamp is found by the next full collection alone.
                events.put(100 * step + number, None)
        landing, stats = booking.collect(folder / "incremental", "incremental")
        full, _ = booking.collect(folder / "full", "full")
        assert rows(landing).equals(rows(full))
        assert stats.duplicates_dropped >= 0
        assert rows(landing)["event_identifier"].to_list() == sorted(
            identifier(number) for number in events.rows
        )
    shutil.rmtree(folder)
