"""`Warehouse.replace` and `Warehouse.read`, and the tables that they create."""

from __future__ import annotations

import os
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from booking_assets.tables.capacity import CAPACITY_UTILIZATION
from booking_assets.tables.catalog import TABLES
from booking_assets.tables.raw import EVENTS
from booking_assets.warehouse.errors import FrameMismatch, TableNotFound
from booking_assets.warehouse.figures import PREVIEW_ROWS
from booking_assets.warehouse.warehouse import Warehouse
from booking_assets_tests.warehouse.kinds import (
    FEW,
    KINDS,
    Kinds,
    table,
)
from booking_assets_tests.warehouse.slice_loads import (
    START,
    frame,
    put,
)

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "organization": st.text(max_size=5),
    "identifier": st.uuids().map(str),
    "text": st.text(),
    "json": st.just('{"a": [1, null]}'),
    "flag": st.booleans(),
    "number": st.integers(-(2**31), 2**31 - 1),
    "count": st.integers(-(2**63), 2**63 - 1),
    "measure": st.floats(allow_nan=False),
    "instant": st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(  # noqa: DTZ001 - hypothesis wants naive bounds
        lambda moment: moment.replace(tzinfo=UTC)
    ),
    "day": st.dates(date(1, 1, 1), date(9999, 12, 31)),
}
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            name: strategy if name in KINDS.required else st.none() | strategy
            for name, strategy in VALUES.items()
        }
    ),
    max_size=8,
)


@settings(max_examples=15, deadline=None)
@given(rows=ROWS)
def test_a_frame_comes_back_as_it_went_in(rows: list[dict[str, Any]]) -> None:
    given_frame = pl.DataFrame(rows, schema=KINDS.dtypes, orient="row")
    with TemporaryDirectory() as folder:
        warehouse = Warehouse(
            path=Path(folder) / "w.duckdb", snapshot=Path(folder) / "s.duckdb", memory_limit="192MB"
        )
        put(warehouse, KINDS, given_frame)
        stored = warehouse.read(KINDS)
    assert stored.schema == given_frame.schema
    assert_frame_equal(stored, given_frame, check_row_order=False)


def test_every_contract_becomes_a_table_that_has_its_types_and_comments(
    warehouse: Warehouse,
) -> None:
    for contract in TABLES:
        put(warehouse, contract, contract.empty())
        assert warehouse.read(contract).schema == contract.dtypes
    with duckdb.connect(str(warehouse.path), read_only=True) as con:
        columns = con.execute(
            "SELECT schema_name || '.' || table_name, column_name, comment FROM duckdb_columns()"
            " WHERE NOT internal"
        ).fetchall()
        about = con.execute(
            "SELECT schema_name || '.' || table_name, comment FROM duckdb_tables()"
        ).fetchall()
    assert set(columns) == {(t.name, *meaning) for t in TABLES for meaning in t.meanings.items()}
    assert set(about) == {(t.name, f"{t.description} One row is {t.row}.") for t in TABLES}


def test_columns_may_come_in_any_order(warehouse: Warehouse) -> None:
    row = {"organization": "acme", "text": "t", "json": "j"}
    put(warehouse, KINDS, frame(KINDS, [row]).select(reversed(KINDS.column_names)))
    assert warehouse.read(KINDS, ["json", "text"]).rows() == [("j", "t")]


def test_a_replaced_table_holds_the_new_rows_only(warehouse: Warehouse) -> None:
    for name in ("acme", "globex"):
        put(warehouse, KINDS, frame(KINDS, [{"organization": name}]))
    assert warehouse.row_counts(KINDS) == {"globex": 1}


def test_replace_stores_all_frames_and_returns_their_figures_and_a_preview(
    warehouse: Warehouse,
) -> None:
    frames = [
        frame(KINDS, [{"organization": "acme", "count": 40 * part + n} for n in range(40)])
        for part in range(3)
    ]
    replaced = warehouse.replace(KINDS, lambda _: frames)
    assert replaced.figures.rows() == [(None, 120), ("acme", 120)]
    assert replaced.preview.height == PREVIEW_ROWS
    assert set(warehouse.read(KINDS)["count"]) == set(range(120))


def test_a_table_may_be_derived_from_another_one(warehouse: Warehouse) -> None:
    put(warehouse, FEW, frame(FEW, [{"organization": "acme"}]))
    put(warehouse, KINDS, frame(KINDS, [{"organization": "old"}]))
    warehouse.replace(
        KINDS,
        lambda session: [frame(KINDS, [{"organization": f"{session.read(FEW).item(0, 0)} 2"}])],
    )
    assert warehouse.row_counts(KINDS) == {"acme 2": 1}


def test_a_derivation_that_fails_half_way_leaves_the_old_table(warehouse: Warehouse) -> None:
    put(warehouse, KINDS, frame(KINDS, [{"organization": "old"}]))

    def failing(_: Warehouse) -> Iterator[pl.DataFrame]:
        yield frame(KINDS, [{"organization": "new"}])
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        warehouse.replace(KINDS, failing)
    assert warehouse.row_counts(KINDS) == {"old": 1}


def test_a_key_in_two_frames_leaves_the_old_table(warehouse: Warehouse) -> None:
    contract = table(Kinds, grain=("organization", "identifier"))
    put(warehouse, contract, frame(contract, [{"organization": "old"}]))
    one = frame(contract, [{"organization": "acme"}])
    with pytest.raises(FrameMismatch, match=r"1 rows repeat a key \(organization, identifier\)"):
        put(warehouse, contract, one, one)
    assert warehouse.row_counts(contract) == {"old": 1}


def test_a_frame_is_released_before_the_next_is_made(warehouse: Warehouse) -> None:
    alive: list[bool] = []

    def derived(_: Warehouse) -> Iterator[pl.DataFrame]:
        made: list[weakref.ref[pl.DataFrame]] = []
        for _number in range(3):
            alive.append(any(frame() is not None for frame in made))
            rows = frame(KINDS, [{"organization": "acme"}])
            made.append(weakref.ref(rows))
            yield rows
            del rows

    warehouse.replace(KINDS, derived)
    assert alive == [False] * 3


REFUSALS: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], str]] = {
    "an extra column": (
        lambda f: f.with_columns(x=1),
        "column x is Int32, the contract says no such column",
    ),
    "a missing column": (
        lambda f: f.drop("text"),
        "column text is missing, the contract says String",
    ),
    "a wrong type": (
        lambda f: f.with_columns(pl.col("number").cast(pl.Int64)),
        "column number is Int64, the contract says Int32",
    ),
    "no type at all": (
        lambda f: f.with_columns(text=pl.lit(None)),
        "column text is Null, the contract says String",
    ),
    "a null in a required column": (
        lambda f: f.with_columns(organization=pl.lit(None, pl.String)),
        "NOT NULL constraint failed: kinds.organization",
    ),
    "a key twice, with a null in it": (
        lambda f: f,
        "1 rows repeat a key (organization, identifier)",
    ),
    "an identifier that is no UUID": (
        lambda f: f.with_columns(identifier=pl.Series(["x", "y"])),
        "Could not convert string 'x' to UUID",
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refused_frame_leaves_the_old_table(warehouse: Warehouse, refusal: str) -> None:
    contract = table(Kinds, grain=("organization", "identifier"))
    put(warehouse, contract, frame(contract, [{"organization": "old"}]))
    change, fault = REFUSALS[refusal]
    with pytest.raises(FrameMismatch) as refused:
        put(warehouse, contract, change(frame(contract, [{"organization": "acme"}] * 2)))
    assert fault in str(refused.value)
    assert warehouse.row_counts(contract) == {"old": 1}


@pytest.mark.parametrize(
    "call",
    [
        lambda warehouse: warehouse.read(EVENTS),
        lambda warehouse: warehouse.newest_collections(),
        lambda warehouse: warehouse.contract_breaches(EVENTS),
        lambda warehouse: warehouse.foreign_rows(),
        lambda warehouse: warehouse.reconciliation(),
        lambda warehouse: warehouse.publish(),
    ],
    ids=["read", "newest", "breaches", "foreign", "reconciliation", "publish"],
)
@pytest.mark.parametrize("other", [False, True], ids=["no warehouse", "another table only"])
def test_never_written_is_an_error_with_the_remedy(
    warehouse: Warehouse, call: Callable[[Warehouse], object], other: bool
) -> None:
    if other:
        put(warehouse, KINDS, KINDS.empty())
    with pytest.raises(TableNotFound, match="booking-assets refresh"):
        call(warehouse)
    assert warehouse.row_counts(EVENTS) == {}
    assert warehouse.path.exists() is other


@pytest.mark.parametrize("zone", ["America/New_York"])
def test_instants_are_utc_in_any_time_zone_of_the_host(warehouse: Warehouse, zone: str) -> None:
    """A process in another zone writes and reads; both sides agree with this one."""
    script = f"""
from datetime import timedelta
from pathlib import Path
from booking_assets_tests.warehouse.slice_loads import START, frame, put
from booking_assets_tests.warehouse.kinds import KINDS
from booking_assets.warehouse.warehouse import Warehouse
path = Path({str(warehouse.path)!r})
warehouse = Warehouse(path=path, snapshot=Path("s.duckdb"), memory_limit="192MB")
assert warehouse.read(KINDS)["instant"].to_list() == [START]
assert str(warehouse.read(KINDS).schema["instant"]) == "Datetime(time_unit='us', time_zone='UTC')"
row = dict(organization="acme", instant=START + timedelta(hours=5))
put(warehouse, KINDS, frame(KINDS, [row]))
"""
    put(warehouse, KINDS, frame(KINDS, [{"organization": "acme", "instant": START}]))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env=os.environ | {"TZ": zone},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
    assert warehouse.read(KINDS)["instant"].to_list() == [START + timedelta(hours=5)]


def test_an_unknown_column_is_a_key_error(warehouse: Warehouse) -> None:
    put(warehouse, CAPACITY_UTILIZATION, CAPACITY_UTILIZATION.empty())
    with pytest.raises(KeyError, match="nonsense"):
        warehouse.read(CAPACITY_UTILIZATION, ["nonsense"])


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_the_warehouse_is_the_owners_and_the_snapshot_the_groups(
    warehouse: Warehouse, umask: int
) -> None:
    log = warehouse.path.with_name(f"{warehouse.path.name}.wal")
    modes: list[int] = []

    def derived(_: Warehouse) -> Iterator[pl.DataFrame]:
        modes.append(mode(log))
        modes.extend(mode(folder) for folder in warehouse.path.parent.glob("*.tmp-*"))
        yield KINDS.empty()

    before = os.umask(umask)
    try:
        warehouse.replace(KINDS, derived)
        published = warehouse.publish([KINDS]).version
    finally:
        os.umask(before)
    assert modes == [0o600, 0o700]
    for file in (warehouse.path, Path(f"{warehouse.path}.lock")):
        assert mode(file) == 0o600
    assert mode(published) == 0o440
    assert mode(published.parent) == mode(published.parent.parent) == 0o750


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777
