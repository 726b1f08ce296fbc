"""Collecting as Dagster runs it: every organization on its own partition, and alone in failing."""

from __future__ import annotations

from collections.abc import Callable

import dagster as dg
import pytest

from booking_assets.defs.metadata import SHOWN
from booking_assets.defs.raw import NO_RETRY_TAGS
from booking_assets.defs.specs import COLLECTED_TABLES, PARTITIONED_TABLES, asset_key
from booking_assets.pipeline.loads import CONTRACTS
from booking_assets.sandbox.tenants import token_variable
from booking_assets.tables.contract import Table
from booking_assets.tables.raw import (
    COLLECTIONS,
    EVENT_COUNTS,
    EVENTS,
    REGISTRATIONS,
    REJECTED_ROWS,
)
from booking_assets_tests.defs.conftest import EVENTS_EACH, Site, materialized

RESOURCES = [rows.table for rows in CONTRACTS.values()]
ALLOWED = {"ops": {"collect_organizations": {"config": {"allow_shrink": True}}}}


@pytest.fixture(scope="module")
def collected(new_site: Callable[..., Site]) -> tuple[Site, dg.ExecuteInProcessResult]:
    site = new_site(durable=True)
    return site, site.run("collect", site.slugs)


def newest_metadata(site: Site, table: Table, slug: str) -> dict[str, object]:
    filtered = dg.AssetRecordsFilter(asset_key=asset_key(table), asset_partitions=[slug])
    (record,) = site.instance.fetch_materializations(filtered, limit=1).records
    assert record.asset_materialization is not None
    return {name: one.value for name, one in record.asset_materialization.metadata.items()}


def failure(result: dg.ExecuteInProcessResult) -> dg.Failure | None:
    (event,) = result.get_step_failure_events()
    data = event.step_failure_data.user_failure_data
    return data and dg.Failure(data.description, data.metadata)


def events_of(result: dg.ExecuteInProcessResult) -> set[dg.DagsterEventType]:
    return {event.event_type for event in result.all_events}


def test_one_run_materializes_every_organization(
    collected: tuple[Site, dg.ExecuteInProcessResult],
) -> None:
    site, result = collected
    assert result.success
    partitions = {
        (f"raw/{name}", slug)
        for name in ("event_counts", "events", "registrations", "groups", "achievements")
        for slug in site.slugs
    }
    logs = {("raw/rejected_rows", None), ("raw/collections", None)}
    assert materialized(result) == partitions | logs
    assert site.stored_rows(EVENTS) == dict.fromkeys(site.slugs, EVENTS_EACH)
    for table in PARTITIONED_TABLES:
        assert site.instance.get_materialized_partitions(asset_key(table)) == set(site.slugs)


@pytest.mark.parametrize("table", RESOURCES, ids=lambda table: table.short_name)
def test_a_partition_shows_the_numbers_of_its_own_collection(
    collected: tuple[Site, dg.ExecuteInProcessResult], table: Table
) -> None:
    site, result = collected
    log = site.log(result.run_id, table.short_name)
    assert log.keys() == set(site.slugs)
    for slug, logged in log.items():
        shown = newest_metadata(site, table, slug)
        assert {name: shown[name] for name in SHOWN} == {name: logged[name] for name in SHOWN}
        assert shown["dagster/partition_row_count"] == logged["rows_loaded"]


def test_a_count_is_shown_with_the_one_that_confirmed_it(
    collected: tuple[Site, dg.ExecuteInProcessResult],
) -> None:
    for slug in collected[0].slugs:
        counts = newest_metadata(collected[0], EVENT_COUNTS, slug)
        assert counts == {"count_before": EVENTS_EACH, "count_after": EVENTS_EACH}


def test_the_checks_of_the_raw_tables_run_with_it_and_none_stops_it(
    collected: tuple[Site, dg.ExecuteInProcessResult],
) -> None:
    site, result = collected
    evaluations = result.get_asset_check_evaluations()
    checks = site.definitions.resolve_asset_graph().asset_check_keys
    assert {one.asset_check_key for one in evaluations} == {
        key for key in checks if key.asset_key in {*map(asset_key, COLLECTED_TABLES)}
    }
    assert [one.asset_check_key for one in evaluations if one.blocking and not one.passed] == []


def test_the_log_says_what_was_stored_of_each_organization(
    collected: tuple[Site, dg.ExecuteInProcessResult],
) -> None:
    site, result = collected
    log_rows = site.instance.all_logs(result.run_id)
    said = " ".join(log_row.user_message for log_row in log_rows if not log_row.is_dagster_event)
    for table in RESOURCES:
        for slug, logged in site.log(result.run_id, table.short_name).items():
            rows = logged["rows_loaded"]
            line = f"{slug}: {rows} of {rows} {table.short_name}, 0 rejected, 0 deleted"
            assert said.count(line) == 1


@pytest.mark.slow
def test_a_part_of_the_organizations_can_be_collected(site: Site) -> None:
    assert site.run("collect", site.slugs[1:]).success
    assert site.stored_rows(EVENTS) == dict.fromkeys(site.slugs[1:], EVENTS_EACH)
    assert site.instance.get_materialized_partitions(asset_key(EVENTS)) == set(site.slugs[1:])


CANARY = "canary-0d6f-of-no-organization"


@pytest.mark.parametrize(
    ("token", "refusal", "remedy"),
    [
        (None, "the environment variable {variable} is unset or blank", "Set the variable"),
        (CANARY, "HTTP 401", "Set a valid token"),
        ("another's", "the credential belongs to organization", "its own credential"),
    ],
    ids=["without a token", "with a wrong token", "with another organization's token"],
)
def test_an_organization_that_is_refused_fails_alone(
    site: Site, monkeypatch: pytest.MonkeyPatch, token: str | None, refusal: str, remedy: str
) -> None:
    first, refused, last = site.slugs
    variable = token_variable(refused)
    if token is None:
        monkeypatch.delenv(variable)
    else:
        monkeypatch.setenv(variable, site.tenants[0].token if token == "another's" else token)

    result = site.run("collect", site.slugs)

    assert not result.success
    assert site.stored_rows(EVENTS) == {first: EVENTS_EACH, last: EVENTS_EACH}
    assert site.instance.get_materialized_partitions(asset_key(EVENTS)) == {first, last}
    assert newest_metadata(site, EVENTS, last)["rows_loaded"] == EVENTS_EACH

    logged = site.log(result.run_id)
    assert {slug: row["status"] for slug, row in logged.items() if slug != refused} == {
        first: "complete",
        last: "complete",
    }
    assert refusal.format(variable=variable) in logged[refused]["reason"]
    assert (logged[refused]["rows_loaded"], logged[refused]["count_before"]) == (0, None)

    told = failure(result)
    assert told is not None
    assert told.description is not None
    assert "1 of 3 organizations" in told.description
    for part in (refused, refusal.format(variable=variable), remedy):
        assert part in told.description
    assert told.metadata.keys() == {f"{refused}, events"}
    assert refused not in site.log(result.run_id, "registrations")


@pytest.mark.slow
def test_the_checks_are_evaluated_where_an_organization_fails_and_say_who_since_when_and_why(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert site.run("collect", site.slugs).success
    refused = site.slugs[0]
    monkeypatch.delenv(token_variable(refused))
    result = site.run("collect", site.slugs)
    assert not result.success
    assert not result.get_asset_check_evaluations()
    keys = [*site.definitions.resolve_asset_graph().asset_check_keys]
    raw = [key for key in keys if key.asset_key in {asset_key(one) for one in COLLECTED_TABLES}]
    stored = site.instance.event_log_storage.get_latest_asset_check_execution_by_key(raw)
    statuses = {key: (one.status.value, one.run_id == result.run_id) for key, one in stored.items()}
    newest = dg.AssetCheckKey(asset_key(EVENTS), "newest_attempt_succeeded")
    assert statuses.pop(newest) == ("FAILED", False)
    assert ("PLANNED", True) not in statuses.values()
    assert statuses[dg.AssetCheckKey(asset_key(EVENTS), "counted_is_stored")][0] == "SUCCEEDED"
    event = stored[newest].event
    assert event is not None
    shown = event.get_dagster_event().asset_check_evaluation_data.metadata["reasons"]
    assert isinstance(shown, dg.TableMetadataValue)
    (row,) = (one.data for one in shown.records)
    log = site.log(result.run_id)[refused]
    assert row == {
        "organization": refused,
        "since": f"{log['started_at']:%Y-%m-%d %H:%M} UTC",
        "reason": log["reason"],
        "remedy": log["remedy"],
    }


def test_a_refused_organization_is_not_tried_again_by_dagster(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(token_variable(site.slugs[0]))
    result = site.run("collect", site.slugs)
    run = site.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.tags.items() >= NO_RETRY_TAGS.items()
    assert dg.DagsterEventType.STEP_UP_FOR_RETRY not in events_of(result)


def test_no_token_is_told_or_written(
    durable_site: Site, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(token_variable(durable_site.slugs[1]), CANARY)
    result = durable_site.run("collect", durable_site.slugs, console="DEBUG")
    assert len(durable_site.log(result.run_id)) == 3
    told = "".join(capfd.readouterr())
    assert "HTTP 401" in told
    files = [path for path in durable_site.settings.root.rglob("*") if path.is_file()]
    assert {".db", ".duckdb", ".parquet"} <= {path.suffix for path in files}
    for token in (CANARY, *(tenant.token for tenant in durable_site.tenants)):
        assert token not in told
        assert [path for path in files if token.encode() in path.read_bytes()] == []


@pytest.mark.slow
def test_a_table_that_is_not_its_contract_fails_the_run_with_the_remedy(site: Site) -> None:
    assert site.run("collect", site.slugs).success
    for table in (EVENTS, REGISTRATIONS):
        site.by_hand(f"ALTER TABLE {table.name} ALTER last_change_time TYPE VARCHAR")
    result = site.run("collect", site.slugs)
    (event,) = result.get_step_failure_events()
    told = str(event.step_failure_data.error)
    assert "booking-assets rebuild" in told
    assert "last_change_time" in told
    assert site.stored_rows(EVENTS) == dict.fromkeys(site.slugs, EVENTS_EACH)


@pytest.mark.slow
def test_a_slice_that_shrinks_is_stored_only_when_a_person_asks(site: Site) -> None:
    slug = site.slugs[0]
    assert site.run("collect", [slug]).success
    with site.serving(EVENTS_EACH // 3) as shrunk:
        refused = shrunk.run("collect", [slug])
        assert not refused.success
        assert shrunk.stored_rows(EVENTS) == {slug: EVENTS_EACH}
        told = failure(refused)
        assert told is not None
        for number in (EVENTS_EACH, EVENTS_EACH // 3):
            assert str(number) in (told.description or "")

        allowed = shrunk.run("collect", [slug], ALLOWED)
        assert allowed.success
        assert shrunk.stored_rows(EVENTS) == {slug: EVENTS_EACH // 3}
        assert newest_metadata(shrunk, EVENTS, slug)["rows_deleted"] == EVENTS_EACH * 2 // 3
    warned = [one for one in allowed.get_asset_check_evaluations() if not one.passed]
    shrunken = {one.check_name: one.metadata["organizations"].value for one in warned}
    assert shrunken["no_sharp_shrink"] == slug


def test_when_every_organization_is_refused_the_log_still_says_so(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for slug in site.slugs:
        monkeypatch.delenv(token_variable(slug))
    result = site.run("collect", site.slugs)
    assert not result.success
    assert site.log(result.run_id).keys() == set(site.slugs)
    assert site.stored_rows(COLLECTIONS) == dict.fromkeys(site.slugs, 1)
    assert site.stored_rows(REJECTED_ROWS) == {}


@pytest.mark.slow
def test_a_limit_of_the_launchpad_overrides_the_setting_for_one_run(site: Site) -> None:
    config = {"resources": {"booking_api": {"config": {"page_size": 5}}}}
    assert site.run("collect", site.slugs[:1], config).success
    (pages,) = site.warehouse.read(COLLECTIONS).filter(resource="events")["pages"]
    assert pages == EVENTS_EACH // 5


def test_a_limit_outside_its_bounds_fails_the_run_and_names_it(site: Site) -> None:
    config = {"resources": {"warehouse": {"config": {"threads": 0}}}}
    result = site.run("collect", site.slugs[:1], config)
    (event,) = result.get_step_failure_events()
    assert "threads" in str(event.step_failure_data.error)


@pytest.mark.slow
def test_a_run_without_partitions_collects_every_organization_of_the_settings(site: Site) -> None:
    result = site.run("collect")
    assert result.success
    assert site.stored_rows(EVENTS) == dict.fromkeys(site.slugs, EVENTS_EACH)
    assert site.instance.get_materialized_partitions(asset_key(EVENTS)) == set(site.slugs)
