"""Helpers of the property tests: changes to frames, comparisons, hypothesis settings."""

from __future__ import annotations

import polars as pl
from hypothesis import settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from booking_assets.tables.contract import UUID_PATTERN, Identifier, State, Table
from booking_assets_tests.transforms.rows import as_of_frame
from booking_assets_tests.transforms.strategies import ORGANIZATIONS

AS_OF = as_of_frame(*ORGANIZATIONS)

# A bound on time would measure how busy the machine is. Each run tries other examples.
laws = settings(deadline=None, max_examples=min(25, settings().max_examples))

seeds = st.integers(0, 2**32)
weeks = st.integers(-1000, 1000)


def shuffled(frame: pl.DataFrame, seed: int) -> pl.DataFrame:
    return frame.sample(fraction=1, shuffle=True, seed=seed)


def later(frame: pl.DataFrame, weeks: int) -> pl.DataFrame:
    """The frame with all of its instants and days moved."""
    return frame.with_columns(pl.col(pl.Date, pl.Datetime("us", "UTC")).dt.offset_by(f"{weeks}w"))


def by_organization(frame: pl.DataFrame) -> list[pl.DataFrame]:
    return [frame.filter(pl.col("organization") == slug) for slug in ORGANIZATIONS]


def assert_same(left: pl.DataFrame, right: pl.DataFrame) -> None:
    assert_frame_equal(left, right, check_exact=True)


def assert_valid(rows: pl.DataFrame, table: Table) -> None:
    """Check columns, types, required values, UUIDs and the words of states."""
    assert dict(rows.schema) == table.dtypes
    assert not any(rows[name].has_nulls() for name in table.required)
    for name, column in table.columns.columns().items():
        if isinstance(column, Identifier):
            assert rows[name].drop_nulls().str.contains(UUID_PATTERN).all()
        if isinstance(column, State):
            assert {*rows[name].drop_nulls()} <= column.words.keys()


def assert_keeps_contract(rows: pl.DataFrame, table: Table) -> None:
    assert_valid(rows, table)
    assert not rows.select(table.grain).is_duplicated().any()
    assert_same(rows, rows.sort(table.grain))
