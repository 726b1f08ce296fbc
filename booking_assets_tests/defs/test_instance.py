"""Where Dagster's state lies when `booking-assets` starts it."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from booking_assets.defs.instance import HOME_VARIABLE, prepare_dagster_home
from booking_assets.settings import load_settings


def test_state_lies_beside_the_configuration_with_the_instance_settings_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, "")
    home = prepare_dagster_home(load_settings({}, tmp_path))
    assert home == tmp_path / ".dagster"
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert instance.root_directory == str(home)
        assert instance.run_monitoring_enabled
        assert instance.run_monitoring_max_runtime_seconds == 14_400
        assert not instance.telemetry_enabled


@pytest.mark.parametrize("elsewhere", [False, True], ids=["unset", "another folder"])
def test_whoever_opens_the_state_by_its_folder_finds_its_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, elsewhere: bool
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, "")
    home = prepare_dagster_home(load_settings({}, tmp_path))
    with dg.DagsterInstance.from_config(str(home)) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("seats"))
    if elsewhere:
        monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "elsewhere"))
    else:
        monkeypatch.delenv(HOME_VARIABLE)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert instance.get_latest_materialization_event(dg.AssetKey("seats"))


def test_the_folder_that_a_person_names_is_used_with_their_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    home = prepare_dagster_home(load_settings({}, tmp_path / "elsewhere"))
    assert home == tmp_path
    assert [path.name for path in home.iterdir()] == ["dagster.yaml"]


def test_a_named_folder_may_be_relative_and_need_not_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(HOME_VARIABLE, "state/dagster")
    home = prepare_dagster_home(load_settings({}, tmp_path))
    assert home == tmp_path / "state/dagster"
    assert home.is_dir()
