"""Local times placed by a time zone, beside Python's zoneinfo."""

from __future__ import annotations

from datetime import UTC, date
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from booking_assets.transforms.bookings import instant


@pytest.mark.parametrize("year", [2011, 2026])
@pytest.mark.parametrize(
    "zone",
    ["America/Toronto", "Australia/Lord_Howe", "Antarctica/Troll", "America/Santiago"],
)
def test_local_times_are_placed_as_zoneinfo_places_them(zone: str, year: int) -> None:
    assert_placed_as_zoneinfo_does(zone, date(year, 1, 1), date(year, 12, 31))


def test_a_day_that_a_time_zone_left_out_is_placed_on_the_next() -> None:
    # On the 30th, Samoa moved to the other side of the date line.
    assert_placed_as_zoneinfo_does("Pacific/Apia", date(2011, 12, 28), date(2012, 1, 2))


def assert_placed_as_zoneinfo_does(zone: str, first: date, last: date) -> None:
    naive = pl.datetime_range(first, last, "15m", time_unit="us", eager=True)
    local = pl.DataFrame({"local": naive.dt.replace_time_zone("UTC")})
    placed = local.select(instant(pl.col("local"), zone)).to_series().to_list()
    assert placed == [at.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for at in naive]
