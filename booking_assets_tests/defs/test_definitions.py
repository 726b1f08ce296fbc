"""The code location: it loads anywhere, names exactly what there is, and explains each of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from booking_assets.definitions import build_definitions
from booking_assets.defs.specs import asset_key
from booking_assets.settings import Schedules
from booking_assets.tables.capacity import CAPACITY_BY_EVENT, CAPACITY_UTILIZATION
from booking_assets.tables.catalog import MART_TABLES, TABLES
from booking_assets.tables.contract import Table
from booking_assets.tables.marts import SEAT_HISTORY

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
