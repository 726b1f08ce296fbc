"""Attendance by worked cases: who is counted, as what, and when there is a rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest

from booking_assets.tables.capacity import ATTENDANCE_BY_EVENT
from booking_assets.transforms.attendance import attendance_by_event
from booking_assets_tests.transforms.capacity import derived
from booking_assets_tests.transforms.rows import (
    ACME,
    AS_OF,
    BOLT,
    FUTURE,
    PAST,
    Row,
    as_of_frame,
    events_frame,
    identifier,
    registrations_frame,
    seats_frame,
)

ENDED = {"event_scheduled_start": PAST, "event_scheduled_end": PAST}
FIGURES = ("taken", "present", "absent", "incomplete", "unmarked", "other", "withdrawn")


def attended(
    *events: Row, registrations: Sequence[Row], known: Sequence[str] = (ACME,)
) -> pl.DataFrame:
    registered = registrations_frame(*registrations)
    rows = derived(events_frame(*events), as_of_frame(ACME, BOLT), registered, seats_frame(known))
    return attendance_by_event(rows, registered)


@pytest.mark.parametrize(
    ("attendance", "figure"),
    [
        pytest.param("Present", "present", id="present"),
        pytest.param(" ATTENDED ", "present", id="attended"),
        pytest.param("absent", "absent", id="absent"),
        pytest.param("Incomplete", "incomplete", id="incomplete"),
        pytest.param("Pending", "unmarked", id="pending"),
        pytest.param(None, "unmarked", id="null"),
        pytest.param("  ", "unmarked", id="blank"),
        pytest.param("Excused", "other", id="unknown"),
    ],
)
@pytest.mark.parametrize("approval", [None, "Registered", "Invitation Sent"])
def test_whoever_takes_a_seat_is_in_one_figure(
    approval: str | None, attendance: str | None, figure: str
) -> None:
    registration = {"approval_status": approval, "attendance_status": attendance}
    row = attended({}, registrations=[registration])
    assert row.select(FIGURES).row(0, named=True) == {
        name: int(name in {"taken", figure}) for name in FIGURES
    }


def test_those_without_a_seat_count_nowhere_and_those_who_withdrew_apart() -> None:
    row = attended(
        ENDED,
        registrations=[
            {"approval_status": "Waitlisted", "attendance_status": "Present"},
            {"approval_status": "Moved", "attendance_status": "Absent"},
            {"approval_status": "On Hold"},
            {"approval_status": "Registered", "attendance_status": "Withdrawn/Cancelled"},
            {"approval_status": "Waitlisted", "attendance_status": " withdrawn/cancelled"},
        ],
    )
    assert row.select(FIGURES).row(0) == (0, 0, 0, 0, 0, 0, 2)
    assert row.select("attendance_rate", "no_show_rate").row(0) == (None, None)


def test_the_words_of_an_exam_decide_who_takes_a_seat() -> None:
    eligible = {"eligibility_status": "Eligible", "attendance_status": "Present"}
    pending = {"attendance_status": "Present"}
    row = attended({"event_type": "Exam"}, registrations=[eligible, eligible, pending])
    assert row.select("taken", "present").row(0) == (2, 2)


MARKS = [{"attendance_status": word} for word in ("Present", "Attended", "Present", "Absent", None)]


@pytest.mark.parametrize(
    ("event", "registrations", "rates"),
    [
        pytest.param(ENDED, MARKS, (0.75, 0.25), id="ended"),
        pytest.param(ENDED, MARKS[-1:], (None, None), id="nobody is marked"),
        pytest.param(ENDED, MARKS[3:], (0.0, 1.0), id="nobody came"),
        pytest.param(
            ENDED | {"event_scheduling_status": "Cancelled"}, MARKS, (None, None), id="cancelled"
        ),
        pytest.param(
            {"event_scheduled_start": PAST, "event_scheduled_end": FUTURE},
            MARKS,
            (None, None),
            id="in progress",
        ),
        pytest.param({"event_scheduled_start": PAST}, MARKS, (None, None), id="without an end"),
    ],
)
def test_rates_are_over_those_who_are_marked_once_the_event_has_ended(
    event: Row, registrations: Sequence[Row], rates: tuple[Any, ...]
) -> None:
    row = attended(event, registrations=registrations)
    assert row.select("attendance_rate", "no_show_rate").row(0) == rates


def test_an_event_without_registrations_or_with_unknown_ones_has_no_row() -> None:
    rows = attended(
        {},
        {},
        {"organization": BOLT},
        registrations=[
            {"event_identifier": identifier(1)},
            {"organization": BOLT, "event_identifier": identifier(2)},
            {"event_identifier": identifier(77)},
        ],
    )
    assert dict(rows.schema) == ATTENDANCE_BY_EVENT.dtypes
    assert rows.select("organization", "event_identifier", "seats_as_of", "as_of").rows() == [
        (ACME, identifier(1), AS_OF, AS_OF)
    ]
