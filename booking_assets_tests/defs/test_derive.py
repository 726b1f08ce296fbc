"""Deriving as Dagster runs it: marts from what is stored, published whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import dagster as dg
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from booking_assets.defs.specs import SNAPSHOT_KEY, asset_key
from booking_assets.sandbox.tenants import token_variable
from booking_assets.tables.capacity import (
    ATTENDANCE_BY_EVENT,
    CALENDAR,
    CAPACITY_BY_EVENT,
    CAPACITY_UTILIZATION,
    COURSE_UTILIZATION,
    STATES,
)
from booking_assets.tables.catalog import HISTORY_TABLES, MART_TABLES, TABLES
from booking_assets.tables.marts import (
    DISTRIBUTION_BY_EVENT,
    DISTRIBUTION_STATUS,
    EVENT_CHANGES,
    EVENT_HISTORY,
    ORGANIZATION_FRESHNESS,
    ROOM_CONFLICTS,
    ROOM_UTILIZATION,
)
from booking_assets.tables.names import name_columns
from booking_assets.tables.raw import COLLECTIONS, EVENTS, REGISTRATIONS
from booking_assets.transforms.attendance import attendance_by_event
from booking_assets.transforms.calendar import calendar, states
from booking_assets.transforms.capacity import (
    capacity_utilization,
    course_utilization,
)
from booking_assets.transforms.conflicts import room_conflicts
from booking_assets.transforms.distribution import distribution_by_event, distribution_status
from booking_assets.transforms.names import with_names
from booking_assets.transforms.rooms import room_utilization
from booking_assets.transforms.seats import REGISTRATION_COLUMNS
from booking_assets_tests.defs.conftest import EVENTS_EACH, Site, materialized
from booking_assets_tests.transforms.capacity import derived as capacity_derived

DERIVED = {("snapshot", None), ("report", None), ("raw/name_overrides", None)} | {
    (f"marts/{table.short_name}", None) for table in MART_TABLES
}


@pytest.fixture(scope="module")
def derived(new_site: Callable[..., Site]) -> tuple[Site, dg.ExecuteInProcessResult]:
    site = new_site()
    assert site.run("collect", site.slugs).success
    return site, site.run("derive")


@pytest.fixture
def damaged(derived: tuple[Site, dg.ExecuteInProcessResult]) -> Iterator[Site]:
    """The derived site, for a test that changes its warehouse by hand; intact again afterwards."""
    warehouse = derived[0].settings.warehouse_path
    intact = warehouse.read_bytes()
    yield derived[0]
    warehouse.write_bytes(intact)


def stopped_by(result: dg.ExecuteInProcessResult) -> list[tuple[str, str]]:
    """The blocking checks that failed."""
    return [
        (one.asset_key.to_user_string(), one.check_name)
        for one in result.get_asset_check_evaluations()
        if one.blocking and not one.passed
    ]


def test_every_mart_and_the_snapshot_are_derived(
    derived: tuple[Site, dg.ExecuteInProcessResult],
) -> None:
    result = derived[1]
    assert result.success
    assert materialized(result) == DERIVED
    assert stopped_by(result) == []


def test_the_stored_marts_are_what_the_transforms_make_of_the_stored_rows(
    derived: tuple[Site, dg.ExecuteInProcessResult],
) -> None:
    site = derived[0]
    warehouse = site.warehouse
    events = warehouse.read(EVENTS)
    registrations = warehouse.read(REGISTRATIONS, REGISTRATION_COLUMNS)
    newest = warehouse.read(COLLECTIONS).filter(resource=EVENTS.short_name)
    as_of = newest.select("organization", as_of="started_at")
    seats_as_of = warehouse.seats_as_of()
    capacity = capacity_derived(events, as_of, registrations, seats_as_of)
    packages = distribution_by_event(events, as_of)
    expected = {
        CAPACITY_BY_EVENT: capacity,
        CAPACITY_UTILIZATION: capacity_utilization(capacity, seats_as_of["organization"]),
        COURSE_UTILIZATION: course_utilization(capacity, seats_as_of["organization"]),
        ATTENDANCE_BY_EVENT: attendance_by_event(capacity, registrations),
        CALENDAR: calendar(capacity),
        STATES: states(MART_TABLES),
        DISTRIBUTION_BY_EVENT: packages,
        DISTRIBUTION_STATUS: distribution_status(packages),
        ROOM_UTILIZATION: room_utilization(events, as_of),
        ROOM_CONFLICTS: pl.concat([ROOM_CONFLICTS.empty(), *room_conflicts(events, as_of).frames]),
    }
    assert capacity.height == 3 * EVENTS_EACH
    for table, frame in expected.items():
        columns = name_columns(table)
        found = {name: (column, warehouse.read(column.table)) for name, column in columns.items()}
        named = with_names(frame, table, found)
        assert_frame_equal(warehouse.read(table), named, check_row_order=False)


def test_the_history_begins_with_what_is_stored(
    derived: tuple[Site, dg.ExecuteInProcessResult],
) -> None:
    warehouse = derived[0].warehouse
    versions, events = warehouse.read(EVENT_HISTORY), warehouse.read(EVENTS)
    assert_frame_equal(versions.select(events.columns), events, check_row_order=False)
    assert versions["valid_to"].null_count() == versions.height
    assert set(versions["change"]) == {"inserted"}


def test_every_organization_is_known_to_be_complete(
    derived: tuple[Site, dg.ExecuteInProcessResult],
) -> None:
    fresh = derived[0].warehouse.read(ORGANIZATION_FRESHNESS)
    assert set(fresh["organization"]) == set(derived[0].slugs)
    assert fresh["is_current"].all()
    assert fresh["is_published"].all()
    assert fresh["events"].to_list() == [EVENTS_EACH] * 3


def test_a_mart_shows_its_rows_and_the_snapshot_shows_where_it_is(
    derived: tuple[Site, dg.ExecuteInProcessResult],
) -> None:
    site, result = derived
    rows = {table: site.warehouse.read(table).height for table in TABLES}
    events = result.get_asset_materialization_events()
    shown = {event.asset_key: event.materialization.metadata for event in events}
    assert rows.pop(EVENT_CHANGES) == 0
    for table in MART_TABLES:
        counted = "dagster/row_count"
        if table in HISTORY_TABLES:
            counted = "versions added"
        assert shown[asset_key(table)][counted].value == rows.get(table, rows[EVENT_HISTORY])
    (published,) = result.asset_materializations_for_node("snapshot")
    assert published.metadata["path"].value == str(site.settings.snapshot_path)
    numbers = {name: one.value for name, one in published.metadata.items()}
    summary = site.asked(
        "SELECT sum(seats_offered), sum(seats_taken),"
        " sum(seats_taken) / sum(seats_offered_known) FROM marts.capacity_utilization"
    )
    offered, taken, utilization = (
        numbers[name] for name in ("seats offered", "seats taken", "seat utilization")
    )
    assert summary == [(offered, taken, pytest.approx(utilization, abs=1e-4))]
    packages = site.asked(
        "SELECT count(*) FILTER (distribution_state = 'Overdue'),"
        " count(*) FILTER (distribution_state = 'Failed') FROM marts.distribution_by_event"
    )
    assert packages == [(numbers["packages overdue"], numbers["packages failed"])]
    (hours,) = site.asked("SELECT sum(double_booked_hours) FROM marts.room_utilization")
    assert hours == (pytest.approx(numbers["double-booked hours"], abs=1e-4),)
    by_organization = published.metadata["by organization"]
    assert isinstance(by_organization, dg.TableMetadataValue)
    assert [one.data["organization"] for one in by_organization.records] == sorted(site.slugs)
    for table in TABLES:
        assert published.metadata[f"rows of {table.name}"].value == rows.get(table, 0)


def test_where_an_organization_is_refused_the_others_are_derived(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(token_variable(site.slugs[0]))
    result = site.run("collect", site.slugs)
    assert not result.success
    assert not materialized(result) & DERIVED
    # What is stored is derived by the next run.
    assert site.run("derive").success
    marts = site.warehouse.read(CAPACITY_BY_EVENT)
    assert set(marts["organization"]) == set(site.slugs[1:])


FOREIGN_ROW = "UPDATE raw.events SET organization_identifier = uuid()"
LOST_ROW = "DELETE FROM raw.events"
DAMAGES = {"no_foreign_rows": FOREIGN_ROW, "counted_is_stored": LOST_ROW}
"""What breaks the promise of a check."""


def test_an_organization_that_breaks_a_promise_is_withheld_and_shown_red(damaged: Site) -> None:
    broken = dict(zip(DAMAGES, damaged.slugs, strict=False))
    for promise, slug in broken.items():
        damaged.by_hand(
            f"{DAMAGES[promise]} WHERE event_identifier ="
            f" (SELECT min(event_identifier) FROM raw.events WHERE organization = '{slug}')"
        )

    result = damaged.run("derive")

    assert result.success
    assert stopped_by(result) == []
    for promise, slug in broken.items():
        (failed,) = [
            one
            for one in result.get_asset_check_evaluations()
            if one.check_name == promise and not one.passed
        ]
        assert failed.severity is dg.AssetCheckSeverity.ERROR
        assert failed.metadata["organizations"].value == slug
    marts = damaged.warehouse.read(CAPACITY_BY_EVENT)
    assert {*marts["organization"]} == {*damaged.slugs} - {*broken.values()}


def test_a_mart_that_breaks_its_contract_is_not_published(damaged: Site) -> None:
    before = damaged.settings.snapshot_path.resolve()
    damaged.by_hand("INSERT INTO marts.capacity_by_event FROM marts.capacity_by_event LIMIT 2")
    publish = dg.define_asset_job(
        "publish",
        selection=dg.AssetSelection.assets(SNAPSHOT_KEY)
        | dg.AssetSelection.checks_for_assets(*(asset_key(table) for table in MART_TABLES)),
    )
    definitions = dg.Definitions.merge(damaged.definitions, dg.Definitions(jobs=[publish]))

    result = definitions.resolve_job_def("publish").execute_in_process(
        instance=damaged.instance, raise_on_error=False
    )

    assert stopped_by(result) == [("marts/capacity_by_event", "contract_holds")]
    (evaluation,) = [one for one in result.get_asset_check_evaluations() if not one.passed]
    assert evaluation.metadata["duplicate keys"].value == 2
    assert materialized(result) == set()
    assert damaged.settings.snapshot_path.resolve() == before


def test_deriving_before_anything_was_collected_says_what_to_do(site: Site) -> None:
    result = site.run("derive")
    assert not result.success
    errors = [event.step_failure_data.error for event in result.get_step_failure_events()]
    assert any("booking-assets refresh" in str(error) for error in errors)
    assert not site.settings.snapshot_path.exists()


def test_a_warning_stops_nothing(damaged: Site) -> None:
    damaged.by_hand("UPDATE raw.collections SET started_at = started_at - INTERVAL 3 DAY")
    result = damaged.run("derive")
    assert result.success
    (overdue,) = [
        one for one in result.get_asset_check_evaluations() if one.check_name == "fresh_enough"
    ]
    assert not overdue.passed
    assert overdue.severity is dg.AssetCheckSeverity.WARN
    assert overdue.metadata["failing organizations"].value == 3
