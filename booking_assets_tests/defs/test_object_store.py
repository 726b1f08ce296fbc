"""The runs of an installation with `[storage]`: `collect` lands, `derive` loads first."""

from __future__ import annotations

from dataclasses import replace

import dagster as dg
import pytest

from booking_assets.defs.jobs import COLLECT, DERIVE
from booking_assets.defs.runs import run_refresh
from booking_assets.pipeline.progress import NoProgress
from booking_assets.settings import Storage
from booking_assets.tables.raw import EVENTS
from booking_assets_tests.defs.conftest import EVENTS_EACH, Site


@pytest.fixture
def shared(site: Site) -> Site:
    storage = Storage(url=str(site.settings.root / "store"))
    return replace(site, settings=site.settings.model_copy(update={"storage": storage}))


def succeeded(result: dg.ExecuteInProcessResult) -> list[str]:
    events = result.all_events
    return [one.step_key or "" for one in events if one.event_type_value == "STEP_SUCCESS"]


def test_collect_lands_without_a_warehouse_and_derive_loads_before_all_else(shared: Site) -> None:
    collected = shared.run(COLLECT)
    assert succeeded(collected) == ["collect_organizations"]
    assert not shared.settings.warehouse_path.exists()
    assert collected.get_asset_check_evaluations() == []
    derived = shared.run(DERIVE)
    assert derived.success
    assert succeeded(derived)[0] == "load_landings"
    assert shared.stored_rows(EVENTS) == dict.fromkeys(shared.slugs, EVENTS_EACH)
    assert all(one.passed for one in derived.get_asset_check_evaluations())
    for written in derived.asset_materializations_for_node("load_landings"):
        assert written.metadata["collections loaded"].value == 4 * len(shared.slugs)


def test_a_refresh_reports_what_was_loaded_and_what_failed(
    shared: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *others = shared.slugs
    variable = shared.settings.organizations[0].credential_variable
    monkeypatch.setenv(variable, "wrong")
    refreshed = run_refresh(
        shared.definitions,
        shared.settings,
        shared.slugs,
        NoProgress(),
        mode="full",
        allow_shrink=False,
        instance=shared.instance,
        tags={},
    )
    assert refreshed.report.failed_organizations == (first,)
    assert variable in " ".join(refreshed.report.explanations)
    assert refreshed.failures == ()
    assert shared.stored_rows(EVENTS) == dict.fromkeys(others, EVENTS_EACH)
    assert shared.settings.snapshot_path.exists()
