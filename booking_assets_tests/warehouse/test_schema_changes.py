"""A stored table that is not its contract: migrated where no row is lost, refused otherwise."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import duckdb
import pytest

from booking_assets.tables.raw import EVENTS, REJECTED_ROWS
from booking_assets.warehouse import ddl
from booking_assets.warehouse.errors import SchemaMismatch
from booking_assets.warehouse.warehouse import Warehouse
from booking_assets_tests.warehouse.kinds import (
    KINDS,
    FewerKinds,
    MoreRequiredKinds,
    OtherKinds,
    table,
)
from booking_assets_tests.warehouse.slice_loads import (
    collection,
    events,
    frame,
    keys,
    put,
    slice_load,
)


def test_a_column_that_the_contract_gains_is_added_and_commented(
    warehouse: Warehouse, landing: Path
) -> None:
    warehouse.store([slice_load(landing, "acme", events("acme", [1, 2]))])
    with duckdb.connect(str(warehouse.path)) as con:
        con.execute("ALTER TABLE raw.events DROP COLUMN venue_room")
        con.execute("ALTER TABLE raw.events DROP COLUMN exam_started")
    assert warehouse.read(EVENTS)["venue_room"].to_list() == [None, None]
    assert "venue_room" in " ".join(warehouse.contract_breaches(EVENTS).columns)
    warehouse.store([slice_load(landing, "globex", events("globex", [3], venue_room="R1"))])
    assert not warehouse.contract_breaches(EVENTS)
    assert keys(warehouse, "acme") == {1, 2}
    assert sorted(warehouse.read(EVENTS)["venue_room"].to_list(), key=str) == [None, None, "R1"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            "DROP COLUMN event_identifier",
            "event_identifier is absent, the contract says UUID NOT NULL",
        ),
        ("ADD COLUMN mystery INTEGER", "mystery is INTEGER, the contract says absent"),
        ("ALTER venue_room TYPE INTEGER", "venue_room is INTEGER, the contract says VARCHAR"),
        ("ALTER collected_at DROP NOT NULL", "the contract says TIMESTAMP WITH TIME ZONE NOT NULL"),
    ],
)
def test_any_other_change_is_refused_with_the_command_that_rebuilds(
    warehouse: Warehouse, landing: Path, change: str, named: str
) -> None:
    warehouse.store([slice_load(landing, "acme", events("acme", [1]))])
    with duckdb.connect(str(warehouse.path)) as con:
        con.execute(f"ALTER TABLE raw.events {change}")
    for call in (
        lambda: warehouse.store([slice_load(landing, "acme", events("acme", []), 1)]),
        lambda: warehouse.read(EVENTS),
    ):
        with pytest.raises(SchemaMismatch, match="booking-assets rebuild") as mismatch:
            call()
        assert named in str(mismatch.value)
    assert warehouse.row_counts(EVENTS) == {"acme": 1}


def test_a_mart_is_recreated_from_its_contract(warehouse: Warehouse) -> None:
    put(warehouse, table(OtherKinds), table(OtherKinds).empty())
    put(warehouse, KINDS, KINDS.empty())
    assert warehouse.read(KINDS).schema == KINDS.dtypes


def test_a_required_column_cannot_be_added_to_stored_rows() -> None:
    stored = ddl.declarations(table(FewerKinds))
    values = ddl.contract_values(KINDS, stored)
    assert {name for name, value in values.items() if value == "NULL"} == {*KINDS.column_names} - {
        *stored
    }
    with pytest.raises(
        SchemaMismatch, match="number is absent, the contract says INTEGER NOT NULL"
    ):
        ddl.contract_values(table(MoreRequiredKinds), stored)


def test_a_column_that_may_be_null_now_is_migrated(warehouse: Warehouse) -> None:
    warehouse.log(collection("acme"))
    with duckdb.connect(str(warehouse.path)) as con:
        con.execute("ALTER TABLE raw.rejected_rows ALTER identifier SET NOT NULL")
    assert warehouse.contract_breaches(REJECTED_ROWS).columns
    warehouse.log(collection("acme", 1))
    assert not warehouse.contract_breaches(REJECTED_ROWS)


def test_breaches_count_nulls_and_repeated_keys(warehouse: Warehouse) -> None:
    loose = dataclasses.replace(KINDS, columns=OtherKinds)
    rows = [{"organization": "acme"}] * 3
    put(warehouse, loose, frame(loose, rows))
    with duckdb.connect(str(warehouse.path)) as con:
        con.execute("ALTER TABLE marts.kinds ALTER organization DROP NOT NULL")
        con.execute("INSERT INTO marts.kinds (organization) VALUES (NULL)")
    found = warehouse.contract_breaches(dataclasses.replace(loose, grain=("organization",)))
    assert found
    assert (found.nulls, found.duplicates) == ({"organization": 1}, 2)
    assert found.columns == ("organization is VARCHAR, the contract says VARCHAR NOT NULL",)
