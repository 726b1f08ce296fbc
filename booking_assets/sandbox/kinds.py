"""The kinds of event and what a new one of each holds: class, exam, meeting, appointment.

What happens to an event later is in `changes`.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from booking_assets.sandbox import vocabulary
from booking_assets.sandbox.changes import order_package, plan_package
from booking_assets.sandbox.draft import DAY, MINUTE, Draft, publish

_HOURS = (3, 4, 6, 7, 8)
_EXAM_MINUTES = (120, 180, 180, 240, 300)
_FIRST_NUMBER = 1000


def draft_class(draft: Draft) -> None:
    """Fill a training session that people register for."""
    values = draft.values
    _common(draft, "Class")
    _schedule(draft, draft.one_of(_HOURS) * 60)
    title = f"{draft.one_of(vocabulary.TRADES)} {draft.one_of(vocabulary.LEVELS)}"
    values["EventTitle"] = title
    values["Content"] = _content(draft, title, draft.number(0, 2))
    values["RegistrationFields"] = _registration_fields(draft, draft.number(1, 2))
    values["AchievementIdentifier"] = draft.reference("award", 14)
    values["EventClassCode"] = f"{title[:3].upper()}-{draft.number(100, 999)}"
    values["EventCalendarColor"] = draft.one_of(vocabulary.COLORS)
    values["DurationQuantity"] = draft.number(1, 10)
    values["DurationUnit"] = draft.one_of(("Day", "Day", "Hour", "Week", "Month"))
    values["CreditHours"] = Decimal(draft.number(0, 320) * 25).scaleb(-2)
    values["WaitlistEnabled"] = draft.happens(0.4)
    values["AllowMultipleRegistrations"] = draft.happens(0.3)
    values["BillingCodeEnabled"] = draft.happens(0.2)
    highest = draft.number(6, 60)
    unlimited = draft.happens(0.2)
    values["CapacityMaximum"] = draft.one_of((None, None, 0, -1)) if unlimited else highest
    values["CapacityMinimum"] = (
        draft.one_of((None, None, 0, -1)) if draft.happens(0.4) else draft.number(1, highest // 2)
    )
    _status(draft, vocabulary.CLASS_SCHEDULING)
    if draft.happens(0.2):
        values["AllowRegistrationWithLink"] = True
    if draft.happens(0.15):
        values["LearnerRegistrationGroupIdentifier"] = draft.reference("group", 5)
        values["MandatorySurveyFormIdentifier"] = draft.reference("form", 5)
    if draft.happens(0.08):
        values["RegistrationLocked"] = draft.venue.instant(draft.now)
    if draft.happens(0.03):
        values["EventScheduledEnd"] = None
    if draft.happens(0.04):
        values |= {"EventNumber": 0, "EventSource": vocabulary.IMPORT}


def draft_exam(draft: Draft) -> None:
    """Fill an invigilated sitting, on paper or online."""
    values = draft.values
    _common(draft, "Exam")
    minutes = draft.one_of(_EXAM_MINUTES)
    _schedule(draft, minutes)
    subject = f"{draft.one_of(vocabulary.TRADES)} {draft.one_of(vocabulary.LEVELS)}"
    values["EventTitle"] = f"{draft.venue.name} / {subject}"
    if draft.happens(0.1):
        values["Content"] = _content(draft, subject, 1)
    values["EventFormat"] = draft.one_of(vocabulary.EXAM_FORMATS)
    values["ExamType"] = draft.one_of(vocabulary.EXAM_TYPES)
    values["EventBillingType"] = draft.one_of(vocabulary.BILLING)
    values["EventRequisitionStatus"] = draft.one_of(vocabulary.REQUISITION)
    values["EventClassCode"] = f"X{draft.number(1000, 9999)}"
    if draft.happens(0.5):
        values["VenueOfficeIdentifier"] = draft.reference("office", 5)
        values["AchievementIdentifier"] = draft.reference("award", 14)
    values["DurationQuantity"] = values["ExamDurationInMinutes"] = minutes
    values["DurationUnit"] = "Minute"
    individual = values["ExamType"].startswith("Individual")
    values["CapacityMaximum"] = 1 if individual else draft.number(5, 120)
    values["InvigilatorMinimum"] = -(-values["CapacityMaximum"] // 24)
    values["IntegrationWithholdGrades"] = draft.happens(0.15)
    _status(draft, vocabulary.EXAM_SCHEDULING)
    if (values["EventFormat"] or "").casefold() == "paper":
        plan_package(draft)
    elif values["EventFormat"] == "Online" and draft.happens(0.1):
        # An exam that was on paper once: its code and status stay behind.
        order_package(draft, draft.now, fails=False)
        values["DistributionOrdered"] = None
    if draft.start <= draft.now and draft.happens(0.8):
        values["ExamStarted"] = draft.venue.instant(draft.start + draft.number(0, 15) * MINUTE)
    if draft.happens(0.05):
        values["PublicationErrors"] = draft.one_of(vocabulary.PUBLICATION_ERRORS)
    if draft.happens(0.06):
        values["EventScheduledEnd"] = values["EventScheduledStart"]
        values["ExamDurationInMinutes"] = 0


def draft_meeting(draft: Draft) -> None:
    """Fill a meeting: a title, a description and a room."""
    _common(draft, "Meeting")
    _schedule(draft, draft.number(2, 16) * 15)
    draft.values["EventTitle"] = f"{draft.one_of(vocabulary.TRADES)} committee"
    draft.values["EventDescription"] = _paragraph(draft, draft.number(2, 6))
    _status(draft, vocabulary.CLASS_SCHEDULING)


def draft_appointment(draft: Draft) -> None:
    """Fill an appointment: it has a kind of its own, and no number."""
    _common(draft, "Appointment")
    _schedule(draft, draft.number(2, 8) * 15)
    draft.values["EventNumber"] = 0
    draft.values["AppointmentType"] = draft.one_of(vocabulary.APPOINTMENT_TYPES)
    draft.values["EventTitle"] = f"{draft.values['AppointmentType']} appointment"
    draft.values["EventDescription"] = _paragraph(draft, draft.number(1, 4))
    draft.values["CapacityMaximum"] = draft.one_of((1, 1, 2, None))


def _common(draft: Draft, event_type: str) -> None:
    values = draft.values
    values["OrganizationIdentifier"] = draft.organization
    is_usual = not draft.happens(0.015)
    values["EventType"] = event_type if is_usual else draft.one_of(vocabulary.UNUSUAL_TYPES)
    values["EventNumber"] = _FIRST_NUMBER + draft.slot
    values["EventSource"] = draft.one_of(vocabulary.SOURCES)
    values |= dict.fromkeys(vocabulary.FLAGS, False)
    values["PersonCodeIsRequired"] = draft.happens(0.3)
    if draft.happens(0.95):
        values["VenueLocationIdentifier"] = draft.venue.identifier
        values["VenueRoom"] = draft.one_of(draft.venue.rooms) if draft.happens(0.94) else None
    if draft.happens(0.01):
        values["VenueCoordinatorIdentifier"] = draft.reference("group", 5)
        values["EventSummary"] = draft.one_of(vocabulary.SENTENCES)


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
    draft.values["EventScheduledStart"] = start
    draft.values["EventScheduledEnd"] = draft.venue.instant(start.ticks + minutes * MINUTE)


def _status(draft: Draft, scheduling: tuple[str | None, ...]) -> None:
    """Scheduling and publication; cancelling archives, publishing opens registration."""
    status = draft.one_of(scheduling)
    draft.values["EventSchedulingStatus"] = status
    if status is not None and status.strip().casefold() == "cancelled":
        draft.values["EventPublicationStatus"] = "Archived"
        return
    publication = draft.one_of(vocabulary.PUBLICATION)
    draft.values["EventPublicationStatus"] = publication
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
