"""Contracts of the marts about seats, attendance and the calendar; other marts are in `marts`.

How a mart is computed: `transforms`; its rules for readers: `docs/marts.md`.
"""

from __future__ import annotations

from booking_assets.tables import states
from booking_assets.tables.contract import (
    Count,
    Day,
    Flag,
    Instant,
    Measure,
    Number,
    Schema,
    State,
    Table,
    Text,
)
from booking_assets.tables.names import AS_OF, Achievements, Venues
from booking_assets.tables.raw import Events

_SEATS_AS_OF = (
    "Start of the registrations' newest complete collection (UTC), the instant that the {} are for;"
    " earlier than as_of where a newer one failed{}."
)


class CapacityByEvent(Schema):
    """Limits, seats, availability and registration state of each event."""

    organization = Events.organization
    event_identifier = Events.event_identifier
    event_number = Events.event_number
    event_title = Events.event_title
    event_type = Events.event_type
    event_class_code = Events.event_class_code
    event_format = Events.event_format
    achievement_identifier = Events.achievement_identifier
    achievement_title = Achievements.achievement_title
    venue_location_identifier = Events.venue_location_identifier
    venue_name = Venues.venue_name
    venue_room = Events.venue_room
    event_scheduled_start = Events.event_scheduled_start
    event_scheduled_end = Events.event_scheduled_end
    local_date = Day(
        "Day of the start in the organization's timezone; where that is not set, in the offset that"
        " the API wrote."
    )
    lifecycle_status = State(
        "Where the event is in its life, as of as_of.", nullable=False, words=states.LIFECYCLE
    )
    capacity_minimum = Number("Minimum attendance; null where there is none.")
    capacity_maximum = Number("Seats; null where there is no limit.")
    seats_confirmed = Count(
        "Registrations that are confirmed, by the words of the event's type; null where unknown."
    )
    seats_invited = Count("Unanswered invitations; null where registrations are unknown.")
    seats_waitlisted = Count("Waitlisted registrations; null where registrations are unknown.")
    seats_other = Count(
        "Registrations with another approval, such as pending or a word that is not known; they"
        " take no seat. Null where registrations are unknown."
    )
    seats_as_of = Instant(_SEATS_AS_OF.format("seats", "; null where unknown, as are all seats"))
    seats_taken = Count("Confirmed + invited; null where registrations are unknown.")
    seats_available = Count("Seats left, never below 0; null without a limit or where unknown.")
    utilization = Measure(
        "seats_taken / capacity_maximum, may pass 1; null without a limit or where unknown."
    )
    availability = State(
        "Whether seats are left; null where unknown and registration is not locked.",
        words=states.AVAILABILITY,
    )
    is_below_minimum = Flag(
        "True where seats_taken is below capacity_minimum, also where registration is locked; false"
        " without a minimum; null where registrations are unknown."
    )
    is_locked = Flag("True where registration is locked.", nullable=False)
    registration_start = Events.registration_start
    registration_deadline = Events.registration_deadline
    registration_state = State(
        "Whether a person may register, as of as_of.", nullable=False, words=states.REGISTRATION
    )
    as_of = Instant(AS_OF, nullable=False)


class _Month(Schema):
    organization = Events.organization
    month = Day("First day of the month of the events' local_date.")


class _MonthTypeVenue(_Month):
    event_type = Events.event_type
    venue_location_identifier = Events.venue_location_identifier
    venue_name = Venues.venue_name


class _MonthCourse(_Month):
    achievement_identifier = Events.achievement_identifier
    achievement_title = Achievements.achievement_title


class _Figures(Schema):
    events = Count("Events that are not cancelled.", nullable=False)
    events_cancelled = Count("Cancelled events; they count nowhere else.", nullable=False)
    events_unlimited = Count("Events without a maximum, not cancelled.", nullable=False)
    seats_offered = Count("Sum of capacity_maximum.", nullable=False)
    seats_required = Count("Sum of capacity_minimum.", nullable=False)
    seats_published = Count(
        "Sum of capacity_maximum of events Published, In Progress or Completed.", nullable=False
    )
    seats_taken = Count(
        "Seats taken in events that have a maximum and known seats; null where the organization's"
        " registrations are unknown."
    )
    events_unknown = Count("Events whose seats are unknown.", nullable=False)
    seats_offered_known = Count(
        "Sum of capacity_maximum of events whose seats are known.", nullable=False
    )
    seats_taken_unlimited = Count(
        "Seats taken in events without a maximum: with seats_taken, all seats that are taken; null"
        " where the organization's registrations are unknown."
    )
    seats_waitlisted = Count(
        "Waitlisted registrations; null where the organization's registrations are unknown."
    )
    utilization = Measure(
        "seats_taken / seats_offered_known, a ratio; null where that is 0 or unknown."
    )
    minimum_fill = Measure(
        "Required over offered seats of events that have a maximum, a ratio; null without any."
    )
    events_under = Count("Events whose availability is Under; null where unknown.")
    events_over = Count("Events whose availability is Over; null where unknown.")
    events_full = Count("Events whose availability is Full; null where unknown.")
    events_empty = Count("Events whose availability is Empty; null where unknown.")
    events_open = Count("Events whose availability is Open; null where unknown.")
    as_of = Instant(AS_OF, nullable=False)


class CapacityUtilization(_Figures, _MonthTypeVenue):
    """Seats offered, required, published and taken by type and venue; cancelled events apart."""


class CourseUtilization(_Figures, _MonthCourse):
    """The figures of marts.capacity_utilization by achievement, which is the course."""


class AttendanceByEvent(Schema):
    """Who came: the registrations that take a seat, by attendance."""

    organization = Events.organization
    event_identifier = Events.event_identifier
    event_number = Events.event_number
    event_title = Events.event_title
    event_type = Events.event_type
    achievement_identifier = Events.achievement_identifier
    achievement_title = Achievements.achievement_title
    local_date = CapacityByEvent.local_date
    lifecycle_status = CapacityByEvent.lifecycle_status
    seats_as_of = Instant(_SEATS_AS_OF.format("figures", ""), nullable=False)
    taken = Count("Registrations that are confirmed or invited.", nullable=False)
    present = Count("Of taken: attendance Present or Attended.", nullable=False)
    absent = Count("Of taken: attendance Absent.", nullable=False)
    incomplete = Count("Of taken: attendance Incomplete.", nullable=False)
    unmarked = Count("Of taken: attendance Pending or blank.", nullable=False)
    other = Count("Of taken: any other attendance.", nullable=False)
    withdrawn = Count(
        "Registrations with attendance Withdrawn/Cancelled; not in taken.", nullable=False
    )
    attendance_rate = Measure(
        "present / (present + absent), a ratio; null before the event has ended, where it is"
        " cancelled or where nobody is marked."
    )
    no_show_rate = Measure(
        "absent / (present + absent), a ratio; null where attendance_rate is null."
    )
    as_of = Instant(AS_OF, nullable=False)


class Calendar(Schema):
    """Days, to join where a day, week or month without events counts, too."""

    day = Day("The day.", nullable=False)
    month = Day("First day of its month.", nullable=False)
    week = Day("Monday of its ISO week.", nullable=False)
    quarter = Number("Its quarter, 1 to 4.", nullable=False)
    year = Number("Its year.", nullable=False)


class States(Schema):
    """What the words in state columns mean."""

    mart = Text("The mart, without its schema.", nullable=False)
    column = Text("The state column.", nullable=False)
    state = Text("A word that the column can hold.", nullable=False)
    meaning = Text("Where a row has it: the first of the words that applies.", nullable=False)
    order = Number("Position of the word among those of the column, from 1.", nullable=False)


CAPACITY_BY_EVENT = Table(
    "marts.capacity_by_event",
    CapacityByEvent,
    row="an event of any type",
    grain=("organization", "event_identifier"),
)
CAPACITY_UTILIZATION = Table(
    "marts.capacity_utilization",
    CapacityUtilization,
    row="an organization, month, event type and venue",
    grain=("organization", "month", "event_type", "venue_location_identifier"),
)
COURSE_UTILIZATION = Table(
    "marts.course_utilization",
    CourseUtilization,
    row="an organization, month and achievement",
    grain=("organization", "month", "achievement_identifier"),
)
ATTENDANCE_BY_EVENT = Table(
    "marts.attendance_by_event",
    AttendanceByEvent,
    row="an event with registrations",
    grain=("organization", "event_identifier"),
)
CALENDAR = Table(
    "marts.calendar",
    Calendar,
    row="a day, from the first month with an event to the last",
    grain=("day",),
)
STATES = Table(
    "marts.states",
    States,
    row="a word that a state column of a mart can hold",
    grain=("mart", "column", "state"),
)
