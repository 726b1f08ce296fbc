"""Organizations that left, were renamed, withheld or forgotten."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import duckdb
import polars as pl
import pytest

from booking_assets.tables.capacity import CAPACITY_UTILIZATION
from booking_assets.tables.catalog import TABLES
from booking_assets.tables.marts import (
    EVENT_CHANGES,
    EVENT_HISTORY,
    ORGANIZATION_FRESHNESS,
    SEAT_HISTORY,
)
from booking_assets.tables.raw import COLLECTIONS, EVENT_COUNTS, EVENTS, REGISTRATIONS
from booking_assets.transforms import history
from booking_assets.warehouse.errors import OrganizationConflict, StaleMarts
from booking_assets.warehouse.loads import SliceLoad
from booking_assets.warehouse.view import ORGANIZATIONS_LISTED as LISTED
from booking_assets.warehouse.view import View
from booking_assets.warehouse.warehouse import Warehouse
from booking_assets_tests.warehouse.slice_loads import (
    START,
    collection,
    event_count,
    events,
    frame,
    instant,
    keys,
    put,
    slice_load,
    tenant,
)
from booking_assets_tests.warehouse.test_snapshot import mart

NAMES = ("acme", "globex", "initech")


def extend(warehouse: Warehouse) -> tuple[int, int]:
    def changed(
        last: pl.DataFrame, rows: pl.DataFrame, newest: pl.DataFrame
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        as_of = newest.select("organization", as_of="started_at")
        changes = history.changed_versions(last, rows, as_of)
        return changes.closed, changes.added

    return warehouse.extend_history(EVENT_HISTORY, changed)


def stored_as(landing: Path, slug: str, owner: str, rows: list[int], round_: int = 0) -> SliceLoad:
    """A load of `owner` under a slug."""
    identifier = str(tenant(owner))
    made = slice_load(
        landing, slug, events(slug, rows, round_, organization_identifier=identifier), round_
    )
    count = event_count(slug, round_, len(rows)).with_columns(
        organization_identifier=pl.lit(identifier)
    )
    return dataclasses.replace(made, identifier=tenant(owner), event_count=count)


@pytest.fixture
def filled(warehouse: Warehouse, landing: Path) -> Warehouse:
    """Three organizations with events, registrations, histories and freshness."""
    warehouse.store([slice_load(landing, name, events(name, [1, 2])) for name in NAMES])
    rows = [
        {
            "organization": name,
            "registration_identifier": str(UUID(int=number)),
            "collected_at": instant(0),
        }
        for number, name in enumerate(NAMES)
    ]
    put(warehouse, REGISTRATIONS, frame(REGISTRATIONS, rows))
    extend(warehouse)
    event = {"event_identifier": str(UUID(int=1))}
    changed = {"changed_at": instant(0), "change": "updated", "column_name": "event_title"}
    seats = {name: 0 for name in SEAT_HISTORY.members if name.startswith("seats_")}
    for table, row in ((EVENT_CHANGES, changed), (SEAT_HISTORY, seats | {"valid_from": START})):
        own = [event | row | {"organization": name} for name in NAMES]
        put(warehouse, table, frame(table, own))
    derive(warehouse, NAMES)
    return warehouse


def derive(warehouse: Warehouse, configured: tuple[str, ...]) -> None:
    """A mart of the visible organizations, and the freshness of the configured ones."""

    def marts(view: Warehouse) -> Iterator[pl.DataFrame]:
        for organization in view.newest_collections()["organization"]:
            yield mart(organization, 0, 2)

    warehouse.replace(CAPACITY_UTILIZATION, marts)
    rows = [
        {
            "organization": name,
            "events": 2,
            "rejected": 0,
            "is_current": True,
            "is_published": warehouse.organizations is None or name in warehouse.organizations,
            "events_as_of": instant(0),
        }
        for name in configured
    ]
    put(warehouse, ORGANIZATION_FRESHNESS, frame(ORGANIZATION_FRESHNESS, rows))


WITHOUT_ROWS = {
    f"raw.{name}" for name in ("rejected_rows", "groups", "achievements", "name_overrides")
}


def organizations(path: Path) -> dict[str, list[str]]:
    """The organizations of each table of a published file."""
    with duckdb.connect(str(path), read_only=True) as con:
        names = con.execute(
            "SELECT schema_name || '.' || table_name FROM duckdb_tables() ORDER BY 1"
        ).fetchall()
        return {
            name: sorted(
                slug
                for (slug,) in con.execute(f"SELECT DISTINCT organization FROM {name}").fetchall()
            )
            for (name,) in names
            if name not in WITHOUT_ROWS | {"marts.calendar", "marts.states"}
        }


def test_reads_of_a_view_have_its_organizations_alone(filled: Warehouse) -> None:
    view = filled.only(["acme", "globex", "it's"])
    two = ["acme", "globex"]
    assert sorted(view.read(EVENTS)["organization"].unique()) == two
    batched = view.read_batches(("event_identifier",), {EVENTS: ("organization",)})
    assert {row for (rows,) in batched for row in rows["organization"]} == {*two}
    assert view.row_counts(EVENTS) == dict.fromkeys(two, 2)
    assert view.newest_collections()["organization"].to_list() == two
    assert view.attempts()["organization"].to_list() == two
    assert view.reconciliation()["organization"].to_list() == two
    assert view.unmatched_registrations() == dict.fromkeys(two, 1)
    with view.session() as session:
        assert sorted(session.read(EVENTS)["organization"].unique()) == two
    assert view.only([]).read(EVENTS).is_empty()


def test_a_statement_does_not_grow_with_the_organizations_that_are_visible(
    filled: Warehouse,
) -> None:
    def seen(others: int) -> View:
        return View(con, frozenset({"acme", *(f"organization-{n}" for n in range(others))}))

    with duckdb.connect(str(filled.path), read_only=True) as con:
        one, listed, few, many = map(seen, (0, LISTED - 1, LISTED, 3_000))
        assert len(many.select(EVENTS)) == len(few.select(EVENTS))
        assert "organization-" in listed.select(EVENTS)
        for view in (listed, few, many):
            assert view.read(EVENTS, EVENTS.grain).equals(one.read(EVENTS, EVENTS.grain))


def test_an_organization_that_left_the_settings_leaves_marts_and_snapshot(
    filled: Warehouse,
) -> None:
    filled.publish()
    view = filled.only(["acme", "globex"])
    with pytest.raises(StaleMarts, match=r"marts\.capacity_utilization: initech"):
        view.publish()
    derive(view, ("acme", "globex"))
    published = view.publish()
    assert {tuple(slugs) for slugs in organizations(published.version).values()} == {
        ("acme", "globex")
    }
    assert published.rows["raw.events"] == 4
    assert filled.row_counts(EVENTS) == dict.fromkeys(NAMES, 2)
    assert filled.row_counts(EVENT_HISTORY) == dict.fromkeys(NAMES, 2)


def test_an_organization_that_comes_back_is_published_with_its_history(
    filled: Warehouse,
) -> None:
    derive(filled.only(["acme"]), ("acme",))
    filled.only(["acme"]).publish()
    derive(filled, NAMES)
    found = organizations(filled.publish().version)
    assert {tuple(slugs) for slugs in found.values()} == {NAMES}


def test_a_withheld_organization_is_in_the_freshness_alone(filled: Warehouse) -> None:
    view = filled.only(["acme", "globex"])
    derive(view, NAMES)
    found = organizations(view.publish().version)
    assert found.pop("marts.organization_freshness") == [*NAMES]
    assert {tuple(slugs) for slugs in found.values()} == {("acme", "globex")}
    copy = dataclasses.replace(filled, path=filled.snapshot.resolve())
    fresh = copy.read(ORGANIZATION_FRESHNESS)
    assert fresh.filter(~pl.col("is_published"))["organization"].to_list() == ["initech"]


def test_the_history_of_a_withheld_organization_stays_as_it_is(
    filled: Warehouse, landing: Path
) -> None:
    names = ("acme", "initech")
    filled.store([slice_load(landing, name, events(name, [3], 1), 1) for name in names])
    assert extend(filled.only(["acme", "globex"])) == (2, 3)
    assert filled.row_counts(EVENT_HISTORY) == {"acme": 5, "globex": 2, "initech": 2}
    assert extend(filled) == (2, 3)


def test_a_whole_warehouse_is_published_as_a_copy_of_the_file(filled: Warehouse) -> None:
    for view in (filled, filled.only([*NAMES, "new"])):
        assert view.publish().version.read_bytes() == filled.path.read_bytes()


@pytest.mark.parametrize(
    "renamed",
    [
        {"acme": "acme-college"},
        {"acme": "globex", "globex": "acme"},
        {"acme": "globex", "globex": "hooli"},
    ],
    ids=["one", "swapped", "in a row"],
)
def test_a_renamed_slug_carries_rows_log_and_history(
    filled: Warehouse, renamed: dict[str, str]
) -> None:
    before = {table: filled.read(table) for table in TABLES if filled.row_counts(table)}
    configured = {renamed.get(name, name): tenant(name) for name in NAMES}
    assert filled.rename_organizations(configured) == renamed
    for table, rows in before.items():
        after = rows.with_columns(pl.col("organization").replace(renamed))
        assert filled.read(table).sort(rows.columns).equals(after.sort(rows.columns))
    assert filled.rename_organizations(configured) == {}
    assert extend(filled) == (0, 0)


@pytest.mark.parametrize("empty", [False, True], ids=["with events", "without events"])
def test_an_organization_without_events_is_renamed_by_its_count(
    warehouse: Warehouse, landing: Path, empty: bool
) -> None:
    warehouse.store([slice_load(landing, "acme", events("acme", [] if empty else [1]))])
    assert warehouse.rename_organizations({"new": tenant("acme")}) == {"acme": "new"}
    assert warehouse.stored_identifiers() == {"new": tenant("acme")}


def test_nothing_stored_is_nothing_to_rename(warehouse: Warehouse) -> None:
    assert warehouse.rename_organizations({"acme": tenant("acme")}) == {}
    assert not warehouse.path.exists()


def test_an_organization_that_was_stored_under_both_slugs_becomes_one(
    warehouse: Warehouse, landing: Path
) -> None:
    """As earlier releases left it: 60 events became 120."""
    warehouse.store([slice_load(landing, "acme", events("acme", [1, 2, 3]), sequence=50)])
    extend(warehouse)
    warehouse.store([stored_as(landing, "new", "acme", [1, 2], 1)])
    extend(warehouse)
    assert warehouse.rename_organizations({"new": tenant("acme")}) == {"acme": "new"}
    assert keys(warehouse, "new") == {1, 2}
    assert warehouse.row_counts(EVENTS) == {"new": 2}
    assert warehouse.row_counts(EVENT_COUNTS) == {"new": 1}
    assert warehouse.newest_collections()["run_id"].to_list() == ["run 1"]
    assert warehouse.row_counts(COLLECTIONS) == {"new": 2}
    assert extend(warehouse) == (1, 1)
    rows = warehouse.read(EVENT_HISTORY).sort(EVENT_HISTORY.grain)
    one = rows.filter(pl.col("event_identifier") == str(UUID(int=1)))
    assert one.select("valid_from", "valid_to").rows() == [
        (instant(0), instant(1)),
        (instant(1), None),
    ]
    assert rows.filter(change="deleted").height == 1
    assert not warehouse.contract_breaches(EVENT_HISTORY)
    warehouse.store([stored_as(landing, "new", "acme", [1], 2)])
    assert keys(warehouse, "new") == {1}


def test_changes_under_a_former_slug_precede_those_under_the_slug_that_it_is_merged_with(
    warehouse: Warehouse, landing: Path
) -> None:
    for round_, rows in enumerate(([1], [1, 2])):
        load = slice_load(landing, "acme", events("acme", rows), round_, sequence=50 + round_)
        warehouse.store([load])
        extend(warehouse)
    assert warehouse.read(EVENT_CHANGES)["sequence"].to_list() == [51]
    warehouse.store([stored_as(landing, "new", "acme", [1], 2)])
    warehouse.rename_organizations({"new": tenant("acme")})
    assert warehouse.read(EVENT_CHANGES)["sequence"].to_list() == [None]


def test_a_slug_of_another_organization_is_not_taken_over(filled: Warehouse) -> None:
    configured = {"globex": tenant("acme"), "initech": tenant("initech")}
    with pytest.raises(OrganizationConflict, match="booking-assets forget globex"):
        filled.rename_organizations(configured)
    assert filled.row_counts(EVENTS) == dict.fromkeys(NAMES, 2)


def test_a_forgotten_organization_is_gone_from_every_table_and_from_the_file(
    filled: Warehouse, landing: Path
) -> None:
    secret = "Elisabetta Quindici"
    row = events("initech", [1], 1, last_change_user=secret)
    filled.store([slice_load(landing, "initech", row, 1)])
    extend(filled)
    assert secret.encode() in filled.path.read_bytes()
    removed = filled.forget("initech")
    assert removed == {
        "raw.event_counts": 1,
        "raw.events": 1,
        "raw.collections": 2,
        "raw.registrations": 1,
        "marts.capacity_utilization": 1,
        "marts.event_history": 4,
        "marts.event_changes": 3,
        "marts.seat_history": 1,
        "marts.organization_freshness": 1,
    }
    assert secret.encode() not in filled.path.read_bytes()
    for table in TABLES:
        assert "initech" not in filled.row_counts(table)
    assert filled.row_counts(EVENT_HISTORY) == {"acme": 2, "globex": 2}
    assert filled.path.stat().st_mode & 0o777 == 0o600
    assert filled.forget("initech") == {}
    kept = dataclasses.replace(filled, snapshots_kept=1).publish()
    assert len([*kept.version.parent.parent.iterdir()]) == 1


def test_foreign_rows_are_those_of_another_owner_than_configured(filled: Warehouse) -> None:
    """A refused collection of a corrected identifier leaves its count, and the rows of before."""
    configured = {name: tenant(name) for name in NAMES}
    assert filled.foreign_rows(configured) == {}
    corrected = configured | {"acme": tenant("globex")}
    assert filled.foreign_rows(corrected) == {"acme": 2}
    assert filled.only(["globex"]).foreign_rows(corrected) == {}


def test_an_event_that_is_newer_than_the_registrations_is_found(
    warehouse: Warehouse, landing: Path
) -> None:
    def seats(round_: int, status: str = "complete") -> None:
        warehouse.log(
            collection("acme", round_, resource="registrations", status=status, sequence=round_ + 1)
        )

    def found() -> set[int]:
        rows = warehouse.events_without_registrations()
        return {UUID(identifier).int for identifier in rows["event_identifier"]}

    warehouse.store([slice_load(landing, "acme", events("acme", [1, 2]), 0, sequence=1)])
    seats(0)
    extend(warehouse)
    assert found() == set()
    warehouse.store([slice_load(landing, "acme", events("acme", [1, 2, 3], 1), 1, sequence=2)])
    seats(1, "failed")
    extend(warehouse)
    assert found() == {3}
    # An incremental collection keeps the rows that did not change.
    rows = pl.concat([events("acme", [1, 2, 3], 1), events("acme", [4], 2)])
    warehouse.store([slice_load(landing, "acme", rows, 2, sequence=3)])
    seats(2, "access_denied")
    assert found() == {3, 4}
    warehouse.store([slice_load(landing, "acme", events("acme", [1, 3, 4], 3), 3, sequence=4)])
    seats(3)
    assert found() == set()


def test_a_new_event_is_found_also_where_the_clock_went_back(
    warehouse: Warehouse, landing: Path
) -> None:
    warehouse.store([slice_load(landing, "acme", events("acme", [1], 720), 720, sequence=1)])
    warehouse.log(collection("acme", 720, resource="registrations", sequence=1))
    extend(warehouse)
    warehouse.store([slice_load(landing, "acme", events("acme", [1, 2], 1), 1, sequence=2)])
    extend(warehouse)
    rows = warehouse.events_without_registrations()
    assert rows["event_identifier"].to_list() == [str(UUID(int=2))]
