"""An installation of an earlier release goes on after the upgrade: rows, history, schedules.

`installation_98342d7.tar.xz` was made by the commands of commit 98342d7: a sandbox of three
organizations with 12 events each, a full and an incremental refresh, and a schedule switched on.
Its snapshot and compute logs are left out.
"""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.definitions.selector import InstigatorSelector

from booking_assets.definitions import build_definitions
from booking_assets.sandbox.world import generated_world
from booking_assets_tests.commands import Shell
from booking_assets_tests.reliability.installation import installed

FORMER_RUNS = 4
EVENTS_EACH, SLUGS = 12, ("harbour-trades", "northern-health", "river-college")
HISTORY = "SELECT organization, min(valid_from) AS since FROM marts.event_history GROUP BY ALL"
PROJECT = Path(__file__).parents[2]


def test_rows_history_landings_runs_and_schedules_of_an_earlier_release_are_there(
    where: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tarfile.open(Path(__file__).with_name("installation_98342d7.tar.xz")) as packed:
        packed.extractall(where.folder, filter="data")
    shutil.copy(PROJECT / "dagster.yaml", where.folder)
    with installed(where, generated_world(3, EVENTS_EACH, seed=7), registrations=True) as site:
        first = site.query(f"{HISTORY} ORDER BY ALL")
        assert [row["organization"] for row in first] == [*SLUGS]

        rebuilt = where.run("booking-assets", "rebuild")
        assert rebuilt.returncode == 0, rebuilt.stdout + rebuilt.stderr
        published = site.snapshot(
            "SELECT organization, count(*) AS rows FROM raw.events GROUP BY 1"
        )
        assert {row["organization"]: row["rows"] for row in published} == dict.fromkeys(
            SLUGS, EVENTS_EACH
        )
        assert site.snapshot(f"{HISTORY} ORDER BY ALL") == first

        refreshed = where.run("booking-assets", "refresh", "--incremental")
        assert refreshed.returncode == 0, refreshed.stdout + refreshed.stderr
        assert site.snapshot(f"{HISTORY} ORDER BY ALL") == first
        assert site.breaches() == []

    # By this the daemon and the UI find a schedule's state, in any folder.
    hourly = InstigatorSelector(
        location_name="booking_assets",
        repository_name=SINGLETON_REPOSITORY_NAME,
        name="collect_hourly",
    )
    # The checkout's dagster.yaml names the folder of its state relative to the working directory.
    monkeypatch.chdir(where.folder)
    with dg.DagsterInstance.from_config(str(where.folder)) as instance:
        assert instance.get_runs_count() == FORMER_RUNS + 3
        (state,) = [
            state
            for state in instance.all_instigator_state()
            if state.selector_id == hourly.get_id()
        ]
        assert state.is_running
        assert state.name in {one.name for one in build_definitions().schedules or ()}
