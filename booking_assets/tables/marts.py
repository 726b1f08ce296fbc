"""The marts: answers that someone asks for, derived from the raw tables alone.

What lives here: one dataframely schema and one `Table` for each table of the `marts` schema.
What must not: how an answer is computed (`transforms`).
Read more: `docs/tables.md`.
"""

from __future__ import annotations

import dataframely as dy

from booking_assets.tables.contract import (
    Count,
    Day,
    Flag,
    Instant,
    Measure,
    Number,
    Table,
    Text,
    as_in,
)
from booking_assets.tables.raw import Events

AS_OF = (
    "Start of the organization's newest complete collection: the instant the answer is for (UTC)."
)


class CapacityByEvent(dy.Schema):
    """Columns of `marts.capacity_by_event`."""

    organization = as_in(Events, "organization")
    event_identifier = as_in(Events, "event_identifier")
    event_number = as_in(Events, "event_number")
    event_title = as_in(Events, "event_title")
    event_type = as_in(Events, "event_type")
    event_class_code = as_in(Events, "event_class_code")
    event_format = as_in(Events, "event_format")
    achievement_identifier = as_in(Events, "achievement_identifier")
    venue_location_identifier = as_in(Events, "venue_location_identifier")
    venue_room = as_in(Events, "venue_room")
    event_scheduled_start = as_in(Events, "event_scheduled_start")
    event_scheduled_end = as_in(Events, "event_scheduled_end")
    local_date = Day("Day of the start in the venue's own time.")
    lifecycle_status = Text(
        "Cancelled, Completed, In Progress, Published or Drafted, as of as_of.", nullable=False
    )
    capacity_minimum = Number("Minimum attendance; null where there is none.")
    capacity_maximum = Number("Seats; null where there is no limit.")
    seats_confirmed = Count("Confirmed registrations; null where registrations are unknown.")
    seats_invited = Count("Unanswered invitations; null where registrations are unknown.")
    seats_waitlisted = Count("Waitlisted registrations; null where registrations are unknown.")
    seats_taken = Count("Confirmed + invited; null where registrations are unknown.")
    seats_available = Count("Seats left, never below 0; null without a limit or where unknown.")
    utilization = Measure(
        "seats_taken / capacity_maximum, may pass 1; null without a limit or where unknown."
    )
    availability = Text("Full, Under, Over, Empty or Open; null where unknown.")
    registration_state = Text("Closed, Locked, Not Open or Open, as of as_of.", nullable=False)
    as_of = Instant(AS_OF, nullable=False)


class CapacityUtilization(dy.Schema):
    """Columns of `marts.capacity_utilization`."""

    organization = as_in(Events, "organization")
    month = Day("First day of the month in which the event starts, in the venue's own time.")
    event_type = as_in(Events, "event_type")
    venue_location_identifier = as_in(Events, "venue_location_identifier")
    events = Count("Events that are not cancelled.", nullable=False)
    events_cancelled = Count("Cancelled events; they count nowhere else.", nullable=False)
    events_unlimited = Count("Events without a maximum, not cancelled.", nullable=False)
    seats_offered = Count("Sum of capacity_maximum.", nullable=False)
    seats_required = Count("Sum of capacity_minimum.", nullable=False)
    seats_published = Count(
        "Sum of capacity_maximum of events Published, In Progress or Completed.", nullable=False
    )
    seats_taken = Count("Seats taken in events that have a maximum; null where unknown.")
    seats_waitlisted = Count("Waitlisted registrations; null where unknown.")
    utilization = Measure("seats_taken / seats_offered, a ratio; null where it has no meaning.")
    minimum_fill = Measure(
        "Required over offered seats of events that have a maximum, a ratio; null without any."
    )
    events_under = Count("Events below their minimum; null where unknown.")
    events_over = Count("Events above their maximum; null where unknown.")
    events_full = Count("Events that are full or locked; null where unknown.")
    events_empty = Count("Events without any seat taken; null where unknown.")
    events_open = Count("Events with room; null where unknown.")
    as_of = Instant(AS_OF, nullable=False)


class DistributionByEvent(dy.Schema):
    """Columns of `marts.distribution_by_event`."""

    organization = as_in(Events, "organization")
    event_identifier = as_in(Events, "event_identifier")
    event_number = as_in(Events, "event_number")
    event_title = as_in(Events, "event_title")
    exam_type = as_in(Events, "exam_type")
    event_format = as_in(Events, "event_format")
    event_scheduled_start = as_in(Events, "event_scheduled_start")
    venue_location_identifier = as_in(Events, "venue_location_identifier")
    distribution_process = Text(
        "How the package is distributed; Standard where unset.", nullable=False
    )
    distribution_status = as_in(Events, "distribution_status")
    distribution_code = as_in(Events, "distribution_code")
    distribution_expected = as_in(Events, "distribution_expected")
    distribution_ordered = as_in(Events, "distribution_ordered")
    distribution_shipped = as_in(Events, "distribution_shipped")
    distribution_tracked = as_in(Events, "distribution_tracked")
    distribution_state = Text(
        "State of the package, from Planned to Shipped; docs/tables.md gives the nine states.",
        nullable=False,
    )
    days_until_expected = Measure("Days from as_of to distribution_expected; negative when past.")
    days_shipped_late = Measure("Days from expected to shipped; negative when early.")
    lead_days = Measure("Days from distribution_ordered to the start of the event.")
    status_age_days = Measure("Days from distribution_tracked to as_of.")
    return_state = Text(
        "Not Required, Not Returned, Partially Returned or Fully Returned.", nullable=False
    )
    return_due = Instant("When the materials are due back (UTC); null where no rule gives a date.")
    return_overdue = Flag(
        "True where materials are due back and have not all come.", nullable=False
    )
    as_of = Instant(AS_OF, nullable=False)


class DistributionStatus(dy.Schema):
    """Columns of `marts.distribution_status`."""

    organization = as_in(Events, "organization")
    distribution_state = as_in(DistributionByEvent, "distribution_state")
    distribution_process = as_in(DistributionByEvent, "distribution_process")
    distribution_status = as_in(Events, "distribution_status")
    events = Count("Events in the group.", nullable=False)
    earliest_start = Instant("Earliest start of an event in the group (UTC).")
    latest_start = Instant("Latest start of an event in the group (UTC).")
    expected_earliest = Instant("Earliest planned shipping in the group (UTC).")
    median_lead_days = Measure("Median days from order to start.")
    median_days_shipped_late = Measure("Median days from expected to shipped.")
    shipped_late = Count("Events shipped later than expected.", nullable=False)
    returns_overdue = Count("Events whose materials are overdue.", nullable=False)
    oldest_status_age_days = Measure("Days since the longest-unasked status was asked for.")
    as_of = Instant(AS_OF, nullable=False)


CAPACITY_BY_EVENT = Table(
    name="marts.capacity_by_event",
    columns=CapacityByEvent,
    row="an event of any type",
    description="Limits, seats, availability and registration state of each event.",
    grain=("organization", "event_identifier"),
)
CAPACITY_UTILIZATION = Table(
    name="marts.capacity_utilization",
    columns=CapacityUtilization,
    row="an organization, month, event type and venue",
    description="Seats offered, required, published and taken; cancelled events apart.",
    grain=("organization", "month", "event_type", "venue_location_identifier"),
)
DISTRIBUTION_BY_EVENT = Table(
    name="marts.distribution_by_event",
    columns=DistributionByEvent,
    row="an event whose exam papers are, or were, distributed",
    description="Where each exam package stands: planned, ordered, shipped, failed, returned.",
    grain=("organization", "event_identifier"),
)
DISTRIBUTION_STATUS = Table(
    name="marts.distribution_status",
    columns=DistributionStatus,
    row="an organization, distribution state, process and status",
    description="Exam packages counted by state, process and the distributor's own status.",
    grain=("organization", "distribution_state", "distribution_process", "distribution_status"),
)
