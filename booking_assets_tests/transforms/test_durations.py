"""Microseconds as hours and minutes: exact, however many rows there are."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from booking_assets.transforms.durations import hours, minutes

MICROSECONDS_A_MINUTE = 60_000_000
A_CENTURY = 36_525 * 24 * 60 * MICROSECONDS_A_MINUTE


@settings(deadline=None)
@given(microseconds=st.lists(st.integers(-A_CENTURY, A_CENTURY)))
@pytest.mark.parametrize("dtype", [pl.Int64, pl.Int128])
def test_hours_and_minutes_are_exact(microseconds: list[int], dtype: type[pl.DataType]) -> None:
    frame = pl.DataFrame({"span": microseconds}, schema={"span": dtype})
    span = pl.col("span")
    answers = frame.select(hours=hours(span), minutes=minutes(span))
    assert answers["minutes"].to_list() == [one / MICROSECONDS_A_MINUTE for one in microseconds]
    assert answers["hours"].to_list() == [
        one / (60 * MICROSECONDS_A_MINUTE) for one in microseconds
    ]


def test_an_unknown_span_is_unknown() -> None:
    assert pl.select(hours(pl.lit(None, dtype=pl.Int64))).item() is None
