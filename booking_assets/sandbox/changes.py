"""What happens to a generated event after its birth, paper exam packages above all.

A change alters a draft and returns the vendor's name of it (`LastChangeType`); when changes happen
is in `generated`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from booking_assets.sandbox import vocabulary
from booking_assets.sandbox.draft import DAY, MINUTE, Draft, publish
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


def _redraw(draft: Draft, member: str, choices: Sequence[Any], change: str) -> str:
    """Give a member another value."""
    now = draft.values.get(member)
    draft.values[member] = draft.one_of([choice for choice in choices if choice != now])
    return change


def retitle(draft: Draft) -> str:
    """Add a note to the title, or remove it."""
    title: str = draft.values["EventTitle"]
    note = " (revised)"
    draft.values["EventTitle"] = title.removesuffix(note) if title.endswith(note) else title + note
    return "EventRetitled"


def move_room(draft: Draft) -> str:
    """Move to another room of the same venue."""
    draft.values["VenueLocationIdentifier"] = draft.venue.identifier
    return _redraw(draft, "VenueRoom", draft.venue.rooms, "EventVenueChanged2")


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
    statuses = vocabulary.EXAM_SCHEDULING
    return _redraw(draft, "EventSchedulingStatus", statuses, "EventScheduleStatusChanged")


def reschedule(draft: Draft) -> str:
    """Move by some days; a planned shipping date is not computed anew."""
    by = draft.one_of((-7, -1, 1, 2, 7, 14)) * DAY
    for member in ("EventScheduledStart", "EventScheduledEnd"):
        if (instant := draft.values.get(member)) is not None:
            draft.values[member] = draft.venue.instant(instant.ticks + by)
    return "EventRescheduled"


def describe(draft: Draft) -> str:
    """Write another description."""
    return _redraw(draft, "EventDescription", vocabulary.SENTENCES, "AppointmentDescribed")


def plan_package(draft: Draft) -> None:
    """Draw where the package of a new paper exam stands; later steps imply the earlier ones."""
    state, values = draft.one_of(_STATES), draft.values
    values["DistributionProcess"] = draft.one_of(vocabulary.PROCESSES)
    if state == "unplanned":
        return
    # The vendor's default plan: 12 business days before the start, without holidays.
    expected, left = draft.start, _BUSINESS_DAYS
    while left:
        expected -= DAY
        left -= (expected // DAY + _FIRST_OF_1970) % 7 <= _FRIDAY
    values["DistributionExpected"] = draft.venue.instant(expected)
    if state == "withheld":
        values["IntegrationWithholdDistribution"] = True
    if state in {"ordered", "shipped", "failed"}:
        ordered = min(expected, draft.now) - draft.chance.randrange(6 * DAY)
        order_package(draft, ordered, fails=state == "failed")
        if state == "shipped":
            delivered = expected + draft.number(-3, 4) * DAY
            _ship(draft, max(ordered + DAY, min(delivered, draft.now)))
    if draft.start <= draft.now and draft.happens(0.5):
        _hand_back(draft, draft.start + draft.number(1, 30) * DAY)
    elif draft.happens(0.2):
        # The vendor's form writes its checkbox even where nothing came back.
        values["ExamMaterialReturnShipmentCondition"] = "Partial"


def order_package(draft: Draft, ticks: int, *, fails: bool) -> None:
    """Place the order; one that fails leaves `Error` behind, and is marked as ordered too."""
    values = draft.values
    values["DistributionOrdered"] = Instant(ticks, 0)
    values["DistributionCode"] = "Error" if fails else f"J{draft.number(10_000_000, 99_999_999)}"
    values["DistributionStatus"] = "Error" if fails else "RECORD_RECEIVED"
    values["DistributionErrors"] = draft.one_of(vocabulary.PACKAGE_ERRORS) if fails else None
    values["DistributionTracked"] = Instant(ticks + draft.number(1, 90) * MINUTE // 60, 0)


def next_package_step(draft: Draft) -> str:
    """Take the package's next step; returns the vendor's name of the change."""
    values = draft.values
    withheld = bool(values["IntegrationWithholdDistribution"])
    if values.get("DistributionOrdered") is None and not withheld:
        order_package(draft, draft.now, fails=draft.happens(0.15))
        return "DistributionOrdered"
    if values.get("DistributionCode") is not None and values.get("DistributionShipped") is None:
        if draft.happens(0.5):
            values["DistributionStatus"] = draft.one_of(vocabulary.PACKAGE_STATUSES)
            values["DistributionTracked"] = Instant(draft.now, 0)
            return "DistributionTracked"
        _ship(draft, draft.now)
        return "DistributionChanged"
    if draft.start <= draft.now:
        _hand_back(draft, draft.now)
        return "ExamMaterialReturned"
    values["IntegrationWithholdDistribution"] = not withheld
    return "IntegrationConfigured"


def _ship(draft: Draft, ticks: int) -> None:
    # A person types when the package went out, to the minute.
    draft.values["DistributionShipped"] = draft.venue.instant(ticks // MINUTE * MINUTE)
    draft.values["DistributionStatus"] = draft.one_of(vocabulary.PACKAGE_STATUSES)


def _hand_back(draft: Draft, ticks: int) -> None:
    values = draft.values
    values["ExamMaterialReturnShipmentReceived"] = draft.venue.instant(min(ticks, draft.now))
    values["ExamMaterialReturnShipmentCode"] = f"RET{draft.number(100_000, 999_999)}CA"
    values["ExamMaterialReturnShipmentCondition"] = draft.one_of(("Full", "Full", "Partial"))


CLASS_CHANGES: tuple[Change, ...] = (
    *(retitle, move_room, move_room, adjust_capacity, adjust_capacity, adjust_capacity),
    *(publish_or_unpublish, publish_or_unpublish, lock_or_unlock, cancel_or_reinstate, reschedule),
)
EXAM_CHANGES: tuple[Change, ...] = (
    *(retitle, move_room, decide, decide, publish_or_unpublish, cancel_or_reinstate, reschedule),
)
PAPER_EXAM_CHANGES: tuple[Change, ...] = (*EXAM_CHANGES, *(next_package_step,) * 8)
MEETING_CHANGES: tuple[Change, ...] = (retitle, move_room, reschedule, cancel_or_reinstate)
APPOINTMENT_CHANGES: tuple[Change, ...] = (describe, reschedule, move_room)
