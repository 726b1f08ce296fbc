"""Landings are read back as written, pruned from the oldest, and stay within their folder."""

from __future__ import annotations

import dataclasses
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from booking_assets.collect.contracts import EVENT_ROWS
from booking_assets.collect.landing import (
    MANIFEST,
    TICKETS,
    TICKETS_KEPT,
    Landing,
    landing_name,
    newest_landing,
    organization_folder,
    prune_landings,
    read_landing,
    take_ticket,
    whole_landings,
)
from booking_assets.collect.staging import LOCK, StagingWriter
from booking_assets.collect.stats import CollectionStats
from booking_assets.tables.raw import COLLECTIONS, EVENT_COUNTS
from booking_assets_tests.collect.events import ACME, STARTED, decoded, event


def landing(
    root: Path, name: str = "events-1", started_at: datetime = STARTED, sequence: int | None = None
) -> Landing:
    stats = CollectionStats(
        *("acme", "events", "run", "full"),
        started_at=started_at,
        sequence=sequence,
        finished_at=started_at + timedelta(milliseconds=1),
        count_before=1,
        count_after=2,
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


OLD_NAMES = [f"events-2026030{day}T000000.000000Z-0123abcd" for day in (1, 2)]


def test_order_is_by_ticket_and_not_by_a_clock(tmp_path: Path) -> None:
    """Ticket 2 was taken with a clock 30 days ahead; landings of earlier releases have none."""
    ahead = STARTED + timedelta(days=30)
    names = [landing_name("events", sequence, "0123abcdef") for sequence in (9, 10, 11)]
    for name, started_at, sequence in [
        (names[1], ahead, 10),
        (names[2], STARTED, 11),
        (OLD_NAMES[1], ahead + timedelta(days=1), None),
        (names[0], STARTED - timedelta(days=1), 9),
        (OLD_NAMES[0], ahead, None),
    ]:
        landing(tmp_path, name, started_at, sequence)
    in_order = [*OLD_NAMES, *names]
    assert [one.folder.name for one in whole_landings(tmp_path)] == in_order
    for keep in (4, 2, 1):
        newest = newest_landing(tmp_path, "acme", "events")
        assert newest is not None
        assert newest.folder.name == names[2]
        prune_landings(tmp_path, "acme", "events", keep)
        assert [one.folder.name for one in whole_landings(tmp_path)] == in_order[-keep:]


def test_a_landing_of_an_earlier_release_is_read_as_a_complete_collection(tmp_path: Path) -> None:
    folder = landing(tmp_path, OLD_NAMES[0]).folder
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    written = manifest["collection"]
    for name in ("sequence", "count_lowest", "count_highest", "status", "reason", "remedy"):
        del written[name]
    written["verdict"] = "complete"
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    log = read_landing(folder).collection()
    assert dict(log.schema) == COLLECTIONS.dtypes
    assert log.select("status", "sequence", "count_after").row(0) == ("complete", None, 2)


def test_a_landing_that_was_not_renamed_is_no_landing(tmp_path: Path) -> None:
    folder = landing(tmp_path).folder
    folder.rename(folder.with_name(".partial-events-1"))
    assert whole_landings(tmp_path) == []


def test_tickets_are_taken_in_order_and_never_twice(tmp_path: Path) -> None:
    assert [take_ticket(tmp_path, "acme") for _ in range(3)] == [1, 2, 3]
    assert take_ticket(tmp_path, "globex") == 1
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: take_ticket(tmp_path, "acme"), range(TICKETS_KEPT + 20)))
    assert sorted(taken) == list(range(4, TICKETS_KEPT + 24))
    assert len(list((tmp_path / "acme" / TICKETS).iterdir())) <= TICKETS_KEPT


def test_a_ticket_is_above_every_landing_and_the_stored_one_where_tickets_were_lost(
    tmp_path: Path,
) -> None:
    landing(tmp_path, landing_name("events", 7, "0123abcd"))
    assert take_ticket(tmp_path, "acme") == 8
    shutil.rmtree(tmp_path / "acme")
    assert take_ticket(tmp_path, "acme", after=41) == 42


def test_pruning_where_nothing_ever_landed_does_nothing(tmp_path: Path) -> None:
    prune_landings(tmp_path, "acme", "events", 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("slug", ["", ".", "..", "../x", "a/b", "/etc", "a/", "./a"])
def test_a_slug_cannot_lead_out_of_the_folder(tmp_path: Path, slug: str) -> None:
    with pytest.raises(ValueError, match="no name of a folder"):
        organization_folder(tmp_path, slug)
    with pytest.raises(ValueError, match="no name of a folder"):
        StagingWriter(tmp_path, slug, "events-1", EVENT_ROWS)
