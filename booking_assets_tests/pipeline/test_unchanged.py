"""Incremental runs where little or nothing has changed: equal to full ones, and less is written."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import polars as pl

from booking_assets.sandbox.world import World
from booking_assets.tables.raw import COLLECTIONS, EVENTS, REGISTRATIONS
from booking_assets_tests.pipeline.conftest import EVENTS_EACH, Place, still_world


def manifests(place: Place, resource: str) -> list[dict[str, Any]]:
    """Of the newest landing of each organization."""
    root = place.settings.landing_path
    newest = [max(folder.glob(f"{resource}-*")) for folder in sorted(root.iterdir())]
    return [json.loads((one / "collection.json").read_text(encoding="utf-8")) for one in newest]


def files(place: Place, resource: str) -> list[set[int]]:
    """The inodes of the Parquet files of each landing of the first organization, oldest first."""
    root = min(place.settings.landing_path.iterdir())
    folders = sorted(root.glob(f"{resource}-*"))
    return [{file.stat().st_ino for file in one.glob("*.parquet")} for one in folders]


def stored(place: Place) -> list[pl.DataFrame]:
    return [
        place.warehouse.read(table).drop("collected_at").sort(*table.grain)
        for table in (EVENTS, REGISTRATIONS)
    ]


def run(
    place: Place,
    mode: Any,
    world: World | None = None,
    page_size: int = 500,
    later: timedelta = timedelta(0),
) -> None:
    with place.collector(world=world) as collector:
        collector.clock = lambda: datetime.now(UTC) + later
        settings = collector.settings
        assert settings.api is not None
        api = settings.api.model_copy(update={"page_size": page_size})
        collector.settings = settings.model_copy(update={"api": api})
        report = collector.collect(settings.slugs, uuid4().hex, mode=mode)
    assert not report.failed_organizations


def test_without_a_change_no_row_is_landed_or_written_again_and_the_instant_moves(
    place: Place,
) -> None:
    run(place, "full")
    before = stored(place)
    for _ in range(2):
        run(place, "incremental")
    for resource in ("events", "registrations"):
        assert all(one["repeats"] for one in manifests(place, resource))
        assert len(set(map(frozenset, files(place, resource)))) == 1
    assert all(one.equals(other) for one, other in zip(stored(place), before, strict=True))
    log = place.warehouse.read(COLLECTIONS)
    started = dict(
        log.filter(pl.col("resource") == "registrations")
        .group_by("organization")
        .agg(pl.col("started_at").max())
        .iter_rows()
    )
    rows = place.warehouse.read(REGISTRATIONS, ["organization", "collected_at"])
    assert set(rows.iter_rows()) == set(started.items())


def test_an_unchanged_organization_takes_a_count_and_a_page_a_resource(place: Place) -> None:
    run(place, "full")
    run(place, "incremental")
    newest = place.warehouse.read(COLLECTIONS).sort("started_at").tail(4)
    assert newest.select("resource", "mode", "requests", "rows_deleted").unique().height == 2
    assert newest["requests"].to_list() == [2, 2, 2, 2]


def test_registrations_of_several_pages_are_repeated_as_well(place: Place) -> None:
    for mode in ("full", "incremental"):
        run(place, mode, page_size=10)
    assert all(one["repeats"] for one in manifests(place, "registrations"))


def test_what_changed_is_written_as_in_a_full_run(place: Place) -> None:
    run(place, "full")
    run(place, "incremental")
    changed = still_world(EVENTS_EACH + 2)
    run(place, "incremental", changed)
    written = stored(place)
    run(place, "full", changed)
    assert all(one.equals(other) for one, other in zip(written, stored(place), strict=True))
    assert not any(one["repeats"] for one in manifests(place, "events"))


def test_a_damaged_landing_is_not_repeated(place: Place) -> None:
    run(place, "full")
    before = stored(place)
    for file in place.settings.landing_path.glob("*/registrations-*/*.parquet"):
        file.chmod(0o600)
        file.write_bytes(file.read_bytes()[:-1] + b"x")
    run(place, "incremental")
    assert not any(one["repeats"] for one in manifests(place, "registrations"))
    assert all(one.equals(other) for one, other in zip(stored(place), before, strict=True))


def test_a_full_run_repeats_nothing(place: Place) -> None:
    for _ in range(2):
        run(place, "full")
    for resource in ("events", "registrations"):
        assert not any(one["repeats"] for one in manifests(place, resource))


def test_once_a_day_all_rows_are_written(place: Place) -> None:
    run(place, "full")
    for hours, repeats in ((12, True), (23, True), (25, False), (26, True)):
        run(place, "incremental", later=timedelta(hours=hours))
        assert {bool(one["repeats"]) for one in manifests(place, "registrations")} == {repeats}
