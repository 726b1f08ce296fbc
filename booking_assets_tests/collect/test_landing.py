"""Landings are read back as written, pruned from the oldest, and stay within their folder."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path

import pytest

from booking_assets.collect.contracts import EVENT_ROWS
from booking_assets.collect.landing import (
    MANIFEST,
    Landing,
    organization_folder,
    prune_landings,
    read_landing,
)
from booking_assets.collect.staging import LOCK, StagingWriter
from booking_assets.collect.stats import CollectionStats
from booking_assets.tables.raw import COLLECTIONS, EVENT_COUNTS
from booking_assets_tests.collect.events import ACME, STARTED, decoded, event


def landing(root: Path, name: str = "events-1") -> Landing:
    stats = CollectionStats(
        *("acme", "events", "run", "full"),
        started_at=STARTED,
        finished_at=STARTED + timedelta(milliseconds=1),
        count_before=2,
    )
    with StagingWriter(root, "acme", name, EVENT_ROWS) as staging:
        staging.add(decoded(event(1), "null"))
        return staging.land(ACME, stats.log_row())


def test_a_landing_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    written = landing(tmp_path)
    read = read_landing(written.folder)
    assert dataclasses.asdict(read) == dataclasses.asdict(written)
    assert (len(read.rows), len(read.rejected)) == (1, 1)
    assert dict(read.collection().schema) == COLLECTIONS.dtypes
    assert dict(read.event_count().schema) == EVENT_COUNTS.dtypes
    assert read.event_count().rows() == [("acme", str(ACME), 2, STARTED)]


@pytest.mark.parametrize(
    "manifest", ["", "{", "[]", "null", "{}", '{"collection": {}, "identifier": 1}']
)
def test_a_folder_without_a_whole_manifest_is_no_landing(tmp_path: Path, manifest: str) -> None:
    (tmp_path / MANIFEST).write_text(manifest, encoding="utf-8")
    with pytest.raises(ValueError, match="no manifest of a landing"):
        read_landing(tmp_path)


def test_a_folder_without_a_manifest_is_no_landing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_landing(tmp_path)


def test_pruning_keeps_the_newest_and_what_is_not_its_own(tmp_path: Path) -> None:
    names = [f"events-2026030{day}T000000.000000Z-run" for day in range(1, 6)]
    folders = [landing(tmp_path, name).folder for name in names]
    others = [tmp_path / "acme" / "registrations-1", tmp_path / "acme" / ".partial-events-9"]
    for other in others:
        other.mkdir()
    prune_landings(tmp_path, "acme", "events", 2)
    kept = [tmp_path / "acme" / LOCK, *others, *folders[3:]]
    assert sorted((tmp_path / "acme").iterdir()) == sorted(kept)
    prune_landings(tmp_path, "acme", "events", 5)
    assert sorted((tmp_path / "acme").iterdir()) == sorted(kept)


def test_pruning_where_nothing_ever_landed_does_nothing(tmp_path: Path) -> None:
    prune_landings(tmp_path, "acme", "events", 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("slug", ["", ".", "..", "../x", "a/b", "/etc", "a/", "./a"])
def test_a_slug_cannot_lead_out_of_the_folder(tmp_path: Path, slug: str) -> None:
    with pytest.raises(ValueError, match="no name of a folder"):
        organization_folder(tmp_path, slug)
    with pytest.raises(ValueError, match="no name of a folder"):
        StagingWriter(tmp_path, slug, "events-1", EVENT_ROWS)
