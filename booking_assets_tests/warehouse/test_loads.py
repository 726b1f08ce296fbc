"""`Warehouse.store` and `Warehouse.log`: a slice is replaced whole, or not at all."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import polars as pl
import pytest

from booking_assets.tables.raw import (
    COLLECTIONS,
    EVENT_COUNTS,
    EVENTS,
    REGISTRATIONS,
    REJECTED_ROWS,
)
from booking_assets.warehouse import ddl
from booking_assets.warehouse.errors import (
    FrameMismatch,
    SliceLoadFailed,
    WarehouseOutOfMemory,
    WarehouseUnwritable,
)
from booking_assets.warehouse.loads import SliceLoad
from booking_assets.warehouse.warehouse import Warehouse
from booking_assets_tests.warehouse.slice_loads import (
    collection,
    event_count,
    events,
    frame,
    instant,
    keys,
    land,
    rejected,
    slice_load,
    tenant,
    titles,
)


def test_a_rerun_replaces_the_slice_and_reports_what_is_gone(
    warehouse: Warehouse, landing: Path
) -> None:
    assert warehouse.store([slice_load(landing, "acme", events("acme", [1, 2, 3]))]) == {
        ("acme", "events"): 0
    }
    gone = warehouse.store([slice_load(landing, "acme", events("acme", [2, 4], 1), 1)])
    assert gone == {("acme", "events"): 2}
    assert keys(warehouse, "acme") == {2, 4}
    log = warehouse.read(COLLECTIONS).sort("started_at")
    assert log["rows_deleted"].to_list() == [0, 2]
    assert warehouse.read(EVENT_COUNTS)["event_count"].to_list() == [2]


def test_the_same_slice_twice_changes_no_row(warehouse: Warehouse, landing: Path) -> None:
    for round_ in (0, 1):
        warehouse.store([slice_load(landing, "acme", events("acme", [1, 2]), round_)])
    assert warehouse.row_counts(EVENTS) == {"acme": 2}


def test_too_little_memory_changes_nothing_and_names_the_setting(
    warehouse: Warehouse, landing: Path
) -> None:
    warehouse.store([slice_load(landing, "acme", events("acme", [1, 2]))])
    frugal = dataclasses.replace(warehouse, memory_limit="1MB")
    with pytest.raises(WarehouseOutOfMemory, match=r"1MB.*raise memory_limit under \[warehouse\]"):
        frugal.store([slice_load(landing, "acme", events("acme", range(3_000), 1), 1)])
    assert keys(warehouse, "acme") == {1, 2}


def test_one_batch_stores_each_organization_and_leaves_the_others(
    warehouse: Warehouse, landing: Path
) -> None:
    first = [
        slice_load(landing, name, events(name, [1, 2])) for name in ("acme", "globex", "initech")
    ]
    warehouse.store(first)
    second = [
        slice_load(landing, "acme", events("acme", [2], 1), 1),
        slice_load(landing, "globex", events("globex", [], 1), 1),
    ]
    assert warehouse.store(second) == {("acme", "events"): 1, ("globex", "events"): 2}
    assert warehouse.row_counts(EVENTS) == {"acme": 1, "initech": 2}
    assert titles(warehouse, "initech") == ["round 0"]


def test_an_empty_slice_is_an_answer(warehouse: Warehouse, landing: Path) -> None:
    warehouse.store([slice_load(landing, "acme", events("acme", []))])
    assert warehouse.row_counts(EVENTS) == {}
    assert warehouse.read(EVENTS).equals(EVENTS.empty())
    assert warehouse.newest_collections()["organization"].to_list() == ["acme"]


def test_a_slice_may_come_in_several_files(warehouse: Warehouse, landing: Path) -> None:
    whole = slice_load(landing, "acme", events("acme", []))
    parts = land(landing, events("acme", [1])) + land(landing, events("acme", [2]))
    warehouse.store(
        [
            dataclasses.replace(
                whole,
                slices=dict(whole.slices) | {EVENTS: parts},
                rows={EVENTS: 2, REJECTED_ROWS: 0},
            )
        ]
    )
    assert keys(warehouse, "acme") == {1, 2}


def test_rejected_rows_are_replaced_by_organization_and_resource(
    warehouse: Warehouse, landing: Path
) -> None:
    warehouse.store([slice_load(landing, "acme", events("acme", [1]), unfit=rejected("acme", 3))])
    seats = dataclasses.replace(
        slice_load(landing, "acme", events("acme", []), 0),
        slices={REJECTED_ROWS: land(landing, rejected("acme", 2, "registrations"))},
        rows={REJECTED_ROWS: 2},
        event_count=None,
        collection=collection("acme", 0, resource="registrations"),
    )
    warehouse.store([seats])
    assert (
        warehouse.read(REJECTED_ROWS)["resource"].sort().to_list()
        == ["events"] * 3 + ["registrations"] * 2
    )
    warehouse.store(
        [slice_load(landing, "acme", events("acme", [1]), 1, unfit=rejected("acme", 1))]
    )
    assert warehouse.row_counts(REJECTED_ROWS) == {"acme": 3}
    as_many = slice_load(landing, "acme", events("acme", [1]), 2, unfit=rejected("acme", 2))
    seats = dataclasses.replace(seats, collection=collection("acme", 2, resource="registrations"))
    warehouse.store([as_many, seats])
    assert warehouse.row_counts(REJECTED_ROWS) == {"acme": 4}


@pytest.mark.parametrize("newer", [True, False], ids=["beside newer ones", "alone"])
def test_a_landing_of_registrations_without_their_request_is_loaded_with_null(
    warehouse: Warehouse, landing: Path, newer: bool
) -> None:
    """Landings of releases before `registration_requested_on` do not have the column."""

    def registrations(organization: str) -> pl.DataFrame:
        row = {
            "organization": organization,
            "registration_identifier": str(UUID(int=7)),
            "registration_requested_on": instant(3),
            "collected_at": instant(0),
        }
        return frame(REGISTRATIONS, [row])

    def load(organization: str, rows: pl.DataFrame) -> SliceLoad:
        return dataclasses.replace(
            slice_load(landing, organization, events(organization, [])),
            slices={REGISTRATIONS: land(landing, rows)},
            rows={REGISTRATIONS: 1},
            event_count=None,
            collection=collection(organization, 0, 1, resource="registrations"),
        )

    expected = {"acme": None} | ({"globex": instant(3)} if newer else {})
    loads = [load("acme", registrations("acme").drop("registration_requested_on"))]
    loads += [load("globex", registrations("globex"))] if newer else []
    warehouse.store(loads)
    stored = warehouse.read(REGISTRATIONS, ["organization", "registration_requested_on"])
    assert dict(stored.iter_rows()) == expected
    spoiled = load("acme", registrations("acme").drop("approval_status"))
    with pytest.raises(SliceLoadFailed, match="approval_status is absent instead of VARCHAR"):
        warehouse.store([spoiled])


ODD_NAMES = ("a[1]", "st*r", "qu?st", "it's", "organization=x", "{a,b}", "back\\slash", "a b#%")


def test_a_landing_file_may_have_any_name(warehouse: Warehouse, landing: Path) -> None:
    for matched in ("a1", "star", "quest"):
        land(landing, events("globex", [9]), matched)
    batch = [
        slice_load(landing, f"o{number}", events(f"o{number}", [number]), name=name)
        for number, name in enumerate(ODD_NAMES)
    ]
    warehouse.store(batch)
    assert warehouse.row_counts(EVENTS) == {d.organization: 1 for d in batch}


REFUSALS: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], str]] = {
    "an extra column": (lambda f: f.with_columns(x=1), "x is INTEGER instead of absent"),
    "a missing column": (lambda f: f.drop("extra"), "extra is absent instead of VARCHAR"),
    "a wrong type": (
        lambda f: f.with_columns(pl.col("event_number").cast(pl.String)),
        "event_number is VARCHAR instead of INTEGER",
    ),
    "a time without a zone": (
        lambda f: f.with_columns(pl.col("exam_started").dt.replace_time_zone(None)),
        "exam_started is TIMESTAMP instead of TIMESTAMP WITH TIME ZONE",
    ),
    "a null key": (
        lambda f: f.with_columns(event_identifier=pl.lit(None, pl.String)),
        "2 rows for raw.events have no event_identifier",
    ),
    "an identifier that is no UUID": (
        lambda f: f.with_columns(venue_office_identifier=pl.lit("x")),
        "2 rows for raw.events have a venue_office_identifier that is no UUID",
    ),
    "a key twice, in two aliases": (
        lambda f: f.with_columns(
            event_identifier=pl.Series(
                ["abcdef00-0000-0000-0000-000000000000", "ABCDEF00-0000-0000-0000-000000000000"]
            )
        ),
        "1 keys (organization, event_identifier) are repeated in raw.events",
    ),
    "a row of another organization": (
        lambda f: f.with_columns(organization=pl.Series(["acme", "globex"])),
        "1 rows for raw.events name another organization",
    ),
    "a row of another tenant": (
        lambda f: f.with_columns(
            organization_identifier=pl.Series([str(tenant("acme")), str(tenant("globex"))])
        ),
        "1 rows for raw.events belong to another organization of the API",
    ),
    "fewer rows than expected": (
        lambda f: f.head(1),
        "raw.events would have 1 rows of it instead of 2",
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refused_slice_leaves_the_old_rows_of_the_whole_batch(
    warehouse: Warehouse, landing: Path, refusal: str
) -> None:
    warehouse.store([slice_load(landing, name, events(name, [7])) for name in ("acme", "globex")])
    change, fault = REFUSALS[refusal]
    good = slice_load(landing, "globex", events("globex", [1], 1), 1)
    bad = slice_load(landing, "acme", change(events("acme", [1, 2], 1)), 1, expected=2)
    with pytest.raises(SliceLoadFailed, match="acme: ") as refused:
        warehouse.store([good, bad])
    assert fault in str(refused.value)
    assert refused.value.organization == "acme"
    assert keys(warehouse, "acme") == keys(warehouse, "globex") == {7}
    assert warehouse.read(COLLECTIONS)["run_id"].unique().to_list() == ["run 0"]


def test_after_a_refusal_the_others_are_stored_without_it(
    warehouse: Warehouse, landing: Path
) -> None:
    batch = [slice_load(landing, name, events(name, [1, 2])) for name in ("acme", "globex")]
    batch[0] = dataclasses.replace(batch[0], rows={EVENTS: 3, REJECTED_ROWS: 0})
    with pytest.raises(SliceLoadFailed, match="would have 2 rows of it instead of 3") as refused:
        warehouse.store(batch)
    warehouse.store([d for d in batch if d.organization != refused.value.organization])
    assert warehouse.row_counts(EVENTS) == {"globex": 2}


def test_two_organizations_cannot_swap_rows_within_a_batch(
    warehouse: Warehouse, landing: Path
) -> None:
    swapped = [
        slice_load(landing, "acme", events("globex", [1])),
        slice_load(landing, "globex", events("acme", [1])),
    ]
    with pytest.raises(SliceLoadFailed, match=r"1 rows for raw\.events name another organization"):
        warehouse.store(swapped)


@pytest.mark.parametrize("damage", ["truncated", "noise", "gone"])
def test_a_damaged_landing_file_is_named_with_its_organization(
    warehouse: Warehouse, landing: Path, damage: str
) -> None:
    good, bad = (slice_load(landing, n, events(n, [1, 2])) for n in ("globex", "acme"))
    (file,) = bad.slices[EVENTS]
    content = file.read_bytes()
    file.unlink()
    if damage != "gone":
        file.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"\0" * 5000)
    with pytest.raises(SliceLoadFailed, match="acme: the landing file") as refused:
        warehouse.store([good, bad])
    assert str(file) in str(refused.value)


@pytest.mark.parametrize("part", ["collection", "event_count"])
def test_a_log_row_of_another_organization_is_refused(
    warehouse: Warehouse, landing: Path, part: str
) -> None:
    foreign: dict[str, Any] = {
        "collection": collection("globex"),
        "event_count": event_count("globex"),
    }
    made = dataclasses.replace(
        slice_load(landing, "acme", events("acme", [1])), **{part: foreign[part]}
    )
    with pytest.raises(SliceLoadFailed, match="acme: its log row names globex"):
        warehouse.store([made])


def test_a_refused_collection_is_logged_and_its_slice_stays(
    warehouse: Warehouse, landing: Path
) -> None:
    warehouse.store([slice_load(landing, "acme", events("acme", [1, 2]))])
    warehouse.log(collection("acme", 1, status="failed"), event_count("acme", 1, 9))
    assert keys(warehouse, "acme") == {1, 2}
    assert warehouse.read(EVENT_COUNTS)["event_count"].to_list() == [9]
    assert warehouse.newest_collections()["run_id"].to_list() == ["run 0"]
    assert warehouse.read(COLLECTIONS).height == 2


def test_the_log_takes_a_run_once(warehouse: Warehouse) -> None:
    warehouse.log(collection("acme"))
    with pytest.raises(
        SliceLoadFailed, match=r"events of run run 0 are in raw\.collections already"
    ):
        warehouse.log(collection("acme"))


def test_a_log_row_that_does_not_fit_changes_nothing(warehouse: Warehouse) -> None:
    with pytest.raises(FrameMismatch, match=r"NOT NULL constraint failed: collections\.status"):
        warehouse.log(collection("acme", status=None), event_count("acme"))
    assert warehouse.row_counts(EVENT_COUNTS) == {}


def test_values_are_not_interpreted_as_sql(warehouse: Warehouse, landing: Path) -> None:
    name = """x'); DROP TABLE raw.events; --"""
    warehouse.store([slice_load(landing, name, events(name, [1], event_title="';"))])
    assert warehouse.row_counts(EVENTS) == {name: 1}


def test_many_organizations_fit_into_one_batch(warehouse: Warehouse, landing: Path) -> None:
    warehouse.store([slice_load(landing, f"o{n}", events(f"o{n}", [n])) for n in range(50)])
    assert len(warehouse.row_counts(EVENTS)) == 50
    assert warehouse.foreign_rows() == {}


def test_a_failed_load_can_be_pickled() -> None:
    refused = pickle.loads(pickle.dumps(SliceLoadFailed("acme", "2 rows are foreign")))
    assert (refused.organization, refused.fault) == ("acme", "2 rows are foreign")


def test_identifiers_come_back_in_lower_case(warehouse: Warehouse, landing: Path) -> None:
    upper = str(UUID(int=0xABCDEF)).upper()
    warehouse.store([slice_load(landing, "acme", events("acme", [1], event_identifier=upper))])
    assert warehouse.read(EVENTS)["event_identifier"].to_list() == [upper.lower()]


def test_a_slice_larger_than_the_memory_limit_is_stored(
    warehouse: Warehouse, landing: Path
) -> None:
    """DuckDB spills it to a folder beside the warehouse, and removes the folder."""
    identifiers = pl.DataFrame({"event_identifier": [str(UUID(int=key)) for key in range(20_000)]})
    event = events("acme", [0], content="x" * 200).drop("event_identifier")
    rows = event.join(identifiers, how="cross").select(EVENTS.column_names)
    small = dataclasses.replace(warehouse, memory_limit="24MB", threads=1)
    small.store([slice_load(landing, "acme", rows)])
    assert small.row_counts(EVENTS) == {"acme": 20_000}
    assert {path.name for path in warehouse.path.parent.iterdir()} == {
        warehouse.path.name,
        f"{warehouse.path.name}.lock",
    }


def test_a_folder_that_cannot_be_written_is_named_with_the_remedy(warehouse: Warehouse) -> None:
    warehouse.path.parent.write_text("a file in the folder's place", encoding="utf-8")
    with pytest.raises(WarehouseUnwritable, match=r"could not be written .*let this user write"):
        warehouse.log(COLLECTIONS.empty())


@pytest.mark.parametrize("said", ["COLUMN raw.events.venue_room", "TABLE raw.events"])
def test_a_comment_of_an_earlier_release_is_renewed_by_the_next_load(
    warehouse: Warehouse, landing: Path, said: str
) -> None:
    warehouse.store([slice_load(landing, "acme", events("acme", [1, 2]))])
    with duckdb.connect(str(warehouse.path)) as con:
        con.execute(f"COMMENT ON {said} IS 'of an earlier release'")
        assert not ddl.are_current(con, [EVENTS])
    warehouse.store([slice_load(landing, "acme", events("acme", [1]), 1)])
    with duckdb.connect(str(warehouse.path)) as con:
        assert ddl.are_current(con, [EVENTS])
    assert warehouse.row_counts(EVENTS) == {"acme": 1}
