"""Decoding: a date-time keeps its instant and its offset; a text that is none rejects its row."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from booking_assets_tests.collect.events import (
    decoded,
    event,
)

DATE_TIMES: dict[str, tuple[str, datetime, int]] = {
    "west": ("2026-05-04T09:00:00-07:00", datetime(2026, 5, 4, 16, tzinfo=UTC), -420),
    "east, half an hour": (
        "2026-05-04T09:00:00+05:30",
        datetime(2026, 5, 4, 3, 30, tzinfo=UTC),
        330,
    ),
    "west, half an hour": (
        "2026-05-04T09:00:00-02:30",
        datetime(2026, 5, 4, 11, 30, tzinfo=UTC),
        -150,
    ),
    "Z": ("2026-05-04T09:00:00Z", datetime(2026, 5, 4, 9, tzinfo=UTC), 0),
    "lower case": ("2026-05-04t09:00:00z", datetime(2026, 5, 4, 9, tzinfo=UTC), 0),
    "minus nought": ("2026-05-04T09:00:00-00:00", datetime(2026, 5, 4, 9, tzinfo=UTC), 0),
    "one digit": ("2026-05-04T09:00:00.5Z", datetime(2026, 5, 4, 9, 0, 0, 500_000, tzinfo=UTC), 0),
    "seven digits, cut": (
        "2026-05-04T09:00:00.1234569+00:00",
        datetime(2026, 5, 4, 9, 0, 0, 123_456, tzinfo=UTC),
        0,
    ),
    "the first year": ("0001-01-01T00:00:00+00:00", datetime(1, 1, 1, tzinfo=UTC), 0),
    "the last instant": (
        "9999-12-31T23:59:59.9999999+00:00",
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        0,
    ),
}
NO_DATE_TIMES = {
    "without an offset": "2026-05-04T09:00:00",
    "a day": "2026-05-04",
    "empty": "",
    "words": "tomorrow",
    "24 o'clock": "2026-05-04T24:00:00Z",
    "a leap second": "2016-12-31T23:59:60Z",
    "a year of two digits": "26-05-04T09:00:00Z",
    "a year of five digits": "+12026-05-04T09:00:00Z",
    "a month of one digit": "2026-5-04T09:00:00Z",
    "without seconds": "2026-05-04T09:00Z",
    "an offset without a colon": "2026-05-04T09:00:00+0530",
    "an offset of hours alone": "2026-05-04T09:00:00+05",
    "an offset beyond a day": "2026-05-04T09:00:00+24:00",
    "a typographic minus": "2026-05-04T09:00:00\N{MINUS SIGN}07:00",
    "a zone's name": "2026-05-04T09:00:00 UTC",
    "blanks around": " 2026-05-04T09:00:00Z ",
    "before the first year in UTC": "0001-01-01T00:00:00+08:00",
    "after the last year in UTC": "9999-12-31T23:59:59-08:00",
}


@pytest.mark.parametrize(("value", "instant", "offset"), DATE_TIMES.values(), ids=DATE_TIMES)
def test_a_date_time_keeps_its_instant_and_its_offset(
    value: str, instant: datetime, offset: int
) -> None:
    rows = decoded(event(EventScheduledStart=value)).rows
    assert rows["event_scheduled_start"].to_list() == [instant]
    assert rows["event_scheduled_start_offset_minutes"].to_list() == [offset]


@pytest.mark.parametrize("value", NO_DATE_TIMES.values(), ids=NO_DATE_TIMES)
def test_a_text_that_is_no_date_time_rejects_the_row(value: str) -> None:
    page = decoded(event(RegistrationStart=value))
    assert page.rejected["fields"].to_list() == ["RegistrationStart"]
