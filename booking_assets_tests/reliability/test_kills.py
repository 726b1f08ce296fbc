"""A process that is killed, anywhere: old or new slices, whole, and nothing left half-written.

A power cut is more than a kill: what was not synced is lost too. What is renamed is synced before;
that no test can show.
"""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from booking_assets.collect.landing import write_manifest
from booking_assets.collect.staging import StagingWriter
from booking_assets.pipeline.derivation import derive_all
from booking_assets.tables.marts import EVENT_CHANGES, EVENT_HISTORY
from booking_assets.tables.raw import EVENTS
from booking_assets.warehouse import collections_log, loads, publication, snapshot, versions
from booking_assets.warehouse.warehouse import Warehouse
from booking_assets_tests.commands import SECONDS, Shell, shell
from booking_assets_tests.reliability.collecting import call_of, return_of
from booking_assets_tests.reliability.installation import (
    Installation,
    asked,
    held,
    installed,
    still_world,
)

OLD, NEW = still_world(40, organizations=3), still_world(60, organizations=3)
SLUGS = [tenant.slug for tenant in NEW.tenants]
EVENTS_OF = {world: {slug: held(world, slug) for slug in SLUGS} for world in (OLD, NEW)}
INSTANTS = 3

STAGES = {
    "while pages are staged": return_of(StagingWriter.add),
    "after the manifest": return_of(write_manifest),
    "landed and not stored": return_of(StagingWriter.land),
    "new slices inserted": call_of(collections_log.append_collections),
    "before the commit": return_of(loads.store),
    "after the commit": return_of(Warehouse.store),
    "snapshot copied": return_of(snapshot.write_copy),
    "snapshot named and not linked": call_of(publication.point),
}
"""Moments in the life of a run, each a function of a room's interface that is called or returns.

The functions themselves, and not their names: a renamed one is an error when this is imported.
"""


@dataclass(frozen=True)
class Killing:
    """An API with new rows, and how to get an installation that still holds the old ones."""

    today: Installation
    seconds: float

    def yesterday(self, where: Path) -> Installation:
        """A copy of the installation as the last complete run left it."""
        return copied(self.today, where)


def copied(site: Installation, where: Path) -> Installation:
    shutil.copytree(site.folder, where / "work", symlinks=True)
    return Installation(Shell(where / "work", site.shell.home), site.server, site.tenants)


@pytest.fixture(scope="module")
def killing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killing]:
    where = shell(tmp_path_factory.mktemp("killing"))
    with installed(where, OLD) as yesterday:
        yesterday.collect()
        yesterday.publish()
    with installed(where, NEW) as today:
        undisturbed = Killing(today, 0).yesterday(tmp_path_factory.mktemp("undisturbed"))
        with undisturbed.process() as process:
            started = time.monotonic()
            assert process.wait(SECONDS) == 0
            seconds = time.monotonic() - started
        yield Killing(today, seconds)


@pytest.fixture(scope="module")
def underived(killing: Killing, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The installation of yesterday, derived, with today's slices, which are not."""
    site = killing.yesterday(tmp_path_factory.mktemp("underived"))
    derive_all(site.warehouse, site.settings)
    site.collect()
    return site


def slices(path: Path) -> dict[str, tuple[int, int]]:
    """Of each organization, the rows and the collections that they are from."""
    rows = asked(
        path,
        "SELECT organization, count(*) AS events, count(DISTINCT collected_at) AS collections"
        " FROM raw.events GROUP BY ALL",
    )
    return {row["organization"]: (row["events"], row["collections"]) for row in rows}


def assert_old_or_new(site: Installation) -> None:
    """Warehouse and snapshot can be read, and hold one whole slice of each organization."""
    for path in (site.settings.warehouse_path, site.settings.snapshot_path.resolve()):
        found = slices(path)
        assert sorted(found) == sorted(SLUGS)
        for slug, (events, collections) in found.items():
            assert events in {own[slug].height for own in EVENTS_OF.values()}
            assert collections == 1
    for slug in SLUGS:
        stored = site.stored(slug)
        assert any(stored.equals(own[slug]) for own in EVENTS_OF.values())
    assert site.breaches() == []


def assert_next_run_completes(site: Installation) -> None:
    """The next run stores the new slices, and removes what the killed one left."""
    site.collect()
    site.publish()
    new = EVENTS_OF[NEW]
    for slug in SLUGS:
        assert site.stored(slug).equals(new[slug])
    assert slices(site.settings.snapshot_path.resolve()) == {
        slug: (new[slug].height, 1) for slug in SLUGS
    }
    assert site.breaches() == []
    assert site.half_written() == []


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_a_run_that_is_killed_at_a_stage_leaves_old_or_new_slices(
    killing: Killing, tmp_path: Path, stage: str
) -> None:
    site = killing.yesterday(tmp_path)
    killed = site.ran("--dies-at", stage)
    assert killed.returncode == -signal.SIGKILL, killed
    assert_old_or_new(site)
    assert_next_run_completes(site)


@pytest.mark.parametrize(
    ("stage", "committed"),
    [(return_of(versions.extend), False), (return_of(Warehouse.extend_history), True)],
    ids=["written and not committed", "committed"],
)
def test_a_derivation_that_is_killed_leaves_a_history_with_its_changes_or_neither(
    killing: Killing, underived: Installation, tmp_path: Path, stage: str, committed: bool
) -> None:
    before = killing.today.warehouse.read(EVENTS).height
    site = copied(underived, tmp_path)
    after = site.warehouse.read(EVENTS).height
    assert after > before
    assert site.ran("--only", "derive", "--dies-at", stage).returncode == -signal.SIGKILL
    assert extended(site) == ((after, after - before) if committed else (before, 0))
    derive_all(site.warehouse, site.settings)
    assert extended(site) == (after, after - before)


def extended(site: Installation) -> tuple[int, int]:
    """The number of versions, and of changes; all events are new ones."""
    return site.warehouse.read(EVENT_HISTORY).height, site.warehouse.read(EVENT_CHANGES).height


@pytest.mark.parametrize("number", range(INSTANTS))
def test_a_run_that_is_killed_at_any_instant_leaves_old_or_new_slices(
    killing: Killing, tmp_path: Path, number: int
) -> None:
    """Instants are drawn over the time that an undisturbed run takes, one in each third."""
    site = killing.yesterday(tmp_path)
    share = (number + random.Random(number).random()) / INSTANTS
    with site.process() as process:
        try:
            process.wait(share * killing.seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    assert_old_or_new(site)
    assert_next_run_completes(site)


@pytest.mark.parametrize(
    "stage",
    [
        call_of(loads.store),
        STAGES["before the commit"],
    ],
    ids=["warehouse made", "before the commit"],
)
def test_a_first_run_that_is_killed_leaves_nothing_that_hinders_the_next(
    killing: Killing, tmp_path: Path, stage: str
) -> None:
    site = killing.yesterday(tmp_path)
    shutil.rmtree(site.settings.warehouse_path.parent)
    assert site.ran("--dies-at", stage).returncode == -signal.SIGKILL
    assert_next_run_completes(site)


def test_a_spool_of_a_killed_run_is_gone_when_the_next_begins(
    killing: Killing, tmp_path: Path
) -> None:
    site = killing.yesterday(tmp_path)
    site.ran("--dies-at", STAGES["after the manifest"])
    left = site.half_written()
    assert left
    assert all(".partial-" in name for name in left)
    landings = site.settings.landing_path
    whole = len(list(landings.glob("*/events-*")))
    site.collect()
    assert site.half_written() == []
    assert len(list(landings.glob("*/events-*"))) == whole + len(SLUGS)
