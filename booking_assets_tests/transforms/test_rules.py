"""What all marts share: comparing statuses, first match, days, local time, the instant."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from booking_assets.settings import TimeZone
from booking_assets.tables.raw import EVENTS
from booking_assets.transforms import capacity, conflicts, distribution, rooms
from booking_assets.transforms.rules import (
    NO_TIMEZONES,
    by_time_zone,
    days,
    equals_ignoring_case,
    first_match,
    hours,
    local_time,
    minutes,
    with_as_of,
)
from booking_assets_tests.transforms.rows import ACME, AS_OF, BOLT, as_of_frame, events_frame

MICROSECONDS_A_MINUTE = 60_000_000
A_CENTURY = 36_525 * 24 * 60 * MICROSECONDS_A_MINUTE


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param("Cancelled", True, id="as documented"),
        pytest.param("CANCELLED", True, id="upper case"),
        pytest.param("\t cancelled \n", True, id="surrounded by blanks"),
        pytest.param("Cancelled by us", False, id="more words"),
        pytest.param("", False, id="empty"),
        pytest.param(None, False, id="null"),
    ],
)
def test_a_status_compares_without_case_and_surrounding_blanks(
    status: str | None, expected: bool
) -> None:
    frame = pl.DataFrame({"status": [status]}, schema={"status": pl.String})
    assert frame.select(equals_ignoring_case("status", "Cancelled")).item() is expected


def test_the_first_rule_that_holds_wins_and_a_null_condition_does_not_hold() -> None:
    frame = pl.DataFrame({"number": [1, 2, 3, None]})
    answers = frame.select(
        first_match(
            (pl.col("number") < 2, "small"),
            (pl.col("number") < 3, None),
            (pl.col("number") < 4, "large"),
            otherwise="else",
        )
    )
    assert answers.to_series().to_list() == ["small", None, "large", "else"]


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        pytest.param(timedelta(days=2), 2.0, id="whole days"),
        pytest.param(timedelta(hours=-6), -0.25, id="a negative fraction"),
        pytest.param(timedelta(microseconds=1), 1 / 86_400_000_000, id="a microsecond"),
        pytest.param(None, None, id="null"),
    ],
)
def test_days_keep_their_fraction(duration: timedelta | None, expected: float | None) -> None:
    frame = pl.DataFrame({"duration": [duration]}, schema={"duration": pl.Duration("us")})
    assert frame.select(days(pl.col("duration"))).item() == expected


@given(durations=st.lists(st.timedeltas(timedelta(days=-40_000), timedelta(days=40_000))))
@settings(deadline=None)
def test_days_are_exact_however_many_rows_there_are(durations: list[timedelta]) -> None:
    frame = pl.DataFrame({"duration": durations}, schema={"duration": pl.Duration("us")})
    assert frame.select(days(pl.col("duration"))).to_series().to_list() == [
        duration / timedelta(days=1) for duration in durations
    ]


def test_organizations_without_an_as_of_are_named() -> None:
    events = events_frame({"organization": "zinc"}, {"organization": ACME}, {"organization": BOLT})
    with pytest.raises(ValueError, match="events of bolt, zinc are stored"):
        with_as_of(events, as_of_frame(ACME))


def test_a_null_as_of_is_a_missing_one() -> None:
    as_of = as_of_frame(ACME).with_columns(as_of=pl.lit(None, dtype=EVENTS.dtypes["collected_at"]))
    with pytest.raises(ValueError, match="events of acme are stored"):
        with_as_of(events_frame({}), as_of)


def test_two_instants_for_one_organization_are_refused() -> None:
    with pytest.raises(pl.exceptions.ComputeError):
        with_as_of(events_frame({}), as_of_frame(ACME, ACME))


def test_an_organization_without_events_makes_no_row() -> None:
    dated = with_as_of(events_frame({}), as_of_frame(ACME, BOLT))
    assert dated.select("organization", "as_of").rows() == [(ACME, AS_OF)]


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param(capacity.EVENT_COLUMNS, id="capacity"),
        pytest.param(distribution.EVENT_COLUMNS, id="distribution"),
        pytest.param(rooms.EVENT_COLUMNS, id="rooms"),
        pytest.param(conflicts.EVENT_COLUMNS, id="conflicts"),
    ],
)
def test_the_columns_to_read_are_distinct_columns_of_raw_events(columns: tuple[str, ...]) -> None:
    assert len(set(columns)) == len(columns)
    assert set(columns) < set(EVENTS.column_names)


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


def test_a_null_duration_is_null() -> None:
    assert pl.select(hours(pl.lit(None, dtype=pl.Int64))).item() is None


def local(start: datetime, zone: str | None = None, **columns: Any) -> datetime:
    events = events_frame({"event_scheduled_start": start} | columns)
    at: datetime = events.select(local_time("event_scheduled_start", zone)).item()
    return at


def test_the_local_time_is_that_of_the_time_zone_else_as_written() -> None:
    start = datetime(2026, 7, 1, 3, tzinfo=UTC)
    assert local(start).hour == 3
    assert local(start, event_scheduled_start_offset_minutes=-300) == datetime(
        2026, 6, 30, 22, tzinfo=UTC
    )
    assert local(start, "America/Edmonton") == datetime(2026, 6, 30, 21, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_a_local_time_stays_in_the_years_that_python_reads(zone: str) -> None:
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert date.min <= local(first, zone).date() < local(last, zone).date() <= date.max


def test_a_time_zone_is_read_as_zoneinfo_reads_it_or_refused_by_the_settings() -> None:
    start = datetime(2026, 7, 1, tzinfo=UTC)
    frame, setting = pl.DataFrame({"at": [start]}), TypeAdapter(TimeZone)
    for zone in available_timezones():
        try:
            read = frame.select(local_time("at", zone)).item()
        except pl.exceptions.ComputeError:
            with pytest.raises(ValidationError, match="no such time zone"):
                setting.validate_python(zone)
        else:
            assert read == start.astimezone(ZoneInfo(zone)).replace(tzinfo=UTC)


def test_events_come_by_time_zone_and_each_once() -> None:
    slugs = ("a", "b", "c", "d", "d")
    events = events_frame(*({"organization": slug} for slug in slugs))
    zones = pl.DataFrame(
        {"organization": ["b", "c", "e"], "timezone": ["UTC", "UTC", "Asia/Tokyo"]}
    )
    parts = {zone: part["organization"].to_list() for zone, part in by_time_zone(events, zones)}
    assert parts == {None: ["a", "d", "d"], "UTC": ["b", "c"], "Asia/Tokyo": []}
    assert [zone for zone, _ in by_time_zone(events, NO_TIMEZONES)] == [None]
