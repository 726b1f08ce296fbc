"""The state words of the marts, each with its meaning, in the order in which its rules are tried.

The contracts of state columns name these words, `transforms` gives no others, and `marts.states`
lists them.
"""

from __future__ import annotations

from collections.abc import Mapping

LIFECYCLE: Mapping[str, str] = {
    "Cancelled": "event_scheduling_status is Cancelled.",
    "Completed": "The event has ended; one without an end is never completed.",
    "In Progress": "The event has started.",
    "Published": "event_publication_status is Published.",
    "Drafted": "Otherwise.",
}
AVAILABILITY: Mapping[str, str] = {
    "Full": "registration_locked is set, or seats_taken equals the maximum.",
    "Under": "seats_taken is below the minimum.",
    "Over": "seats_taken is above the maximum.",
    "Empty": "No seat is taken, and there is no minimum.",
    "Open": "Otherwise: seats are left, or there is no maximum.",
}
REGISTRATION: Mapping[str, str] = {
    "Closed": "lifecycle_status is not Published; or the deadline has passed, or, without a"
    " deadline, the start of the event.",
    "Locked": "registration_locked is set.",
    "Not Open": "Registration starts later.",
    "Open": "Otherwise.",
}
DISTRIBUTION: Mapping[str, str] = {
    "Cancelled": "The event is cancelled.",
    "Not Applicable": "The event is not an Exam, or its format is Online.",
    "Withheld": "integration_withhold_distribution is true, and nothing was ordered.",
    "Failed": "distribution_code or distribution_status is `Error`, or distribution_errors is not"
    " blank; an order that failed is Failed, although it is ordered.",
    "Shipped": "distribution_shipped is set; a person types it.",
    "Ordered": "distribution_ordered is set; not yet shipped, or nobody typed it.",
    "Overdue": "distribution_expected has passed, and nothing was ordered.",
    "Planned": "distribution_expected is set.",
    "Unplanned": "Otherwise.",
}
RETURN: Mapping[str, str] = {
    "Not Required": "distribution_state is Cancelled or Not Applicable, or the event starts later.",
    "Not Returned": "exam_material_return_shipment_received is null.",
    "Partially Returned": "The condition of the returned materials is Partial.",
    "Fully Returned": "Otherwise.",
}
CHANGE: Mapping[str, str] = {
    "inserted": "The event is new, or back after a deletion.",
    "updated": "A member of the event changed.",
    "deleted": "The API no longer has the event.",
}
ATTEMPT: Mapping[str, str] = {
    "complete": "All rows were received and stored.",
    "failed": "The collection ended without a complete answer.",
    "access_denied": "The rows may not be read.",
    "shrunk": "Too few rows were received: the former ones stay until a person allows it.",
}
