"""The code location: it loads anywhere, names exactly what there is, and explains each of it."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import booking_assets
from booking_assets.definitions import build_definitions, defs
from booking_assets.defs.specs import asset_key
from booking_assets.settings import Schedules, SettingsError
from booking_assets.tables.capacity import CAPACITY_BY_EVENT, CAPACITY_UTILIZATION
from booking_assets.tables.catalog import MART_TABLES, TABLES
from booking_assets.tables.contract import Table
from booking_assets.tables.marts import SEAT_HISTORY
from booking_assets_tests.commands import Shell, shell

PACKAGE = Path(booking_assets.__file__).parent
PROJECT = Path(__file__).parents[2]

# A check that stops what follows, one that withholds its organization alone, one that only warns.
BLOCKING, WITHHOLDING, WARNING = True, False, False


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.Definitions]:
    """What is loaded in an empty folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("empty"))
        patch.delenv("BOOKING_CONFIG", raising=False)
        yield build_definitions()


@pytest.fixture(scope="module")
def graph(definitions: dg.Definitions) -> dg.AssetGraph:
    return definitions.resolve_asset_graph()


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


def test_marts_and_the_snapshot_become_stale_where_no_run_comes(graph: dg.AssetGraph) -> None:
    max_age = timedelta(hours=Schedules().max_age_hours)
    stale = {
        key.to_user_string(): policy
        for key in graph.get_all_asset_keys()
        if (policy := graph.get(key).freshness_policy_or_from_metadata)
    }
    assert stale.keys() == {*(f"marts/{one.short_name}" for one in MART_TABLES), "snapshot"}
    assert {*stale.values()} == {dg.FreshnessPolicy.time_window(max_age)}


def test_the_launchpad_shows_limits_and_neither_credentials_nor_paths(
    definitions: dg.Definitions,
) -> None:
    schema: Any = definitions.resolve_job_def("collect").run_config_schema.config_type
    resources = schema.fields["resources"].config_type.fields
    configurable = {
        name: resource.config_type.fields["config"].config_type
        for name, resource in resources.items()
    }
    shown = {name: {*getattr(one, "fields", ())} for name, one in configurable.items()}
    assert shown["booking_api"] == {
        "page_size",
        "max_concurrency",
        "timeout_seconds",
        "max_organizations",
    }
    assert shown["warehouse"] == {"memory_limit", "threads", "busy_timeout_seconds"}
    ours = shown.keys() - {"io_manager"}
    assert {name for name in ours if shown[name]} == {"booking_api", "warehouse"}


def test_these_are_all_assets_by_group(graph: dg.AssetGraph) -> None:
    groups: dict[str, set[str]] = {}
    for key in graph.get_all_asset_keys():
        groups.setdefault(graph.get(key).group_name, set()).add(key.to_user_string())
    assert groups == {
        "raw": {
            "raw/event_counts",
            "raw/events",
            "raw/registrations",
            "raw/groups",
            "raw/achievements",
            "raw/name_overrides",
            "raw/rejected_rows",
            "raw/collections",
        },
        "marts": {
            "marts/venues",
            "marts/achievements",
            "marts/organizations",
            "marts/capacity_by_event",
            "marts/capacity_utilization",
            "marts/course_utilization",
            "marts/attendance_by_event",
            "marts/calendar",
            "marts/states",
            "marts/distribution_by_event",
            "marts/distribution_status",
            "marts/room_utilization",
            "marts/room_conflicts",
            "marts/event_history",
            "marts/event_changes",
            "marts/seat_history",
            "marts/organization_freshness",
        },
        "published": {"snapshot", "report"},
    }


COLLECTED = {"raw/events", "raw/registrations", "raw/groups", "raw/achievements"}
NAMES = {"marts/venues", "marts/achievements"}


def test_every_asset_depends_on_what_it_is_made_of(graph: dg.AssetGraph) -> None:
    parents = {
        key.to_user_string(): {parent.to_user_string() for parent in graph.get(key).parent_keys}
        for key in graph.get_all_asset_keys()
    }
    assert parents == {
        "raw/event_counts": set(),
        "raw/events": {"raw/event_counts"},
        "raw/registrations": {"raw/event_counts"},
        "raw/groups": {"raw/event_counts"},
        "raw/achievements": {"raw/event_counts"},
        "raw/name_overrides": set(),
        "raw/rejected_rows": COLLECTED,
        "raw/collections": COLLECTED,
        "marts/venues": {"raw/events", "raw/groups", "raw/name_overrides"},
        "marts/achievements": {"raw/events", "raw/achievements", "raw/name_overrides"},
        "marts/organizations": {"raw/events", "raw/name_overrides"},
        "marts/capacity_by_event": {"raw/events", "raw/registrations", *NAMES},
        "marts/capacity_utilization": {"marts/capacity_by_event", "marts/venues"},
        "marts/course_utilization": {"marts/capacity_by_event", "marts/achievements"},
        "marts/attendance_by_event": {
            "marts/capacity_by_event",
            "marts/achievements",
            "raw/registrations",
        },
        "marts/calendar": {"marts/capacity_by_event"},
        "marts/states": {"marts/capacity_by_event"},
        "marts/distribution_by_event": {"raw/events", "marts/venues"},
        "marts/distribution_status": {"marts/distribution_by_event"},
        "marts/room_utilization": {"raw/events", "marts/venues"},
        "marts/room_conflicts": {"raw/events", "marts/venues"},
        "marts/event_history": {"raw/events"},
        "marts/event_changes": {"marts/event_history"},
        "marts/seat_history": {"marts/capacity_by_event"},
        "marts/organization_freshness": {
            "raw/events",
            "raw/event_counts",
            "raw/registrations",
            "raw/groups",
        },
        "snapshot": {f"marts/{table.short_name}" for table in MART_TABLES},
        "report": {"snapshot"},
    }


def test_these_are_all_checks_and_what_each_may_stop(graph: dg.AssetGraph) -> None:
    checks = {
        f"{key.asset_key.to_user_string()} {key.name}": graph.get(key).blocking
        for key in graph.asset_check_keys
    }
    contracts = {f"{table.schema}/{table.short_name} contract_holds": BLOCKING for table in TABLES}
    assert checks == contracts | {
        "raw/events counted_is_stored": WITHHOLDING,
        "raw/events newest_attempt_succeeded": WARNING,
        "raw/registrations newest_attempt_succeeded": WARNING,
        "raw/events no_foreign_rows": WITHHOLDING,
        "raw/events no_unknown_members": WARNING,
        "raw/registrations counted_is_stored": WITHHOLDING,
        "raw/registrations seats_are_known": WARNING,
        "raw/registrations events_are_known": WARNING,
        "raw/groups names_are_known": WARNING,
        "raw/achievements names_are_known": WARNING,
        "raw/rejected_rows no_rejected_rows": WARNING,
        "raw/collections no_sharp_shrink": WARNING,
        "raw/collections fresh_enough": WARNING,
        "report report_written": WARNING,
    }


def test_every_check_says_what_it_promises(graph: dg.AssetGraph) -> None:
    silent = [key for key in graph.asset_check_keys if not graph.get(key).description]
    assert silent == []


def test_these_are_all_jobs_schedules_and_sensors(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    jobs = {job.name for job in repository.get_all_jobs()} - {"__ASSET_JOB"}
    assert jobs == {"collect", "derive", "retention"}
    assert {(one.name, one.job_name) for one in repository.schedule_defs} == {
        ("collect_hourly", "collect"),
        ("collect_nightly", "collect"),
        ("retention_daily", "retention"),
    }
    assert {one.name: [job.name for job in one.jobs] for one in repository.sensor_defs} == {
        "derive_after_collect": ["derive"],
        "derive_after_failed_collect": ["derive"],
        "rounds": ["collect", "derive"],
    }


def test_nothing_starts_by_itself_unless_the_settings_say_so(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    assert {one.default_status for one in repository.schedule_defs} == {
        dg.DefaultScheduleStatus.STOPPED
    }
    assert {one.default_status for one in repository.sensor_defs} == {
        dg.DefaultSensorStatus.STOPPED
    }
    assert all(one.execution_timezone for one in repository.schedule_defs)


def test_every_job_schedule_and_sensor_has_a_description(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    described = {
        **{job.name: job.description for job in repository.get_all_jobs()},
        **{schedule.name: schedule.description for schedule in repository.schedule_defs},
        **{sensor.name: sensor.description for sensor in repository.sensor_defs},
    }
    del described["__ASSET_JOB"]
    assert [name for name, description in described.items() if not description] == []


def test_runs_are_one_process(definitions: dg.Definitions) -> None:
    for name in ("collect", "derive", "retention"):
        assert definitions.resolve_job_def(name).executor_def.name == "in_process"


def test_only_what_is_collected_is_partitioned(graph: dg.AssetGraph) -> None:
    nodes = [graph.get(key) for key in graph.get_all_asset_keys()]
    partitioned = [node for node in nodes if node.partitions_def is not None]
    assert {node.key.to_user_string() for node in partitioned} == {
        "raw/event_counts",
        *COLLECTED,
    }
    slugs = ["harbour-trades", "northern-health", "river-college"]
    for node in partitioned:
        assert node.partitions_def is not None
        assert node.partitions_def.get_partition_keys() == slugs
        assert node.backfill_policy == dg.BackfillPolicy.single_run()


def test_every_asset_says_what_it_is_and_how_it_is_made(graph: dg.AssetGraph) -> None:
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert not node.owners, key
        assert "duckdb" in node.kinds, key
        assert node.tags["layer"] == node.group_name, key


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_an_asset_shows_the_columns_of_its_contract(graph: dg.AssetGraph, table: Table) -> None:
    metadata = graph.get(asset_key(table)).metadata
    assert metadata["dagster/table_name"] == table.name
    columns = metadata["dagster/column_schema"].columns
    assert tuple(column.name for column in columns) == table.column_names
    assert {column.name: column.description for column in columns} == table.meanings
    assert {column.name for column in columns if not column.constraints.nullable} == {
        *table.required
    }
    assert graph.get(asset_key(table)).description == table.description


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


def lineage(graph: dg.AssetGraph, table: Table) -> dict[str, set[str]]:
    """The upstream columns of each column that has some, as `schema/table.column`."""
    deps = graph.get(asset_key(table)).metadata["dagster/column_lineage"].deps_by_column
    return {
        column: {f"{one.asset_key.to_user_string()}.{one.column_name}" for one in sources}
        for column, sources in deps.items()
    }


def test_a_column_that_is_one_of_an_upstream_table_is_traced_to_it(graph: dg.AssetGraph) -> None:
    capacity = lineage(graph, CAPACITY_BY_EVENT)
    assert capacity["event_title"] == {"raw/events.event_title"}
    assert capacity["venue_name"] == {"marts/venues.venue_name"}
    # Computed by a transform.
    assert not {"seats_taken", "utilization", "as_of"} & capacity.keys()
    by_month = lineage(graph, CAPACITY_UTILIZATION)
    assert by_month["venue_name"] == {"marts/venues.venue_name"}
    assert by_month["organization"] == {"marts/capacity_by_event.organization"}
    seats = lineage(graph, SEAT_HISTORY)
    assert seats["seats_confirmed"] == {"marts/capacity_by_event.seats_confirmed"}


def test_lineage_names_columns_that_there_are(graph: dg.AssetGraph) -> None:
    columns = {
        f"{table.schema}/{table.short_name}.{name}" for table in TABLES for name in table.dtypes
    }
    for table in MART_TABLES:
        for column, sources in lineage(graph, table).items():
            assert column in table.dtypes
            assert sources <= columns


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
