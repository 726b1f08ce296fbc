"""What happens to a generated event after its birth: one function for each change.

Each changes a draft and returns the vendor's name of the change (`LastChangeType`); when changes
happen is in `timeline`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from booking_assets.sandbox import packages, vocabulary
from booking_assets.sandbox.draft import DAY, Draft, publish

Change = Callable[[Draft], str]


def _redraw(draft: Draft, member: str, choices: Sequence[Any]) -> None:
    """Give a member another value."""
    now = draft.values.get(member)
    draft.values[member] = draft.one_of([choice for choice in choices if choice != now])


def retitle(draft: Draft) -> str:
    """Add a note to the title, or remove it."""
    title: str = draft.values["EventTitle"]
    note = " (revised)"
    draft.values["EventTitle"] = title.removesuffix(note) if title.endswith(note) else title + note
    return "EventRetitled"


def move_room(draft: Draft) -> str:
    """Move to another room of the same venue."""
    _redraw(draft, "VenueRoom", draft.venue.rooms)
    draft.values["VenueLocationIdentifier"] = draft.venue.identifier
    return "EventVenueChanged2"


def adjust_capacity(draft: Draft) -> str:
    """Add or remove a few seats; a decrease may end at zero or below, which means no limit."""
    by = draft.one_of((-5, -2, -1, 1, 2, 5, 10))
    draft.values["CapacityMaximum"] = (draft.values.get("CapacityMaximum") or 0) + by
    return "CapacityIncreased" if by > 0 else "CapacityDecreased"


def publish_or_unpublish(draft: Draft) -> str:
    """Publishing sets the registration dates, unpublishing takes them away."""
    if draft.values.get("EventPublicationStatus") == "Published":
        draft.values["EventPublicationStatus"] = "Unpublished"
        draft.values["RegistrationStart"] = draft.values["RegistrationDeadline"] = None
        return "EventUnpublished"
    draft.values["EventPublicationStatus"] = "Published"
    publish(draft)
    return "EventPublished"


def lock_or_unlock(draft: Draft) -> str:
    """Lock registration now, or open it again."""
    is_open = draft.values.get("RegistrationLocked") is None
    draft.values["RegistrationLocked"] = draft.venue.instant(draft.now) if is_open else None
    return "EventRegistrationLocked" if is_open else "EventRegistrationUnlocked"


def cancel_or_reinstate(draft: Draft) -> str:
    """Cancelling archives the event; capacity and dates stay."""
    if draft.values.get("EventSchedulingStatus") == "Cancelled":
        draft.values["EventSchedulingStatus"] = "Active"
        return "EventScheduleStatusChanged"
    draft.values["EventSchedulingStatus"] = "Cancelled"
    draft.values["EventPublicationStatus"] = "Archived"
    return "EventCancelled"


def decide(draft: Draft) -> str:
    """Set another scheduling status of an exam."""
    _redraw(draft, "EventSchedulingStatus", vocabulary.EXAM_SCHEDULING)
    return "EventScheduleStatusChanged"


def reschedule(draft: Draft) -> str:
    """Move by some days; a planned shipping date is not computed anew."""
    by = draft.one_of((-7, -1, 1, 2, 7, 14)) * DAY
    for member in ("EventScheduledStart", "EventScheduledEnd"):
        if (instant := draft.values.get(member)) is not None:
            draft.values[member] = draft.venue.instant(instant.ticks + by)
    return "EventRescheduled"


def describe(draft: Draft) -> str:
    """Write another description."""
    _redraw(draft, "EventDescription", vocabulary.SENTENCES)
    return "AppointmentDescribed"


CLASS_CHANGES: tuple[Change, ...] = (
    *(retitle, move_room, move_room, adjust_capacity, adjust_capacity, adjust_capacity),
    *(publish_or_unpublish, publish_or_unpublish, lock_or_unlock, cancel_or_reinstate, reschedule),
)
EXAM_CHANGES: tuple[Change, ...] = (
    *(retitle, move_room, decide, decide, publish_or_unpublish, cancel_or_reinstate, reschedule),
)
PAPER_EXAM_CHANGES: tuple[Change, ...] = (*EXAM_CHANGES, *(packages.next_step,) * 8)
MEETING_CHANGES: tuple[Change, ...] = (retitle, move_room, reschedule, cancel_or_reinstate)
APPOINTMENT_CHANGES: tuple[Change, ...] = (describe, reschedule, move_room)
