"""The calendar has every day of the events' months, and the states every word with its meaning."""

from __future__ import annotations

from datetime import date, timedelta
from typing import get_args

import polars as pl
import pytest

from booking_assets.tables.capacity import CALENDAR, STATES, CapacityByEvent
from booking_assets.tables.catalog import MART_TABLES
from booking_assets.tables.contract import State
from booking_assets.tables.marts import OrganizationFreshness
from booking_assets.tables.raw import Status
from booking_assets.transforms.calendar import calendar, states
from booking_assets.transforms.rules import state
from booking_assets_tests.transforms.laws import assert_keeps_contract

STATE_COLUMNS = {
    (mart.short_name, name): column
    for mart in MART_TABLES
    for name, column in mart.columns.columns().items()
    if isinstance(column, State)
}


def days(*dates: date | None) -> pl.DataFrame:
    return calendar(pl.DataFrame({"local_date": dates}, schema={"local_date": pl.Date}))


def test_the_calendar_reaches_from_the_first_to_the_last_month_with_an_event() -> None:
    rows = days(date(2024, 12, 31), None, date(2026, 2, 2), date(2025, 5, 5))
    assert_keeps_contract(rows, CALENDAR)
    first = date(2024, 12, 1)
    assert rows["day"].to_list() == [
        first + timedelta(days=number) for number in range((date(2026, 3, 1) - first).days)
    ]
    for row in rows.iter_rows(named=True):
        day = row["day"]
        assert row["month"] == day.replace(day=1)
        assert row["week"] == day - timedelta(days=day.weekday())
        assert (row["quarter"], row["year"]) == ((day.month + 2) // 3, day.year)


@pytest.mark.parametrize("dates", [(), (None, None)], ids=["no events", "none has a start"])
def test_without_a_date_there_is_no_calendar(dates: tuple[None, ...]) -> None:
    rows = days(*dates)
    assert dict(rows.schema) == CALENDAR.dtypes
    assert rows.is_empty()


def test_a_mistyped_year_makes_a_long_calendar_and_no_failure() -> None:
    rows = days(date(1, 1, 1), date(9999, 12, 31))
    assert rows.height == date(9999, 12, 31).toordinal()
    assert rows["day"].is_sorted()


def test_every_word_of_every_state_column_is_listed_with_its_meaning() -> None:
    rows = states(MART_TABLES)
    assert_keeps_contract(rows, STATES)
    listed: dict[tuple[str, str], dict[str, str]] = {key: {} for key in STATE_COLUMNS}
    for mart, column, word, meaning, _ in rows.sort("order").iter_rows():
        listed[mart, column][word] = meaning
    assert {key: [*words.items()] for key, words in listed.items()} == {
        key: [*column.words.items()] for key, column in STATE_COLUMNS.items()
    }
    assert all(rows["meaning"].str.ends_with("."))
    assert {
        *(("capacity_by_event", name) for name in ("lifecycle_status", "availability")),
        ("capacity_by_event", "registration_state"),
        ("distribution_status", "distribution_state"),
        ("event_history", "change"),
    } < STATE_COLUMNS.keys()


def test_the_comment_of_a_state_column_lists_its_words() -> None:
    for column in STATE_COLUMNS.values():
        assert column.description.endswith(f"One of: {', '.join(column.words)}.")


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["Full", "Under", "Over", "Empty"], id="one is missing"),
        pytest.param(["Full", "Under", "Over", "Empty", "Open", "Shut"], id="one is not declared"),
        pytest.param(["Full", "Under", "Over", "Empty", "open"], id="one is misspelt"),
    ],
)
def test_rules_give_every_declared_word_and_no_other(words: list[str]) -> None:
    always = pl.lit(value=True)
    with pytest.raises(ValueError, match="declared or given, but not both: "):
        state(
            CapacityByEvent.availability,
            *((always, word) for word in words[:-1]),
            (always, None),
            otherwise=words[-1],
        )


def test_the_states_of_an_attempt_are_those_of_a_collection_that_was_not_overtaken() -> None:
    assert OrganizationFreshness.last_status.words.keys() == {*get_args(Status)} - {"overtaken"}
