"""The kinds of event and what a new one of each holds: class, exam, meeting, appointment.

What lives here: one function a kind that fills a draft at the event's birth.
What must not: what happens to an event later (`changes`).
Read more: `docs/sandbox.md`, "Generated events".
"""

from __future__ import annotations

from decimal import Decimal

from booking_assets.sandbox import packages, vocabulary
from booking_assets.sandbox.draft import (
    MINUTE,
    Draft,
    content,
    publish,
    registration_fields,
    schedule,
)

_HOURS = (3, 4, 6, 7, 8)
_EXAM_MINUTES = (120, 180, 180, 240, 300)
_FIRST_NUMBER = 1000


def draft_class(draft: Draft) -> None:
    """A training session that people register for."""
    values = draft.values
    _common(draft, "Class")
    schedule(draft, draft.one_of(_HOURS) * 60)
    title = f"{draft.one_of(vocabulary.TRADES)} {draft.one_of(vocabulary.LEVELS)}"
    values["EventTitle"] = title
    values["Content"] = content(draft, title, draft.number(0, 2))
    values["RegistrationFields"] = registration_fields(draft, draft.number(1, 2))
    values["AchievementIdentifier"] = draft.one_of(draft.campus.awards)
    values["EventClassCode"] = f"{title[:3].upper()}-{draft.number(100, 999)}"
    values["EventCalendarColor"] = draft.one_of(vocabulary.COLOURS)
    values["DurationQuantity"] = draft.number(1, 10)
    values["DurationUnit"] = draft.one_of(("Day", "Day", "Hour", "Week", "Month"))
    values["CreditHours"] = Decimal(draft.number(0, 320) * 25).scaleb(-2)
    values["WaitlistEnabled"] = draft.happens(0.4)
    values["AllowMultipleRegistrations"] = draft.happens(0.3)
    values["BillingCodeEnabled"] = draft.happens(0.2)
    _class_capacity(draft)
    _status(draft, vocabulary.CLASS_SCHEDULING)
    if draft.happens(0.2):
        values["AllowRegistrationWithLink"] = True
    if draft.happens(0.15):
        values["LearnerRegistrationGroupIdentifier"] = draft.one_of(draft.campus.groups)
        values["MandatorySurveyFormIdentifier"] = draft.one_of(draft.campus.forms)
    if draft.happens(0.08):
        values["RegistrationLocked"] = draft.venue.instant(draft.now)
    if draft.happens(0.03):
        values["EventScheduledEnd"] = None
    if draft.happens(0.04):
        values["EventNumber"] = 0
        values["EventSource"] = vocabulary.IMPORT


def draft_exam(draft: Draft) -> None:
    """An invigilated sitting, on paper or online."""
    values = draft.values
    _common(draft, "Exam")
    minutes = draft.one_of(_EXAM_MINUTES)
    schedule(draft, minutes)
    subject = f"{draft.one_of(vocabulary.TRADES)} {draft.one_of(vocabulary.LEVELS)}"
    values["EventTitle"] = f"{draft.venue.name} / {subject}"
    if draft.happens(0.1):
        values["Content"] = content(draft, subject, 1)
    values["EventFormat"] = draft.one_of(vocabulary.EXAM_FORMATS)
    values["ExamType"] = draft.one_of(vocabulary.EXAM_TYPES)
    values["EventBillingType"] = draft.one_of(vocabulary.BILLING)
    values["EventRequisitionStatus"] = draft.one_of(vocabulary.REQUISITION)
    values["EventClassCode"] = f"X{draft.number(1000, 9999)}"
    if draft.happens(0.5):
        values["VenueOfficeIdentifier"] = draft.one_of(draft.campus.offices)
        values["AchievementIdentifier"] = draft.one_of(draft.campus.awards)
    values["DurationQuantity"] = minutes
    values["DurationUnit"] = "Minute"
    values["ExamDurationInMinutes"] = minutes
    individual = values["ExamType"].startswith("Individual")
    values["CapacityMaximum"] = 1 if individual else draft.number(5, 120)
    values["InvigilatorMinimum"] = -(-values["CapacityMaximum"] // 24)
    values["IntegrationWithholdGrades"] = draft.happens(0.15)
    _status(draft, vocabulary.EXAM_SCHEDULING)
    _exam_outcome(draft)


def draft_meeting(draft: Draft) -> None:
    """A meeting: a title, a description and a room."""
    _common(draft, "Meeting")
    schedule(draft, draft.number(2, 16) * 15)
    draft.values["EventTitle"] = f"{draft.one_of(vocabulary.TRADES)} committee"
    draft.values["EventDescription"] = _paragraph(draft, draft.number(2, 6))
    _status(draft, vocabulary.CLASS_SCHEDULING)


def draft_appointment(draft: Draft) -> None:
    """An appointment: it has a kind of its own, and no number."""
    _common(draft, "Appointment")
    schedule(draft, draft.number(2, 8) * 15)
    draft.values["EventNumber"] = 0
    draft.values["AppointmentType"] = draft.one_of(vocabulary.APPOINTMENT_TYPES)
    draft.values["EventTitle"] = f"{draft.values['AppointmentType']} appointment"
    draft.values["EventDescription"] = _paragraph(draft, draft.number(1, 4))
    draft.values["CapacityMaximum"] = draft.one_of((1, 1, 2, None))


def _common(draft: Draft, event_type: str) -> None:
    values = draft.values
    values["OrganizationIdentifier"] = draft.campus.organization
    values["EventType"] = event_type
    if draft.happens(0.015):
        values["EventType"] = draft.one_of(vocabulary.UNUSUAL_TYPES)
    values["EventNumber"] = _FIRST_NUMBER + draft.slot
    values["EventSource"] = draft.one_of(vocabulary.SOURCES)
    for flag in (
        *("AllowMultipleRegistrations", "BillingCodeEnabled", "IntegrationWithholdDistribution"),
        *("IntegrationWithholdGrades", "PersonCodeIsRequired", "WaitlistEnabled"),
    ):
        values[flag] = False
    values["PersonCodeIsRequired"] = draft.happens(0.3)
    if draft.happens(0.95):
        values["VenueLocationIdentifier"] = draft.venue.identifier
        values["VenueRoom"] = draft.one_of(draft.venue.rooms) if draft.happens(0.94) else None
    if draft.happens(0.01):
        values["VenueCoordinatorIdentifier"] = draft.one_of(draft.campus.groups)
        values["EventSummary"] = draft.one_of(vocabulary.SENTENCES)


def _class_capacity(draft: Draft) -> None:
    highest = draft.number(6, 60)
    if draft.happens(0.2):
        draft.values["CapacityMaximum"] = draft.one_of((None, None, 0, -1))
    else:
        draft.values["CapacityMaximum"] = highest
    draft.values["CapacityMinimum"] = (
        draft.one_of((None, None, 0, -1)) if draft.happens(0.4) else draft.number(1, highest // 2)
    )


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


def _exam_outcome(draft: Draft) -> None:
    values = draft.values
    if (values["EventFormat"] or "").casefold() == "paper":
        packages.plan(draft)
    elif values["EventFormat"] == "Online" and draft.happens(0.1):
        # An exam that was on paper once: its code and status stay behind.
        packages.order(draft, draft.now, fails=False)
        values["DistributionOrdered"] = None
    if draft.is_past and draft.happens(0.8):
        values["ExamStarted"] = draft.venue.instant(
            draft.start.ticks + draft.number(0, 15) * MINUTE
        )
    if draft.happens(0.05):
        values["PublicationErrors"] = draft.one_of(vocabulary.PUBLICATION_ERRORS)
    if draft.happens(0.06):
        values["EventScheduledEnd"] = values["EventScheduledStart"]
        values["ExamDurationInMinutes"] = 0


def _paragraph(draft: Draft, sentences: int) -> str:
    return "\n".join(draft.one_of(vocabulary.SENTENCES) for _ in range(sentences))
