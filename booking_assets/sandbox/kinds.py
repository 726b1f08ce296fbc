"""The kinds of generated event (class, exam, meeting, appointment) and the changes of each.

A change alters a draft and returns the vendor's name of it (`LastChangeType`); when events come and
change is in `generated`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from booking_assets.sandbox import vocabulary
from booking_assets.sandbox.draft import AWARDS, DAY, MINUTE, OFFICES, TEAMS, Draft, publish
from booking_assets.sandbox.wire import Instant

Change = Callable[[Draft], str]
_BUSINESS_DAYS = 12
_FRIDAY = 4
_FIRST_OF_1970 = 3  # a Thursday
_STATES = (
    *("planned",) * 7,
    *("ordered",) * 5,
    *("shipped",) * 6,
    *("failed", "failed", "withheld", "withheld", "unplanned"),
)
_HOURS = (3, 4, 6, 7, 8)
# Half of the classes are of one day; the others of days, weeks, or a term.
_LATER_DAYS = (0, 0, 0, 0, 0, 1, 2, 4, 11, 82)
_EXAM_MINUTES = (120, 180, 180, 240, 300)
_FIRST_NUMBER = 1000


def draft_class(draft: Draft) -> None:
    """Fill a training session that people register for."""
    _common(draft, "Class")
    _schedule(draft, draft.one_of(_HOURS) * 60 + _LATER_DAYS[draft.slot % len(_LATER_DAYS)] * 1440)
    title = f"{draft.one_of(vocabulary.TRADES)} {draft.one_of(vocabulary.LEVELS)}"
    draft["EventTitle"] = title
    draft["Content"] = _content(draft, title, draft.number(0, 2))
    draft["RegistrationFields"] = _registration_fields(draft, draft.number(1, 2))
    draft["AchievementIdentifier"] = draft.reference("award", AWARDS)
    draft["EventClassCode"] = f"{title[:3].upper()}-{draft.number(100, 999)}"
    draft["EventCalendarColor"] = draft.one_of(vocabulary.COLORS)
    draft["DurationQuantity"] = draft.number(1, 10)
    draft["DurationUnit"] = draft.one_of(("Day", "Day", "Hour", "Week", "Month"))
    draft["CreditHours"] = Decimal(draft.number(0, 320) * 25).scaleb(-2)
    draft["WaitlistEnabled"] = draft.happens(0.4)
    draft["AllowMultipleRegistrations"] = draft.happens(0.3)
    draft["BillingCodeEnabled"] = draft.happens(0.2)
    highest, unlimited = draft.number(6, 60), (None, None, 0, -1)
    draft["CapacityMaximum"] = draft.one_of(unlimited) if draft.happens(0.2) else highest
    draft["CapacityMinimum"] = (
        draft.one_of(unlimited) if draft.happens(0.4) else draft.number(1, highest // 2)
    )
    _status(draft, vocabulary.CLASS_SCHEDULING)
    if draft.happens(0.2):
        draft["AllowRegistrationWithLink"] = True
    if draft.happens(0.15):
        draft["LearnerRegistrationGroupIdentifier"] = draft.reference("group", TEAMS)
        draft["MandatorySurveyFormIdentifier"] = draft.reference("form", 5)
    if draft.happens(0.08):
        draft["RegistrationLocked"] = draft.venue.instant(draft.now)
    if draft.happens(0.03):
        draft["EventScheduledEnd"] = None
    if draft.happens(0.04):
        draft.update(EventNumber=0, EventSource=vocabulary.IMPORT)


def draft_exam(draft: Draft) -> None:
    """Fill an invigilated sitting, on paper or online."""
    _common(draft, "Exam")
    minutes = draft.one_of(_EXAM_MINUTES)
    _schedule(draft, minutes)
    subject = f"{draft.one_of(vocabulary.TRADES)} {draft.one_of(vocabulary.LEVELS)}"
    draft["EventTitle"] = f"{draft.venue.name} / {subject}"
    if draft.happens(0.1):
        draft["Content"] = _content(draft, subject, 1)
    draft["EventFormat"] = draft.one_of(vocabulary.EXAM_FORMATS)
    draft["ExamType"] = draft.one_of(vocabulary.EXAM_TYPES)
    draft["EventBillingType"] = draft.one_of(vocabulary.BILLING)
    draft["EventRequisitionStatus"] = draft.one_of(vocabulary.REQUISITION)
    draft["EventClassCode"] = f"X{draft.number(1000, 9999)}"
    if draft.happens(0.5):
        draft["VenueOfficeIdentifier"] = draft.reference("office", OFFICES)
        draft["AchievementIdentifier"] = draft.reference("award", AWARDS)
    draft["DurationQuantity"] = draft["ExamDurationInMinutes"] = minutes
    draft["DurationUnit"] = "Minute"
    individual = draft["ExamType"].startswith("Individual")
    draft["CapacityMaximum"] = 1 if individual else draft.number(5, 120)
    draft["InvigilatorMinimum"] = -(-draft["CapacityMaximum"] // 24)
    draft["IntegrationWithholdGrades"] = draft.happens(0.15)
    _status(draft, vocabulary.EXAM_SCHEDULING)
    if (draft["EventFormat"] or "").casefold() == "paper":
        _plan_package(draft)
    elif draft["EventFormat"] == "Online" and draft.happens(0.1):
        # An exam that was on paper once: its code and status stay behind.
        _order_package(draft, draft.now, fails=False)
        draft["DistributionOrdered"] = None
    if draft.start <= draft.now and draft.happens(0.8):
        draft["ExamStarted"] = draft.venue.instant(draft.start + draft.number(0, 15) * MINUTE)
    if draft.happens(0.05):
        draft["PublicationErrors"] = draft.one_of(vocabulary.PUBLICATION_ERRORS)
    if draft.happens(0.06):
        draft["EventScheduledEnd"] = draft["EventScheduledStart"]
        draft["ExamDurationInMinutes"] = 0


def draft_meeting(draft: Draft) -> None:
    """Fill a meeting: a title, a description and a room."""
    _common(draft, "Meeting")
    _schedule(draft, draft.number(2, 16) * 15)
    draft["EventTitle"] = f"{draft.one_of(vocabulary.TRADES)} committee"
    draft["EventDescription"] = _paragraph(draft, draft.number(2, 6))
    _status(draft, vocabulary.CLASS_SCHEDULING)


def draft_appointment(draft: Draft) -> None:
    """Fill an appointment: it has a kind of its own, and no number."""
    _common(draft, "Appointment")
    _schedule(draft, draft.number(2, 8) * 15)
    draft["EventNumber"] = 0
    draft["AppointmentType"] = draft.one_of(vocabulary.APPOINTMENT_TYPES)
    draft["EventTitle"] = f"{draft['AppointmentType']} appointment"
    draft["EventDescription"] = _paragraph(draft, draft.number(1, 4))
    draft["CapacityMaximum"] = draft.one_of((1, 1, 2, None))


def _common(draft: Draft, event_type: str) -> None:
    draft["OrganizationIdentifier"] = draft.organization
    is_usual = not draft.happens(0.015)
    draft["EventType"] = event_type if is_usual else draft.one_of(vocabulary.UNUSUAL_TYPES)
    draft["EventNumber"] = _FIRST_NUMBER + draft.slot
    draft["EventSource"] = draft.one_of(vocabulary.SOURCES)
    draft.update(dict.fromkeys(vocabulary.FLAGS, False))
    draft["PersonCodeIsRequired"] = draft.happens(0.3)
    if draft.happens(0.95):
        draft["VenueLocationIdentifier"] = draft.venue.identifier
        draft["VenueRoom"] = draft.one_of(draft.venue.rooms) if draft.happens(0.94) else None
    if draft.happens(0.01):
        draft["VenueCoordinatorIdentifier"] = draft.reference("group", TEAMS)
        draft["EventSummary"] = draft.one_of(vocabulary.SENTENCES)


def _schedule(draft: Draft, minutes: int) -> None:
    """Start and end: from a year ago to half a year ahead, in the venue's own time."""
    if draft.happens(0.06):
        started = draft.now - draft.number(0, minutes) * MINUTE
        start = draft.venue.instant(started // MINUTE * MINUTE)
    else:
        day = draft.now // DAY + draft.number(-365, 183)
        # One in eight is an evening event: in UTC it falls on another day.
        hour = draft.number(19, 23) if draft.happens(0.125) else draft.number(8, 16)
        start = draft.venue.local(day * DAY + (hour * 60 + draft.number(0, 3) * 15) * MINUTE)
    draft["EventScheduledStart"] = start
    draft["EventScheduledEnd"] = draft.venue.instant(start.ticks + minutes * MINUTE)


def _status(draft: Draft, scheduling: tuple[str | None, ...]) -> None:
    """Scheduling and publication; cancelling archives, publishing opens registration."""
    status = draft.one_of(scheduling)
    draft["EventSchedulingStatus"] = status
    if status is not None and status.strip().casefold() == "cancelled":
        draft["EventPublicationStatus"] = "Archived"
        return
    publication = draft.one_of(vocabulary.PUBLICATION)
    draft["EventPublicationStatus"] = publication
    if publication is not None and publication.casefold() == "published":
        publish(draft)


def _content(draft: Draft, title: str, sentences: int) -> str:
    """The JSON text of `Content`: blocks of text, each by language."""
    blocks = {"Title": {"en": title}, "Description": {"en": draft.one_of(vocabulary.SENTENCES)}}
    for _ in range(sentences):
        language = "fr" if draft.happens(0.1) else "en"
        block = draft.one_of(vocabulary.CONTENT_BLOCKS)
        blocks[block] = {language: draft.one_of(vocabulary.SENTENCES)}
    return msgspec.json.encode(blocks).decode()


def _registration_fields(draft: Draft, count: int) -> str:
    """The JSON text of `RegistrationFields`: an array ordered by name."""
    names = sorted({draft.one_of(vocabulary.REGISTRATION_FIELDS) for _ in range(count)})
    fields = [
        {
            "FieldName": name,
            "IsRequired": draft.happens(0.5),
            "IsVisible": True,
            "IsEditable": draft.happens(0.8),
        }
        for name in names
    ]
    return msgspec.json.encode(fields).decode()


def _paragraph(draft: Draft, sentences: int) -> str:
    return "\n".join(draft.one_of(vocabulary.SENTENCES) for _ in range(sentences))


def _redraw(draft: Draft, member: str, choices: Sequence[Any], change: str) -> str:
    now = draft.get(member)
    draft[member] = draft.one_of([choice for choice in choices if choice != now])
    return change


def _retitle(draft: Draft) -> str:
    title: str = draft["EventTitle"]
    note = " (revised)"
    draft["EventTitle"] = title.removesuffix(note) if title.endswith(note) else title + note
    return "EventRetitled"


def _move_room(draft: Draft) -> str:
    draft["VenueLocationIdentifier"] = draft.venue.identifier
    return _redraw(draft, "VenueRoom", draft.venue.rooms, "EventVenueChanged2")


def _adjust_capacity(draft: Draft) -> str:
    """Add or remove a few seats; a decrease may end at zero or below, which means no limit."""
    by = draft.one_of((-5, -2, -1, 1, 2, 5, 10))
    draft["CapacityMaximum"] = (draft.get("CapacityMaximum") or 0) + by
    return "CapacityIncreased" if by > 0 else "CapacityDecreased"


def _publish_or_unpublish(draft: Draft) -> str:
    if draft.get("EventPublicationStatus") == "Published":
        draft["EventPublicationStatus"] = "Unpublished"
        draft["RegistrationStart"] = draft["RegistrationDeadline"] = None
        return "EventUnpublished"
    draft["EventPublicationStatus"] = "Published"
    publish(draft)
    return "EventPublished"


def _lock_or_unlock(draft: Draft) -> str:
    is_open = draft.get("RegistrationLocked") is None
    draft["RegistrationLocked"] = draft.venue.instant(draft.now) if is_open else None
    return "EventRegistrationLocked" if is_open else "EventRegistrationUnlocked"


def _cancel_or_reinstate(draft: Draft) -> str:
    if draft.get("EventSchedulingStatus") == "Cancelled":
        draft["EventSchedulingStatus"] = "Active"
        return "EventScheduleStatusChanged"
    draft["EventSchedulingStatus"] = "Cancelled"
    draft["EventPublicationStatus"] = "Archived"
    return "EventCancelled"


def _decide(draft: Draft) -> str:
    statuses = vocabulary.EXAM_SCHEDULING
    return _redraw(draft, "EventSchedulingStatus", statuses, "EventScheduleStatusChanged")


def _reschedule(draft: Draft) -> str:
    """Move by some days; a planned shipping date is not computed anew."""
    by = draft.one_of((-7, -1, 1, 2, 7, 14)) * DAY
    for member in ("EventScheduledStart", "EventScheduledEnd"):
        if (instant := draft.get(member)) is not None:
            draft[member] = draft.venue.instant(instant.ticks + by)
    return "EventRescheduled"


def _describe(draft: Draft) -> str:
    return _redraw(draft, "EventDescription", vocabulary.SENTENCES, "AppointmentDescribed")


def _plan_package(draft: Draft) -> None:
    """Draw where the package of a new paper exam stands; later steps imply the earlier ones."""
    state = draft.one_of(_STATES)
    draft["DistributionProcess"] = draft.one_of(vocabulary.PROCESSES)
    if state == "unplanned":
        return
    # The vendor's default plan: 12 business days before the start, without holidays.
    expected, left = draft.start, _BUSINESS_DAYS
    while left:
        expected -= DAY
        left -= (expected // DAY + _FIRST_OF_1970) % 7 <= _FRIDAY
    draft["DistributionExpected"] = draft.venue.instant(expected)
    if state == "withheld":
        draft["IntegrationWithholdDistribution"] = True
    if state in {"ordered", "shipped", "failed"}:
        ordered = min(expected, draft.now) - draft.chance.randrange(6 * DAY)
        _order_package(draft, ordered, fails=state == "failed")
        if state == "shipped":
            delivered = expected + draft.number(-3, 4) * DAY
            _ship(draft, max(ordered + DAY, min(delivered, draft.now)))
    if draft.start <= draft.now and draft.happens(0.5):
        _hand_back(draft, draft.start + draft.number(1, 30) * DAY)
    elif draft.happens(0.2):
        # The vendor's form writes its checkbox even where nothing came back.
        draft["ExamMaterialReturnShipmentCondition"] = "Partial"


def _order_package(draft: Draft, ticks: int, *, fails: bool) -> None:
    """Place the order; one that fails leaves `Error` behind, and is marked as ordered too."""
    draft["DistributionOrdered"] = Instant(ticks, 0)
    draft["DistributionCode"] = "Error" if fails else f"J{draft.number(10_000_000, 99_999_999)}"
    draft["DistributionStatus"] = "Error" if fails else "RECORD_RECEIVED"
    draft["DistributionErrors"] = draft.one_of(vocabulary.PACKAGE_ERRORS) if fails else None
    draft["DistributionTracked"] = Instant(ticks + draft.number(1, 90) * MINUTE // 60, 0)


def _next_package_step(draft: Draft) -> str:
    withheld = bool(draft["IntegrationWithholdDistribution"])
    if draft.get("DistributionOrdered") is None and not withheld:
        _order_package(draft, draft.now, fails=draft.happens(0.15))
        return "DistributionOrdered"
    if draft.get("DistributionCode") is not None and draft.get("DistributionShipped") is None:
        if draft.happens(0.5):
            draft["DistributionStatus"] = draft.one_of(vocabulary.PACKAGE_STATUSES)
            draft["DistributionTracked"] = Instant(draft.now, 0)
            return "DistributionTracked"
        _ship(draft, draft.now)
        return "DistributionChanged"
    if draft.start <= draft.now:
        _hand_back(draft, draft.now)
        return "ExamMaterialReturned"
    draft["IntegrationWithholdDistribution"] = not withheld
    return "IntegrationConfigured"


def _ship(draft: Draft, ticks: int) -> None:
    # A person types when the package went out, to the minute.
    draft["DistributionShipped"] = draft.venue.instant(ticks // MINUTE * MINUTE)
    draft["DistributionStatus"] = draft.one_of(vocabulary.PACKAGE_STATUSES)


def _hand_back(draft: Draft, ticks: int) -> None:
    draft["ExamMaterialReturnShipmentReceived"] = draft.venue.instant(min(ticks, draft.now))
    draft["ExamMaterialReturnShipmentCode"] = f"RET{draft.number(100_000, 999_999)}CA"
    draft["ExamMaterialReturnShipmentCondition"] = draft.one_of(("Full", "Full", "Partial"))


CLASS_CHANGES: tuple[Change, ...] = (
    *(_retitle, *(_move_room,) * 2, *(_adjust_capacity,) * 3, *(_publish_or_unpublish,) * 2),
    *(_lock_or_unlock, _cancel_or_reinstate, _reschedule),
)
EXAM_CHANGES: tuple[Change, ...] = (
    *(_retitle, _move_room, _decide, _decide, _publish_or_unpublish),
    *(_cancel_or_reinstate, _reschedule),
)
PAPER_EXAM_CHANGES: tuple[Change, ...] = (*EXAM_CHANGES, *(_next_package_step,) * 8)
MEETING_CHANGES: tuple[Change, ...] = (_retitle, _move_room, _reschedule, _cancel_or_reinstate)
APPOINTMENT_CHANGES: tuple[Change, ...] = (_describe, _reschedule, _move_room)
