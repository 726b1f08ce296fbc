"""Which registrations take a seat of an event, and which seats are unknown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from booking_assets_tests.transforms.capacity import (
    by_event,
    derived,
    registered,
)
from booking_assets_tests.transforms.rows import (
    ACME,
    AS_OF,
    BOLT,
    DAY,
    FUTURE,
    INSTANT,
    Row,
    as_of_frame,
    events_frame,
    identifier,
    registrations_frame,
    seats_frame,
)


@pytest.mark.parametrize(
    ("approval", "counted"),
    [
        pytest.param(None, "seats_confirmed", id="no approval"),
        pytest.param("", "seats_confirmed", id="empty"),
        pytest.param("  ", "seats_confirmed", id="blank"),
        pytest.param("registered ", "seats_confirmed", id="registered"),
        pytest.param("INVITATION SENT", "seats_invited", id="invited"),
        pytest.param("Waitlisted", "seats_waitlisted", id="waitlisted"),
        pytest.param("Invitation Expired", None, id="invitation expired"),
        pytest.param("Invitation Declined", None, id="invitation declined"),
        pytest.param("Moved", None, id="moved"),
        pytest.param("Eligible", None, id="an exam's eligibility"),
        pytest.param("Anything", None, id="unknown"),
    ],
)
@pytest.mark.parametrize(
    ("attendance", "counts"),
    [
        pytest.param(None, True, id="no attendance"),
        pytest.param("Absent", True, id="absent"),
        pytest.param("Withdrawn/Cancelled", False, id="withdrawn"),
        pytest.param(" withdrawn/cancelled", False, id="withdrawn in any case"),
    ],
)
def test_a_registration_counts_once_or_not_at_all(
    approval: str | None, counted: str | None, attendance: str | None, counts: bool
) -> None:
    row = by_event(
        {}, registrations=[{"approval_status": approval, "attendance_status": attendance}]
    ).row(0, named=True)
    seats = {name: row[name] for name in ("seats_confirmed", "seats_invited", "seats_waitlisted")}
    assert seats == {name: int(counts and name == counted) for name in seats}
    assert row["seats_taken"] == seats["seats_confirmed"] + seats["seats_invited"]


SEATS = ("seats_confirmed", "seats_invited", "seats_waitlisted", "seats_other")


@pytest.mark.parametrize(
    ("event_type", "approval", "eligibility", "counted"),
    [
        pytest.param("Class", "Scheduled", None, "seats_other", id="a class is not scheduled"),
        pytest.param("Class", "Eligible", None, "seats_other", id="a class has no eligibility"),
        pytest.param("Class", None, "Not Eligible", "seats_confirmed", id="nor counts it"),
        pytest.param("Class", "Provisional", None, "seats_other", id="an unknown word"),
        pytest.param("Class", "Moved", None, None, id="moved"),
        pytest.param("Class", "Invitation Expired", None, None, id="expired"),
        pytest.param("Class", "Invitation Declined", None, None, id="declined"),
        pytest.param("Class", "Not Eligible", None, None, id="not eligible for a class"),
        pytest.param(None, None, None, "seats_confirmed", id="no type, no approval"),
        pytest.param("Meeting", "", None, "seats_confirmed", id="a meeting, blank"),
        pytest.param(" APPOINTMENT ", "scheduled ", None, "seats_confirmed", id="appointment"),
        pytest.param("Appointment", "Registered", None, "seats_confirmed", id="registered for it"),
        pytest.param("Appointment", None, None, "seats_confirmed", id="appointment, no approval"),
        pytest.param("Appointment", "Eligible", None, "seats_other", id="appointment, eligible"),
        pytest.param("Exam", "Registered", "Not Eligible", "seats_confirmed", id="registered"),
        pytest.param("Exam", "Eligible", None, "seats_confirmed", id="approval eligible"),
        pytest.param("exam ", " ELIGIBLE with Limitations", None, "seats_confirmed", id="limited"),
        pytest.param("Exam", None, "eligible ", "seats_confirmed", id="eligibility alone"),
        pytest.param("Exam", "", "Eligible with Limitations", "seats_confirmed", id="limited too"),
        pytest.param("Exam", "On Hold", "Eligible", "seats_confirmed", id="eligible, unknown word"),
        pytest.param("Exam", "Not Eligible", "Eligible", "seats_confirmed", id="either is enough"),
        pytest.param("Exam", None, None, "seats_other", id="pending"),
        pytest.param("Exam", " ", "", "seats_other", id="pending, blank"),
        pytest.param("Exam", None, "Pending", "seats_other", id="eligibility pending"),
        pytest.param("Exam", "Scheduled", None, "seats_other", id="an exam is not scheduled"),
        pytest.param("Exam", "Not Eligible", None, None, id="not eligible"),
        pytest.param("Exam", "Not Eligible", "Not Eligible", None, id="not eligible twice"),
        pytest.param("Exam", "Invitation Sent", "Eligible", "seats_invited", id="only invited"),
        pytest.param("Exam", "Waitlisted", "Eligible", "seats_waitlisted", id="eligible, waits"),
        pytest.param("Exam", "Moved", "Eligible", None, id="eligible, and moved"),
        pytest.param("Exam", "Invitation Declined", "Eligible", None, id="eligible, declined"),
    ],
)
def test_the_type_of_the_event_says_which_words_take_a_seat(
    event_type: str | None, approval: str | None, eligibility: str | None, counted: str | None
) -> None:
    registration = {"approval_status": approval, "eligibility_status": eligibility}
    withdrawn = registration | {"attendance_status": "Withdrawn/Cancelled"}
    row = by_event({"event_type": event_type}, registrations=[registration, withdrawn])
    assert row.select(SEATS).row(0, named=True) == {name: int(name == counted) for name in SEATS}
    assert row["seats_taken"].item() == int(counted in {"seats_confirmed", "seats_invited"})


def test_an_exam_with_eligible_candidates_is_not_empty_and_one_with_unknown_words_says_so() -> None:
    rows = by_event(
        {"event_type": "Exam", "capacity_maximum": 2},
        {"event_type": "Exam", "capacity_maximum": 2},
        registrations=[
            {"eligibility_status": "Eligible"},
            {"event_identifier": identifier(1), "approval_status": "Bestätigt"},
        ],
    )
    assert rows.select("availability", "seats_taken", "seats_other").rows() == [
        ("Open", 1, 0),
        ("Empty", 0, 1),
    ]


@pytest.mark.parametrize(
    ("registrations", "known"),
    [
        pytest.param(None, (), id="never collected"),
        pytest.param(None, (ACME,), id="known, but none given"),
        pytest.param([], (BOLT,), id="another organization's are known"),
        pytest.param(registered(2), (), id="some rows of an incomplete collection"),
    ],
)
def test_unknown_seats_are_null_and_not_zero(
    registrations: list[Row] | None, known: tuple[str, ...]
) -> None:
    event = {"capacity_minimum": 1, "capacity_maximum": 2}
    row = by_event(event, registrations=registrations, known=known)
    unknown = (
        "seats_confirmed",
        "seats_invited",
        "seats_waitlisted",
        "seats_other",
        "seats_as_of",
        "seats_taken",
        "seats_available",
        "utilization",
        "availability",
        "is_below_minimum",
    )
    assert row.select(unknown).row(0) == (None,) * len(unknown)
    assert row.select("capacity_minimum", "capacity_maximum").row(0) == (1, 2)


def test_no_registration_is_an_answer_where_registrations_are_known() -> None:
    row = by_event({"capacity_maximum": 4}, registrations=[])
    columns = ("seats_confirmed", "seats_invited", "seats_waitlisted", "seats_taken")
    assert row.select(columns).row(0) == (0, 0, 0, 0)
    assert row.select("seats_available", "utilization", "availability").row(0) == (4, 0.0, "Empty")


def test_registrations_of_unknown_events_and_other_organizations_make_and_change_no_row() -> None:
    strangers: list[Row] = [
        {"event_identifier": identifier(99)},
        {"event_identifier": None},
        {"organization": BOLT},
    ]
    rows = by_event({}, registrations=[*strangers, *registered(1)])
    assert rows.select("event_identifier", "seats_taken").rows() == [(identifier(0), 1)]


@pytest.mark.parametrize("newer", [INSTANT, DAY, timedelta(hours=3)])
def test_seats_carry_the_instant_of_their_registrations(newer: timedelta) -> None:
    rows = derived(
        events_frame({}, {}),
        as_of_frame(at=AS_OF + newer),
        registrations_frame(*registered(2, event=1)),
        seats_frame([ACME]),
    )
    assert rows.select("seats_taken", "seats_as_of", "as_of").rows() == [
        (0, AS_OF, AS_OF + newer),
        (2, AS_OF, AS_OF + newer),
    ]


def test_an_event_that_is_newer_than_the_registrations_has_null_seats() -> None:
    unknown = events_frame({}, {}).select("organization", "event_identifier").tail(1)
    rows = derived(
        events_frame({"capacity_maximum": 5}, {"capacity_maximum": 5}),
        as_of_frame(at=FUTURE),
        registrations_frame(*registered(1)),
        seats_frame([ACME]),
        unknown,
    )
    seats = rows.select(
        "seats_confirmed", "seats_taken", "seats_available", "availability", "seats_as_of"
    )
    assert seats.rows() == [(1, 1, 4, "Open", AS_OF), (None, None, None, None, None)]


@pytest.mark.parametrize("registrations", [None, ()], ids=["no table", "no registrations"])
def test_seats_of_an_organization_with_unknown_registrations_are_null(
    registrations: Sequence[Row] | None,
) -> None:
    rows = by_event({}, registrations=registrations, known=())
    assert rows.select("seats_taken", "seats_as_of").rows() == [(None, None)]
