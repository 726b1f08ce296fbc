"""Tests of `booking-assets refresh` in an empty folder: the sandbox, stored and published."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import dagster as dg
import pytest

from booking_assets.definitions import build_definitions
from booking_assets.tables.catalog import TABLES
from booking_assets_tests.cli.commands import (
    SLUGS,
    SNAPSHOT,
    Ran,
    counts,
    ran,
)
from booking_assets_tests.commands import shell


@pytest.fixture(scope="module")
def refreshed(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """`booking-assets refresh` in an empty folder."""
    return ran(shell(tmp_path_factory.mktemp("unconfigured")), "refresh", "--verbose")


def test_a_refresh_in_an_empty_folder_takes_the_sandbox_all_the_way(refreshed: Ran) -> None:
    assert refreshed.exit_code == 0, refreshed.said
    assert refreshed.process.stderr == ""
    assert "No booking.toml: using the sandbox, started and stopped for this." in refreshed.said
    events = counts(refreshed.shell, "raw.events")
    assert events.keys() == set(SLUGS)
    for slug, rows in events.items():
        assert f"stored {slug}: {rows} events" in refreshed.said
        assert re.search(rf" {slug} {rows} ", refreshed.said)


def test_what_is_printed_is_what_the_snapshot_holds(refreshed: Ran) -> None:
    words = [line.split() for line in refreshed.process.stdout.splitlines()]
    printed = {
        (slug, table): int(rows.replace(",", ""))
        for slug, table, rows in (line for line in words if len(line) == 3)
        if slug in SLUGS
    }
    owned = [table for table in TABLES if "organization" in table.column_names]
    held = {table.name: counts(refreshed.shell, table.name) for table in owned}
    assert printed == {
        (slug, table): rows.get(slug, 0) for slug in SLUGS for table, rows in held.items()
    }
    assert str(refreshed.shell.folder / SNAPSHOT) in refreshed.said


def test_the_snapshot_has_a_capacity_table_whose_sums_are_its_events(refreshed: Ran) -> None:
    assert refreshed.snapshot(
        "SELECT sum(events + events_cancelled) FROM marts.capacity_utilization"
    ) == (refreshed.snapshot("SELECT count(*) FROM raw.events"))


def test_a_refresh_leaves_its_data_and_its_state_in_its_folder_alone(refreshed: Ran) -> None:
    assert {path.name for path in refreshed.shell.folder.iterdir()} == {"sandbox", ".dagster"}
    assert list(refreshed.shell.home.iterdir()) == []
    assert not refreshed.shell.network_log.exists()
    assert (refreshed.shell.folder / SNAPSHOT).is_symlink()


def test_dagster_in_a_checkout_shows_the_runs_of_a_refresh_and_each_check_once(
    refreshed: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Path(__file__).parents[2]
    shutil.copy(project / "dagster.yaml", tmp_path)
    # The checkout's file names the folder of its state relative to the working directory.
    monkeypatch.chdir(refreshed.shell.folder)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        runs = instance.get_runs()
        checked = [
            evaluation.asset_check_key
            for run in runs
            for entry in instance.all_logs(run.run_id, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
            if (evaluation := entry.asset_check_evaluation)
        ]
    assert {run.job_name for run in runs} == {"collect", "derive"}
    every_check = build_definitions().resolve_asset_graph().asset_check_keys
    assert sorted(map(str, checked)) == sorted(map(str, every_check))
    assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}


def test_json_of_a_submitted_round_names_its_runs_and_their_organizations(refreshed: Ran) -> None:
    for arguments, slugs in (((), SLUGS), (("-o", SLUGS[1]), SLUGS[1:2])):
        told = refreshed.shell.run(
            "booking-assets", "refresh", "--submit", "--incremental", "--json", *arguments
        )
        assert told.returncode == 0
        submitted = json.loads(told.stdout)
        assert submitted.pop("round").startswith("submitted/")
        runs = [{"part": "1/1", "organizations": [*slugs]}]
        assert submitted == {"mode": "incremental", "runs": runs}


def test_json_is_one_object_with_the_figures_of_the_snapshot(refreshed: Ran) -> None:
    told = refreshed.shell.run("booking-assets", "refresh", "--json", "-o", SLUGS[0])
    assert (told.returncode, told.stderr.count("\n")) == (0, 1)
    summary = json.loads(told.stdout)
    (one,) = summary["organizations"]
    events = counts(refreshed.shell, "raw.events")[SLUGS[0]]
    assert (one["organization"], one["status"], one["events"]) == (SLUGS[0], "complete", events)
    assert one["rows"]["marts.capacity_by_event"] == summary["total"]["events"] == events
    assert (summary["is_complete"], summary["failures"]) == (True, [])
    assert (refreshed.shell.folder / SNAPSHOT).resolve().parent.name == summary["version"]
