"""Collected where no warehouse is, loaded where it is: nothing lost, nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import duckdb
import pytest

from booking_assets.collect.landing import MANIFEST
from booking_assets.collect.object_landings import ObjectLandings
from booking_assets.collect.stats import Mode
from booking_assets.pipeline.landings import load_landings, open_landings
from booking_assets.pipeline.rebuild import forget, rebuild
from booking_assets.pipeline.refresh import refresh
from booking_assets.pipeline.results import RunReport
from booking_assets.tables.catalog import TABLES
from booking_assets.tables.raw import COLLECTIONS
from booking_assets_tests.pipeline.conftest import EVENTS_EACH, NOON, Place, new_place, still_world
from booking_assets_tests.storage.conftest import BOTH, Shared

OF_THE_RUN = ("run_id", "requests", "retries", "bytes_received", "finished_at", "age_minutes")
"""Columns that differ between two runs over the same rows, or with the time since them."""

EMPTY = ("raw.rejected_rows", "raw.name_overrides", "marts.room_conflicts")
"""The tables without rows in a world without bad rows."""


def collected(
    machine: Place,
    *faults: str,
    events: int = EVENTS_EACH,
    run_id: str = "a run",
    at: datetime | None = None,
    slugs: tuple[str, ...] = (),
    **kwargs: Any,
) -> RunReport:
    """Collect on a machine, whose clock says `at`."""
    with machine.collector(*faults, world=still_world(events)) as collector:
        wanted = slugs or collector.settings.slugs
        clock = partial(identity, at) if at else collector.clock
        run_id = f"{run_id} of {machine.root.name}"
        return replace(collector, clock=clock).collect(wanted, run_id, **kwargs)


def loaded(machine: Place) -> int:
    """Load; gives the collections that were new."""
    return load_landings(machine.warehouse, machine.settings)


def published(machine: Place) -> dict[str, int]:
    """Load, derive and publish; gives the published events of each organization."""
    loaded(machine)
    machine.derive()
    return machine.published()


def stored(machine: Place) -> dict[str, int]:
    """The events of each organization in the warehouse."""
    query = "SELECT organization, count(*) FROM raw.events GROUP BY ALL"
    return dict(machine.ask(query, snapshot=False))


def log(machine: Place, resource: str = "events") -> list[tuple[Any, ...]]:
    return machine.ask(
        f"SELECT organization, sequence, status FROM raw.collections"
        f" WHERE resource = '{resource}' ORDER BY ALL",
        snapshot=False,
    )


def identity(at: datetime) -> datetime:
    return at


def rows(machine: Place) -> dict[str, list[tuple[Any, ...]]]:
    """Every published row, without what differs between two runs."""
    with duckdb.connect(str(machine.settings.snapshot_path.resolve()), read_only=True) as con:
        found = {}
        for table in TABLES:
            columns = [f'"{name}"' for name in table.column_names if name not in OF_THE_RUN]
            query = f"SELECT {', '.join(columns)} FROM {table.name} ORDER BY ALL"
            found[table.name] = con.execute(query).fetchall()
        return found


def refreshed_often(machine: Place) -> dict[str, list[tuple[Any, ...]]]:
    """Refresh in full, then what changed, then nothing, then in full with a row less.

    Gives what is published.
    """
    steps: list[tuple[int, Mode]]
    steps = [(0, "full"), (2, "incremental"), (2, "incremental"), (-1, "full")]
    for number, (more, mode) in enumerate(steps):
        at = NOON + timedelta(hours=number)
        with machine.collector(world=still_world(EVENTS_EACH + more)) as collector:
            report = refresh(replace(collector, clock=partial(identity, at)), mode=mode)
            assert not report.failed_organizations
            assert report.complete
    return rows(machine)


@pytest.fixture(scope="module")
def without_store(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[Any, ...]]]:
    """What is published without an object store."""
    return refreshed_often(new_place(tmp_path_factory.mktemp("without_store")))


@BOTH
def test_what_is_published_equals_a_refresh_without_an_object_store(
    shared: Shared, without_store: dict[str, list[tuple[Any, ...]]]
) -> None:
    ours = refreshed_often(shared)
    for name, own in without_store.items():
        assert ours[name] == own, name
        assert own or name in EMPTY, name


def test_a_machine_that_collects_opens_no_warehouse_and_keeps_no_rows(shared: Shared) -> None:
    worker = shared.machine("worker")
    report = collected(worker)
    assert len(report.complete) == 2 * len(shared.organizations) * 2
    assert [path.name for path in worker.root.rglob("*")] == ["booking.scratch"]
    assert len(shared.keys(MANIFEST)) == len(report.complete)
    assert loaded(shared) == len(report.complete)
    assert stored(shared) == dict.fromkeys(shared.settings.slugs, EVENTS_EACH)
    assert list((shared.root / "booking.scratch").iterdir()) == []


@BOTH
def test_nothing_is_loaded_twice_also_by_two_at_once(shared: Shared) -> None:
    new = len(collected(shared.machine("worker")).complete)
    with ThreadPoolExecutor(2) as pool:
        done = pool.map(lambda _: load_landings(shared.warehouse, shared.settings), range(2))
    assert sorted(done) == [0, new]
    assert loaded(shared) == 0
    key = ", ".join(COLLECTIONS.grain)
    twice = f"SELECT {key} FROM raw.collections GROUP BY ALL HAVING count(*) > 1"
    assert shared.ask(twice, snapshot=False) == []


@BOTH
def test_two_runs_at_once_are_both_logged_and_the_higher_ticket_is_stored(shared: Shared) -> None:
    with ThreadPoolExecutor(2) as pool:
        machines = [shared.machine("one"), shared.machine("other")]
        reports = list(pool.map(collected, machines))
    assert not any(report.failed for report in reports)
    loaded(shared)
    slugs = sorted(shared.settings.slugs)
    assert log(shared) == [(slug, number, "complete") for slug in slugs for number in (1, 2)]
    both = "SELECT DISTINCT organization, sequence FROM raw.collections JOIN raw.events USING"
    found = shared.ask(f"{both} (organization) WHERE started_at = collected_at", snapshot=False)
    assert {sequence for _, sequence in found} == {2}


def test_a_slow_collection_never_replaces_a_later_one(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = ObjectLandings.take_ticket

    def overtaken_once(self: ObjectLandings, *args: Any) -> int:
        monkeypatch.setattr(ObjectLandings, "take_ticket", original)
        ticket = original(self, *args)
        slug = shared.organizations[0].slug
        for number in range(4):
            collected(
                shared.machine("quick"), events=EVENTS_EACH + 1, run_id=f"{number}", slugs=(slug,)
            )
            load_landings(shared.warehouse, shared.settings)
        return ticket

    monkeypatch.setattr(ObjectLandings, "take_ticket", overtaken_once)
    first, _ = shared.organizations
    report = collected(shared.machine("slow"), slugs=(first.slug,))
    assert len(report.complete) == 4
    loaded(shared)
    assert stored(shared) == {first.slug: EVENTS_EACH + 1}
    assert log(shared)[0] == (first.slug, 1, "overtaken")
    assert {status for _, _, status in log(shared)[1:]} == {"complete"}


def test_a_machine_whose_clock_is_an_hour_ahead_changes_no_order(shared: Shared) -> None:
    now = datetime.now(UTC)
    ahead = collected(shared.machine("ahead"), at=now + timedelta(hours=1))
    right = collected(shared.machine("right"), events=EVENTS_EACH + 1, at=now)
    assert len(ahead.complete) == len(right.complete) == 8
    assert published(shared) == dict.fromkeys(shared.settings.slugs, EVENTS_EACH + 1)
    assert shared.ask(
        "SELECT count(*) FROM marts.organization_freshness WHERE age_minutes < 0"
    ) == [(0,)]


def remove(shared: Shared, part: str) -> None:
    shared.objects.delete(shared.keys(part))


def damage(shared: Shared, part: str) -> None:
    for key in shared.keys(part):
        shared.objects.write(key, b"noise")


@pytest.mark.parametrize("harm", [remove, damage])
def test_a_manifest_without_its_files_is_logged_and_the_next_collection_is_whole(
    shared: Shared, harm: Callable[[Shared, str], None]
) -> None:
    first, second = shared.organizations
    collected(shared.machine("worker"))
    harm(shared, f"{first.identifier}/events/0000000001-a run of worker/rows-")
    loaded(shared)
    assert stored(shared) == {second.slug: EVENTS_EACH}
    assert (first.slug, 1, "failed") in log(shared)
    (reason,) = shared.ask(
        "SELECT reason, remedy FROM raw.collections WHERE status = 'failed'", snapshot=False
    )
    assert "is damaged or lacks files" in reason[0]
    # Its base is what is damaged: the incremental collection is a full one.
    collected(shared.machine("worker"), run_id="next", mode="incremental")
    assert loaded(shared) == 4
    assert stored(shared) == dict.fromkeys(shared.settings.slugs, EVENTS_EACH)


@BOTH
def test_files_without_a_manifest_are_no_landing_and_go_in_the_end(shared: Shared) -> None:
    first, second = shared.organizations
    collected(shared.machine("killed"), run_id="0")
    shared.objects.delete(shared.keys(f"{first.identifier}/events/0000000001-0 of killed/coll"))
    shared.objects.delete(shared.keys(f"{second.identifier}/events/0000000001-0 of killed/rows"))
    loaded(shared)
    assert shared.keys(f"{first.identifier}/events/0000000001")
    for number in range(1, 5):
        collected(shared.machine("worker"), run_id=str(number))
        loaded(shared)
    assert stored(shared) == dict.fromkeys(shared.settings.slugs, EVENTS_EACH)
    assert shared.keys("/events/0000000001") == []
    kept = shared.settings.collect.landing_keep
    assert len(shared.keys(f"events/0000000005-4 of worker/{MANIFEST}")) == 2
    assert len([key for key in shared.keys("/events/") if key.endswith(MANIFEST)]) == 2 * kept


def test_what_was_not_loaded_is_not_pruned(shared: Shared) -> None:
    for number in range(6):
        collected(shared.machine("worker"), run_id=str(number))
    assert loaded(shared) == 6 * 8
    for slug in shared.settings.slugs:
        own = [one for one in log(shared) if one[0] == slug]
        assert own == [(slug, number, "complete") for number in range(1, 7)]


def test_failures_are_logged_where_the_warehouse_is_and_foreign_rows_nowhere(
    shared: Shared,
) -> None:
    first, second = shared.organizations
    report = collected(shared.machine("worker"), f"foreign_row@{first.slug}")
    assert report.failed_organizations == (first.slug,)
    assert len(shared.keys("failure.json")) == 1
    loaded(shared)
    assert shared.keys("failure.json") == []
    assert stored(shared) == {second.slug: EVENTS_EACH}
    assert (first.slug, 1, "failed") in log(shared)
    for table in ("raw.events", "raw.event_counts"):
        owners = shared.ask(f"SELECT DISTINCT organization FROM {table}", snapshot=False)
        assert owners == [(second.slug,)]
    (logged,) = shared.ask(
        "SELECT reason FROM raw.collections WHERE status = 'failed'", snapshot=False
    )
    (failed,) = report.failed
    assert logged == (failed.log_row["reason"],)


def test_a_slice_that_shrank_waits_for_a_person(shared: Shared) -> None:
    collected(shared.machine("worker"))
    report = collected(shared.machine("worker"), "rebuild=3", run_id="next")
    assert {one.status for one in report.failed} == {"shrunk"}
    collected(shared.machine("worker"), "rebuild=3", run_id="third", allow_shrink=True)
    loaded(shared)
    statuses = [status for _, _, status in log(shared)]
    assert statuses == ["complete", "shrunk", "complete"] * 2


def test_a_renamed_slug_goes_on_with_its_tickets_and_history(shared: Shared) -> None:
    first, second = shared.organizations
    collected(shared.machine("worker"))
    published(shared)
    collected(shared.machine("late"), run_id="before the new name")
    shared.configure(first.slug, slug="renamed")
    collected(shared.machine("worker"), run_id="next", mode="incremental")
    assert published(shared) == {"renamed": EVENTS_EACH, second.slug: EVENTS_EACH}
    own = [one for one in log(shared) if one[0] != second.slug]
    assert own == [
        ("renamed", 1, "complete"),
        ("renamed", 2, "failed"),
        ("renamed", 3, "complete"),
    ]
    assert shared.ask("SELECT DISTINCT change FROM marts.event_history") == [("inserted",)]


def test_a_store_that_is_new_to_a_warehouse_goes_on_with_its_tickets(shared: Shared) -> None:
    alone = Place(shared.root, shared.tenants, shared.organizations)
    for number in range(3):
        collected(alone, run_id=str(number))
    loaded(shared)
    report = shared.refresh(world=still_world(EVENTS_EACH + 1))
    assert {one.status for one in report.results} == {"complete"}
    assert shared.published() == dict.fromkeys(shared.settings.slugs, EVENTS_EACH + 1)
    assert {sequence for _, sequence, _ in log(shared)} == {1, 2, 3, 4}


def test_a_lost_warehouse_is_loaded_again(shared: Shared) -> None:
    for number in range(2):
        collected(shared, events=EVENTS_EACH + number, run_id=str(number))
        loaded(shared)
    shared.settings.warehouse_path.unlink()
    assert published(shared) == dict.fromkeys(shared.settings.slugs, EVENTS_EACH + 1)


@pytest.mark.usefixtures("refreshed")
def test_a_warehouse_is_rebuilt_from_the_store(shared: Shared) -> None:
    shared.refresh(world=still_world(EVENTS_EACH + 1))
    before = rows(shared)
    first, _ = shared.organizations
    shared.settings.warehouse_path.write_bytes(b"noise")
    groups = shared.keys(f"{first.identifier}/groups/0000000002")
    shared.objects.write(next(key for key in groups if "rows-" in key), b"noise")
    rebuilt = rebuild(shared.warehouse, shared.settings)
    assert list(rebuilt.faults) == [first.slug]
    # The damaged landing, which had no row in the log any more.
    assert loaded(shared) == 1
    published(shared)
    after = rows(shared)
    for name in ("raw.events", "raw.registrations", "marts.capacity_by_event", "marts.calendar"):
        assert after[name] == before[name], name


@BOTH
@pytest.mark.usefixtures("refreshed")
def test_a_forgotten_organization_is_nowhere_in_the_store(shared: Shared) -> None:
    shared.refresh()
    first, second = shared.organizations
    shared.organizations = (second,)
    assert forget(shared.warehouse, shared.settings, first.slug)["raw.events"] == EVENTS_EACH
    names = (first.slug.encode(), str(first.identifier).encode())
    stored = [*shared.objects.list_folder("landings"), *shared.objects.list_folder("snapshot")]
    assert {one["path"].split("/")[1] for one in stored if one["path"].startswith("landings/")} == {
        str(second.identifier)
    }
    for one in stored:
        content = shared.objects.read(one["path"])
        assert not any(name in content for name in names), one["path"]


def test_an_organization_that_left_before_it_was_loaded_waits_and_can_be_forgotten(
    shared: Shared,
) -> None:
    first, second = shared.organizations
    collected(shared.machine("worker"))
    shared.organizations = (second,)
    loaded(shared)
    assert stored(shared) == {second.slug: EVENTS_EACH}
    forget(shared.warehouse, shared.settings, first.slug)
    assert shared.keys(str(first.identifier)) == []


def test_landings_without_a_store_are_a_folder(place: Place) -> None:
    with open_landings(place.settings) as landings:
        assert str(landings) == str(place.settings.landing_path)
    assert load_landings(place.warehouse, place.settings) == 0
    assert not place.settings.warehouse_path.exists()


def test_a_collection_without_its_store_fails_and_says_why(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared.url = "s3://booking/prefix"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setattr("booking_assets.objects.OUTAGE_SECONDS", 0.1)
    report = collected(shared)
    assert report.failed_organizations == tuple(sorted(shared.settings.slugs))
    assert all("ConnectionRefused" in why for why in report.unrecorded.values())
    assert all("The stored rows stay" in why for why in report.unrecorded.values())
