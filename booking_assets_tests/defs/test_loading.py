"""Loading the code location: anywhere, from a checkout, by any command, with faulty settings."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from pathlib import Path

import pytest

import booking_assets
from booking_assets.definitions import build_definitions, defs
from booking_assets.settings import SettingsError
from booking_assets.tables.catalog import TABLES
from booking_assets_tests.commands import Shell, shell

PACKAGE = Path(booking_assets.__file__).parent
PROJECT = Path(__file__).parents[2]


LOADING = """
import sys, threading
unwanted = {"socket.connect", "socket.bind", "socket.getaddrinfo"}
seen = []
sys.addaudithook(lambda event, args: seen.append(event) if event in unwanted else None)
from booking_assets.definitions import defs
repository = defs().get_repository_def()
assert not seen, seen
assert threading.enumerate() == [threading.main_thread()], threading.enumerate()
print(*repository.job_names)
"""


@pytest.mark.slow
def test_loading_reaches_for_nothing_and_writes_nothing(tmp_path: Path) -> None:
    empty = shell(tmp_path)
    loaded = empty.run("python", "-c", LOADING)
    assert (loaded.returncode, loaded.stderr) == (0, "")
    assert "collect" in loaded.stdout.split()
    assert list(empty.folder.iterdir()) == []
    assert list(empty.home.iterdir()) == []
    assert not empty.network_log.exists()


@pytest.fixture
def checkout(tmp_path: Path) -> Shell:
    """The files that a checkout gives to Dagster, and nothing else."""
    copied = shell(tmp_path)
    for name in ("workspace.yaml", "dagster.yaml", "pyproject.toml"):
        shutil.copy(PROJECT / name, copied.folder)
    shutil.copytree(
        PACKAGE,
        copied.folder / "booking_assets",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    return copied


@pytest.mark.slow
def test_dagster_validates_a_fresh_checkout_without_network_or_environment(checkout: Shell) -> None:
    validated = checkout.run("dagster", "definitions", "validate", "-w", "workspace.yaml")
    assert validated.returncode == 0, validated.stdout + validated.stderr
    assert not checkout.network_log.exists()
    assert not (checkout.folder / "data").exists()


@pytest.mark.slow
def test_dg_lists_and_checks_a_checkout_and_what_it_scaffolded(checkout: Shell) -> None:
    # The checkout's own package comes before the installed one.
    source = {"PYTHONPATH": f"{checkout.folder}:{checkout.environment['PYTHONPATH']}"}
    made = checkout.run("dg", "scaffold", "defs", "dagster.asset", "seats.py", variables=source)
    assert made.returncode == 0, made.stderr
    assert (checkout.folder / "booking_assets/defs/seats.py").is_file()
    listed = checkout.run("dg", "list", "defs", "--json", variables=source)
    assert listed.returncode == 0, listed.stderr
    keys = {one["asset_key"] for one in json.loads(listed.stdout)["assets"]}
    assert keys == {
        *(table.name.replace(".", "/") for table in TABLES),
        "snapshot",
        "report",
        "seats",
    }
    checked = checkout.run("dg", "check", "defs", variables=source)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_code_location_has_one_name_however_it_is_started() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    names = {
        project["dagster"]["code_location_name"],
        project["dg"]["project"]["code_location_name"],
    }
    for workspace in (PROJECT / "workspace.yaml", PACKAGE / "workspace.yaml"):
        names |= {*re.findall(r"location_name: (.+)", workspace.read_text(encoding="utf-8"))}
    assert names == {"booking_assets"}


FAULTLESS = """
[api]
base_url = "https://example.org"

[[organizations]]
slug = "acme"
identifier = "123e4567-e89b-12d3-a456-426614174000"
token_env = "TOKEN"
"""
FAULTY = """
[api]
base_url = "ftp://example.org"
page_sise = 10

[[organizations]]
slug = "Acme Ltd"
identifier = "not-a-uuid"
token_env = "TOKEN"

[[organizations]]
slug = "beta"
identifier = "123e4567-e89b-12d3-a456-426614174000"

[schedules]
timezone = "Mars/Olympus"
"""


def test_the_owners_of_the_settings_own_every_asset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owners = ["team:training", "data@example.org"]
    (tmp_path / "booking.toml").write_text(
        f"{FAULTLESS}\n[dagster]\nowners = {json.dumps(owners)}\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BOOKING_CONFIG", raising=False)
    graph = build_definitions().resolve_asset_graph()
    assert {tuple(graph.get(key).owners) for key in graph.get_all_asset_keys()} == {tuple(owners)}


def test_every_fault_of_the_settings_is_told_when_loading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "booking.toml").write_text(FAULTY, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BOOKING_CONFIG", raising=False)
    with pytest.raises(SettingsError) as raised:
        defs()
    message = str(raised.value)
    assert message.startswith(f"{tmp_path / 'booking.toml'} cannot be used:")
    for key in (
        "api.base_url",
        "api.page_sise",
        "organizations.0.slug",
        "organizations.0.identifier",
        "organizations.1",
        "schedules.timezone",
    ):
        assert sum(fault.startswith(f"{key}: ") for fault in raised.value.faults) == 1, message
    assert len(raised.value.faults) == 6


def test_a_checkout_and_the_installed_package_run_dagster_alike() -> None:
    here = (PROJECT / "dagster.yaml").read_text(encoding="utf-8")
    package = (PACKAGE / "dagster.yaml").read_text(encoding="utf-8")
    first = "run_monitoring:"
    state, shared = here.partition(first)[::2]
    assert re.findall(r"^\w+", state, re.MULTILINE) == [
        "storage",
        "local_artifact_storage",
        "compute_logs",
    ]
    home, packaged = package.partition(first)[::2]
    assert re.findall(r"^\w+", home, re.MULTILINE) == ["storage"]
    storage = re.compile(r"^ +(?:module|class): .+", re.MULTILINE)
    assert storage.findall(home) == storage.findall(state.partition("local_artifact")[0])
    assert shared == packaged
