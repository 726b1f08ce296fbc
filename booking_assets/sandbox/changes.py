"""What happens to a generated event after its birth: one function a change.

What lives here: changes of a draft, each returning the vendor's name for it (`LastChangeType`), and
which of them a kind of event can meet.
What must not: when they happen (`timeline`).
Read more: `docs/sandbox.md`, "Generated events".
"""

from __future__ import annotations

from collections.abc import Callable

from booking_assets.sandbox import packages, vocabulary
from booking_assets.sandbox.draft import DAY, Draft, publish

Change = Callable[[Draft], str]


def retitle(draft: Draft) -> str:
    """The title gets, or loses, a note."""
    title: str = draft.values["EventTitle"]
    note = " (revised)"
    draft.values["EventTitle"] = title.removesuffix(note) if title.endswith(note) else title + note
    return "EventRetitled"


def move_room(draft: Draft) -> str:
    """Another room of the same venue."""
    rooms = [room for room in draft.venue.rooms if room != draft.values.get("VenueRoom")]
    draft.values["VenueLocationIdentifier"] = draft.venue.identifier
    draft.values["VenueRoom"] = draft.one_of(rooms)
    return "EventVenueChanged2"


def adjust_capacity(draft: Draft) -> str:
    """A few seats more or less; a decrease may end at zero or below, which means no limit."""
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
    """Registration is locked now, or open again."""
    if draft.values.get("RegistrationLocked") is None:
        draft.values["RegistrationLocked"] = draft.venue.instant(draft.now)
        return "EventRegistrationLocked"
    draft.values["RegistrationLocked"] = None
    return "EventRegistrationUnlocked"


def cancel_or_reinstate(draft: Draft) -> str:
    """Cancelling archives the event; capacity and dates stay."""
    if draft.values.get("EventSchedulingStatus") == "Cancelled":
        draft.values["EventSchedulingStatus"] = "Active"
        return "EventScheduleStatusChanged"
    draft.values["EventSchedulingStatus"] = "Cancelled"
    draft.values["EventPublicationStatus"] = "Archived"
    return "EventCancelled"


def decide(draft: Draft) -> str:
    """Another scheduling status of an exam."""
    now = draft.values.get("EventSchedulingStatus")
    draft.values["EventSchedulingStatus"] = draft.one_of(
        [status for status in vocabulary.EXAM_SCHEDULING if status != now]
    )
    return "EventScheduleStatusChanged"


def reschedule(draft: Draft) -> str:
    """Some days earlier or later; a planned shipping date is not computed anew."""
    by = draft.one_of((-7, -1, 1, 2, 7, 14)) * DAY
    for member in ("EventScheduledStart", "EventScheduledEnd"):
        if (instant := draft.values.get(member)) is not None:
            draft.values[member] = draft.venue.instant(instant.ticks + by)
    return "EventRescheduled"


def describe(draft: Draft) -> str:
    """Another description."""
    now = draft.values["EventDescription"]
    draft.values["EventDescription"] = draft.one_of(
        [sentence for sentence in vocabulary.SENTENCES if sentence != now]
    )
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
