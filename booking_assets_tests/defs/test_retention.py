"""What grows with each run stops growing; runs of others are left alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from booking_assets.defs.retention import delete_old_runs
from booking_assets.settings import Retention
from booking_assets_tests.defs.conftest import Site


@pytest.fixture(scope="module")
def kept(new_site: Callable[..., Site]) -> Site:
    """An installation with five collections of an organization."""
    site = new_site(durable=True)
    for _ in range(5):
        assert site.run("collect", site.slugs[:1]).success
    return site


def files(site: Site) -> set[str]:
    """The files of Dagster's state that belong to single runs."""
    root = Path(site.instance.root_directory)
    runs = {run.run_id for run in site.instance.get_runs()}
    found = [path for path in root.rglob("*") if path.is_file()]
    known = {part for path in found for part in path.parts if len(part.partition(".")[0]) == 36}
    assert {part.partition(".")[0] for part in known} <= runs
    return known


def test_runs_are_kept_by_number_and_by_age(kept: Site) -> None:
    now = datetime.now(UTC)
    assert delete_old_runs(kept.instance, Retention(), now) == 0
    assert delete_old_runs(kept.instance, Retention(runs_count=3), now) == 2
    newest = kept.instance.get_runs()
    assert len(newest) == 3
    assert len(files(kept)) >= 3
    assert [run.job_name for run in newest] == ["collect"] * 3
    in_a_month = now + timedelta(days=31)
    assert delete_old_runs(kept.instance, Retention(), in_a_month) == 3
    assert files(kept) == set()


def test_runs_of_another_project_are_left_alone(kept: Site) -> None:
    run = dg.DagsterRun("theirs", status=dg.DagsterRunStatus.SUCCESS)
    kept.instance.add_run(run)
    later = datetime.now(UTC) + timedelta(days=365)
    delete_old_runs(kept.instance, Retention(runs_count=1), later)
    assert kept.instance.get_run_by_id(run.run_id) is not None


def test_the_job_applies_the_settings(kept: Site) -> None:
    assert kept.run("retention").success
