"""Contracts of the marts about exam packages, rooms, histories and freshness.

Other marts: `capacity`, `names`. How a mart is computed: `transforms`; its rules for readers:
`docs/marts.md`.
"""

from __future__ import annotations

from booking_assets.tables import states
from booking_assets.tables.capacity import CAPACITY_BY_EVENT
from booking_assets.tables.contract import (
    Count,
    Day,
    Flag,
    History,
    Identifier,
    Instant,
    Measure,
    Schema,
    State,
    Table,
    Text,
)
from booking_assets.tables.names import AS_OF, Venues
from booking_assets.tables.raw import EVENTS, Events


class DistributionByEvent(Schema):
    """Where each exam package stands: planned, ordered, shipped, failed, returned."""

    organization = Events.organization
    event_identifier = Events.event_identifier
    event_number = Events.event_number
    event_title = Events.event_title
    exam_type = Events.exam_type
    event_format = Events.event_format
    event_scheduled_start = Events.event_scheduled_start
    venue_location_identifier = Events.venue_location_identifier
    venue_name = Venues.venue_name
    distribution_process = Text(
        "How the package is distributed; Standard where unset.", nullable=False
    )
    distribution_status = Events.distribution_status
    distribution_code = Events.distribution_code
    distribution_expected = Events.distribution_expected
    distribution_ordered = Events.distribution_ordered
    distribution_shipped = Events.distribution_shipped
    distribution_tracked = Events.distribution_tracked
    distribution_state = State(
        "Where the exam package is, as of as_of.", nullable=False, words=states.DISTRIBUTION
    )
    days_until_expected = Measure("Days from as_of to distribution_expected; negative when past.")
    days_shipped_late = Measure("Days from expected to shipped; negative when early.")
    lead_days = Measure("Days from distribution_ordered to the start of the event.")
    status_age_days = Measure("Days from distribution_tracked to as_of.")
    return_state = State(
        "Whether the exam materials came back, as of as_of.", nullable=False, words=states.RETURN
    )
    return_due = Instant("When the materials are due back (UTC); null where no rule gives a date.")
    return_overdue = Flag(
        "True where materials are due back and have not all come.", nullable=False
    )
    as_of = Instant(AS_OF, nullable=False)


class DistributionStatus(Schema):
    """Exam packages counted by state, process and the distributor's own status."""

    organization = Events.organization
    distribution_state = DistributionByEvent.distribution_state
    distribution_process = DistributionByEvent.distribution_process
    distribution_status = Events.distribution_status
    events = Count("Events in the group.", nullable=False)
    earliest_start = Instant("Earliest start of an event in the group (UTC).")
    latest_start = Instant("Latest start of an event in the group (UTC).")
    expected_earliest = Instant("Earliest planned shipping in the group (UTC).")
    median_lead_days = Measure("Median days from order to start.")
    median_days_shipped_late = Measure("Median days from expected to shipped.")
    shipped_late = Count("Events shipped later than expected.", nullable=False)
    returns_overdue = Count("Events whose materials are overdue.", nullable=False)
    oldest_status_age_days = Measure("Age in days of the oldest distribution status.")
    as_of = Instant(AS_OF, nullable=False)


class RoomUtilization(Schema):
    """Hours for which rooms are booked, also twice at once, and the seats offered."""

    organization = Events.organization
    venue_location_identifier = Events.venue_location_identifier
    venue_name = Venues.venue_name
    room = Text(
        "Room, as most of its events write it, without regard to case and blanks; null where the"
        " events name a venue alone."
    )
    week = Day("Monday of the ISO week, by the room's clock.", nullable=False)
    booked_hours = Measure(
        "Hours with at least one booking: overlaps count once. Cancelled events book nothing, those"
        " of more than 24 hours each of their days or nights.",
        nullable=False,
    )
    double_booked_hours = Measure(
        "Hours with two or more bookings at once: the union of the room's conflicts; null where the"
        " room is unknown."
    )
    events = Count("Events with a booking in the week.", nullable=False)
    events_too_long = Count(
        "Events that start in the week and book nothing: longer than longest_booking_days.",
        nullable=False,
    )
    seat_hours = Measure(
        "Sum of capacity_maximum x hours in the week, of events that have a maximum.",
        nullable=False,
    )
    peak_concurrent_events = Count("Most bookings at one instant; null where the room is unknown.")
    open_hours = Measure("Hours a week for which a room may be booked: a setting.", nullable=False)
    room_utilization = Measure("booked_hours / open_hours, a ratio; may pass 1.", nullable=False)
    as_of = Instant(AS_OF, nullable=False)


class RoomConflicts(Schema):
    """Overlaps of two events in a room; cross-listed classes are marked."""

    organization = Events.organization
    venue_location_identifier = Events.venue_location_identifier
    venue_name = Venues.venue_name
    room = Text("Room, as in room_utilization.", nullable=False)
    first_event_identifier = Identifier(
        "The event that starts earlier; of two that start together, the smaller identifier.",
        nullable=False,
    )
    second_event_identifier = Identifier("The other event.", nullable=False)
    overlap_start = Instant("First instant in which both have the room (UTC).", nullable=False)
    overlap_end = Instant("Instant from which one of them has left it (UTC).", nullable=False)
    overlap_minutes = Measure("Minutes from overlap_start to overlap_end.", nullable=False)
    basis = Text(
        "exact: both events last up to 24 hours; daily: one is longer and books each of its days or"
        " nights.",
        nullable=False,
    )
    same_class = Flag(
        "True where achievement and class code agree: cross-listed rather than a clash. False where"
        " either is null.",
        nullable=False,
    )
    as_of = Instant(AS_OF, nullable=False)


class EventHistory(Events):
    """Every version of every event, with the time for which it was valid."""

    valid_from = Instant(
        "Start of the collection that first saw this version; for `deleted`, of the collection that"
        " first missed the event (UTC).",
        nullable=False,
    )
    valid_to = Instant(
        "Start of the collection that saw another version, or missed the event (UTC); null: still"
        " stored in raw.events. Valid from valid_from until just before valid_to.",
    )
    change = State(
        "What happened; a deletion has the event as it was last seen, in a row of no duration"
        " (valid_to = valid_from).",
        nullable=False,
        words=states.CHANGE,
    )


NOT_IN_CHANGES = ("last_change_type", "last_change_user", "last_change_time")
"""They say that and by whom an event was changed, not what: the second is a person's name."""


class EventChanges(Schema):
    """Every change of an event: a row for each changed column, each new and each deleted event.

    Appended with `marts.event_history` and never derived again; the events of an organization's
    first load are not in it.
    """

    organization = Events.organization
    event_identifier = Events.event_identifier
    changed_at = Instant(
        "Start of the collection that first saw the change: valid_from in marts.event_history"
        " (UTC).",
        nullable=False,
    )
    change = Text("`inserted`, `updated` or `deleted`.", nullable=False)
    column_name = Text(
        f"The changed column of raw.events, but {', '.join(NOT_IN_CHANGES)}; null where inserted or"
        " deleted."
    )
    old_value = Text("Value before, as text, cut at 200 characters.", free=True)
    new_value = Text("Value after, as text, cut at 200 characters.", free=True)
    sequence = Count(
        "The order of an organization's changes, whatever its clocks said: `sequence` in"
        " raw.collections of the newest collection of events when the change was recorded; null in"
        " rows of earlier releases, or filled from their history, which come before all others."
    )


class SeatHistory(Schema):
    """The seats of each event over time, its booking curve: a row only where a number changed.

    An event has no version while its seats are unknown, nor after its deletion.
    """

    organization = Events.organization
    event_identifier = Events.event_identifier
    seats_confirmed = Count("Confirmed registrations.", nullable=False)
    seats_invited = Count("Unanswered invitations.", nullable=False)
    seats_waitlisted = Count("Waitlisted registrations.", nullable=False)
    seats_other = Count("Registrations with any other approval status.", nullable=False)
    valid_from = Instant(
        "Start of the registrations' collection that first saw these numbers (UTC).",
        nullable=False,
    )
    valid_to = Instant(
        "Start of the collection that saw other numbers, missed the event, or left the seats"
        " unknown (UTC); null: current. Valid from valid_from until just before valid_to."
    )


class OrganizationFreshness(Schema):
    """How old and how complete each organization's data was when it was published."""

    organization = Events.organization
    events_as_of = Instant("Start of the newest complete collection of events (UTC).")
    registrations_as_of = Instant("Start of the newest complete collection of registrations (UTC).")
    groups_as_of = Instant(
        "Start of the newest complete collection of groups, which name venues (UTC); names never"
        " decide is_current."
    )
    last_attempt_at = Instant(
        "Start of the newest collection of events, or of registrations where those alone are not"
        " complete (UTC)."
    )
    last_status = State(
        "How that collection ended; null where there was none.", words=states.ATTEMPT
    )
    failing_since = Instant(
        "Start of the first collection after the newest complete one (UTC); null where the newest"
        " is complete."
    )
    reason = Text("Why it is not complete or not published; null where it is.")
    remedy = Text("What a person can do about it; null where it is complete and published.")
    events = Count("Events stored.", nullable=False)
    rejected = Count("Rows of events that could not be typed.", nullable=False)
    registrations = Count("Registrations stored; null where they were never complete.")
    event_count = Count("Events that the newest `count` reported; null where it never succeeded.")
    is_current = Flag(
        "True where the newest collection of events is complete, and of registrations where they"
        " are wanted; overtaken ones do not count.",
        nullable=False,
    )
    is_published = Flag(
        "False where the organization is left out of the other marts, since a check failed.",
        nullable=False,
    )
    age_minutes = Measure(
        "Minutes from events_as_of to publishing, never negative; null where there is none."
    )


DISTRIBUTION_BY_EVENT = Table(
    "marts.distribution_by_event",
    DistributionByEvent,
    row="an event whose exam papers are, or were, distributed",
    grain=("organization", "event_identifier"),
)
DISTRIBUTION_STATUS = Table(
    "marts.distribution_status",
    DistributionStatus,
    row="an organization, distribution state, process and status",
    grain=("organization", "distribution_state", "distribution_process", "distribution_status"),
)
ROOM_UTILIZATION = Table(
    "marts.room_utilization",
    RoomUtilization,
    row="an organization, venue, room and week in which it is booked",
    grain=("organization", "venue_location_identifier", "room", "week"),
)
ROOM_CONFLICTS = Table(
    "marts.room_conflicts",
    RoomConflicts,
    row="a time in which two events have the same room",
    grain=("organization", "first_event_identifier", "second_event_identifier", "overlap_start"),
)
EVENT_CHANGES = Table(
    "marts.event_changes",
    EventChanges,
    row="a changed column of an event, a new event or a deleted one",
    grain=("organization", "event_identifier", "changed_at", "column_name"),
)
EVENT_HISTORY = History(
    "marts.event_history",
    EventHistory,
    row="a version of an event that a collection saw, or its deletion",
    grain=("organization", "event_identifier", "valid_from"),
    source=EVENTS,
    instant="collected_at",
    changes=EVENT_CHANGES,
    not_in_changes=NOT_IN_CHANGES,
)
SEAT_HISTORY = History(
    "marts.seat_history",
    SeatHistory,
    row="the seats of an event while they did not change",
    grain=("organization", "event_identifier", "valid_from"),
    source=CAPACITY_BY_EVENT,
    instant="seats_as_of",
)
ORGANIZATION_FRESHNESS = Table(
    "marts.organization_freshness",
    OrganizationFreshness,
    row="an organization in the settings",
    grain=("organization",),
)
