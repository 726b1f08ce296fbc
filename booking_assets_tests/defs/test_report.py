"""The report as an asset: after the snapshot, and never in its way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import dagster as dg
import pytest

from booking_assets.definitions import build_definitions
from booking_assets.defs.report import WRITTEN, report_failures
from booking_assets_tests.defs.conftest import Site, materialized


@pytest.fixture(scope="module")
def site(new_site: Callable[..., Site]) -> Site:
    made = new_site()
    assert made.run("collect", made.slugs).success
    return made


def report_check(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    (found,) = [one for one in result.get_asset_check_evaluations() if one.check_name == WRITTEN]
    return found


def test_the_report_is_written_after_the_snapshot_and_shows_numbers_and_no_title(
    site: Site,
) -> None:
    result = site.run("derive")
    assert result.success
    (written,) = result.asset_materializations_for_node("report")
    assert {*written.metadata} == {"path", "pages", "pages drawn", "seconds"}
    assert written.metadata["pages"].value == 3
    assert written.metadata["path"].value == str(site.settings.report_path / "index.html")
    assert (site.settings.report_path / "organizations" / f"{site.slugs[0]}.html").is_file()
    assert report_check(result).passed
    assert report_failures(site.instance, result.run_id) == []


def test_a_report_that_fails_is_said_and_the_snapshot_is_published(site: Site) -> None:
    report = site.settings.report_path
    taken = replace(
        site,
        settings=site.settings.model_copy(
            update={"report": site.settings.report.model_copy(update={"path": "taken"})}
        ),
    )
    taken.settings.report_path.mkdir()
    before = site.settings.snapshot_path.resolve()
    result = taken.run("derive")
    assert result.success
    assert ("snapshot", None) in materialized(result)
    assert ("report", None) not in materialized(result)
    assert site.settings.snapshot_path.resolve() != before
    check = report_check(result)
    assert not check.passed
    assert "was not written by booking-assets: move it away" in (check.description or "")
    (said,) = report_failures(site.instance, result.run_id)
    assert said.startswith("report: ")
    assert report != taken.settings.report_path


def test_a_report_that_is_switched_off_is_no_asset(site: Site) -> None:
    off = site.settings.model_copy(
        update={"report": site.settings.report.model_copy(update={"enabled": False})}
    )
    graph = build_definitions(off).resolve_asset_graph()
    assert dg.AssetKey(["report"]) not in graph.get_all_asset_keys()
    assert dg.AssetKey(["snapshot"]) in graph.get_all_asset_keys()
