"""Paper exam packages: planned, ordered, failed, shipped, returned, or withheld."""

from __future__ import annotations

from booking_assets.sandbox import vocabulary
from booking_assets.sandbox.draft import DAY, MINUTE, Draft
from booking_assets.sandbox.wire import Instant

_BUSINESS_DAYS = 12
_FRIDAY = 4
_FIRST_OF_1970 = 3  # a Thursday
_STATES = (
    *("planned",) * 7,
    *("ordered",) * 5,
    *("shipped",) * 6,
    *("failed", "failed", "withheld", "withheld", "unplanned"),
)


def plan(draft: Draft) -> None:
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
        order(draft, ordered, fails=state == "failed")
        if state == "shipped":
            delivered = expected + draft.number(-3, 4) * DAY
            _ship(draft, max(ordered + DAY, min(delivered, draft.now)))
    if draft.start <= draft.now and draft.happens(0.5):
        _hand_back(draft, draft.start + draft.number(1, 30) * DAY)
    elif draft.happens(0.2):
        # The vendor's form writes its checkbox even where nothing came back.
        values["ExamMaterialReturnShipmentCondition"] = "Partial"


def order(draft: Draft, ticks: int, *, fails: bool) -> None:
    """Place the order; one that fails leaves `Error` behind, and is marked as ordered too."""
    values = draft.values
    values["DistributionOrdered"] = Instant(ticks, 0)
    values["DistributionCode"] = "Error" if fails else f"J{draft.number(10_000_000, 99_999_999)}"
    values["DistributionStatus"] = "Error" if fails else "RECORD_RECEIVED"
    values["DistributionErrors"] = draft.one_of(vocabulary.PACKAGE_ERRORS) if fails else None
    values["DistributionTracked"] = Instant(ticks + draft.number(1, 90) * MINUTE // 60, 0)


def next_step(draft: Draft) -> str:
    """Take the package's next step; returns the vendor's name of the change."""
    values = draft.values
    withheld = bool(values["IntegrationWithholdDistribution"])
    if values.get("DistributionOrdered") is None and not withheld:
        order(draft, draft.now, fails=draft.happens(0.15))
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
