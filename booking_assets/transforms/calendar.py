"""Rules of the marts that are no organization's: `marts.calendar` and `marts.states`."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from booking_assets.tables.capacity import CALENDAR, STATES
from booking_assets.tables.contract import State, Table
from booking_assets.transforms.rules import conform_to


def calendar(by_event: pl.DataFrame) -> pl.DataFrame:
    """`marts.calendar`: the days from the first to the last month with an event.

    Args:
        by_event: `local_date` of `marts.capacity_by_event`, of all events.
    """
    local_date = pl.col("local_date")
    ends = by_event.drop_nulls("local_date").select(
        first=local_date.min().dt.month_start(), last=local_date.max().dt.month_end()
    )
    day = pl.col("day")
    return conform_to(
        ends.drop_nulls()
        .select(day=pl.date_ranges("first", "last"))
        .explode("day")
        .with_columns(
            month=day.dt.month_start(),
            week=day.dt.truncate("1w"),
            quarter=day.dt.quarter(),
            year=day.dt.year(),
        ),
        CALENDAR,
    )


def states(marts: Iterable[Table]) -> pl.DataFrame:
    """`marts.states`: the words of the state columns of these marts, with their meaning."""
    rows = [
        (mart.short_name, name, word, meaning, position)
        for mart in marts
        for name, column in mart.columns.columns().items()
        if isinstance(column, State)
        for position, (word, meaning) in enumerate(column.words.items(), start=1)
    ]
    return conform_to(pl.DataFrame(rows, schema=STATES.dtypes, orient="row"), STATES)
