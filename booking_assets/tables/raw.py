"""Contracts of the raw tables: what the API sent, typed.

Other spellings of the API's members: `api.wire`; how members are decoded: `collect.contracts`.
"""

from __future__ import annotations

from typing import Literal

from booking_assets.tables.contract import (
    Count,
    Flag,
    Identifier,
    Instant,
    Json,
    Measure,
    Number,
    Schema,
    Table,
    Text,
)

ORGANIZATION = "The organization's slug: the Dagster partition key."
RESOURCE = "`events`, `registrations`, `groups` or `achievements`."
COLLECTED_AT = "When the collection that wrote the row started (UTC)."


class EventCounts(Schema):
    """The newest `count` of each organization's events."""

    organization = Text(ORGANIZATION, nullable=False)
    organization_identifier = Identifier(
        "The organization's identifier in the API.", nullable=False
    )
    event_count = Count("Events that the newest `count` reported.", nullable=False)
    counted_at = Instant("When `count` was requested (UTC).", nullable=False)


class Events(Schema):
    """Every event of the API, all 62 members, typed."""

    organization = Text(ORGANIZATION, nullable=False)

    achievement_identifier = Identifier("Credential granted for completing the class.")
    event_identifier = Identifier("The event.", nullable=False)
    learner_registration_group_identifier = Identifier("Group that a learner joins on registering.")
    mandatory_survey_form_identifier = Identifier("Form that a registrant must submit.")
    organization_identifier = Identifier(
        "The organization that owns the row; always that of the partition.", nullable=False
    )
    venue_coordinator_identifier = Identifier("Venue coordinator (legacy).")
    venue_location_identifier = Identifier("Venue where the event takes place.")
    venue_office_identifier = Identifier("Invigilating office.")

    allow_multiple_registrations = Flag("One user may register several people in one go.")
    allow_registration_with_link = Flag("Registration through an unlisted link; true or null.")
    billing_code_enabled = Flag("Ask for a billing code at registration.")
    integration_withhold_distribution = Flag("Place no distribution orders for this exam.")
    integration_withhold_grades = Flag("Hold back the release of results.")
    person_code_is_required = Flag("A registrant must have a person code.")
    waitlist_enabled = Flag("A full class accepts waitlisted registrations.")

    appointment_type = Text("Kind of appointment, from the organization's own list.")
    content = Text("JSON text: titles, descriptions and instructions by language.", free=True)
    distribution_code = Text("Distribution job id, or `Error`.")
    distribution_errors = Text("The distributor's answer when an order failed.", free=True)
    distribution_process = Text("How the exam package is distributed; null means Standard.")
    distribution_status = Text("Distribution status: free text of the distributor, or `Error`.")
    duration_unit = Text("Unit of duration_quantity: Minute, Hour, Day, Week, Month, Year.")
    event_billing_type = Text("Billing type, from the organization's own list.")
    event_calendar_color = Text("Calendar indicator, such as Primary or Warning.")
    event_class_code = Text("Class or session code.")
    event_description = Text("Description of an appointment or a meeting.", free=True)
    event_format = Text("Online or Paper for exams, else null.")
    event_publication_status = Text("Drafted, Published, Unpublished, Archived; open vocabulary.")
    event_requisition_status = Text("Exam request status, from the organization's own list.")
    event_scheduling_status = Text("Active, Approved, Cancelled, Completed; open vocabulary.")
    event_source = Text("Who created the event: a user interface, an API or an import.")
    event_summary = Text("Summary (legacy).", free=True)
    event_title = Text("Title.", free=True)
    event_type = Text("Class, Exam, Meeting or Appointment; open vocabulary.")
    exam_material_return_shipment_code = Text("Tracking code of returned exam materials.")
    exam_material_return_shipment_condition = Text(
        "Full or Partial; set even when nothing was received."
    )
    exam_score_warnings = Text("Score warnings; absent in newer releases of the API.")
    exam_type = Text("Class, Sitting, Test, Individual (A), Individual (N); open vocabulary.")
    last_change_type = Text("Name of the last change to the event.")
    last_change_user = Text("Full name of who changed the event last: personal data.", free=True)
    publication_errors = Text("Errors of an outside publication.", free=True)
    registration_fields = Text("JSON text: the fields that a registrant fills in.", free=True)
    venue_room = Text("Room, as free text.")

    capacity_maximum = Number("Seats; null, zero or negative means no limit.")
    capacity_minimum = Number("Minimum attendance; null, zero or negative means none.")
    duration_quantity = Number("Length, in duration_unit.")
    event_number = Number("Number within the organization; repeats, so no key.")
    exam_duration_in_minutes = Number("Length of the exam in minutes, as set at creation.")
    invigilator_minimum = Number("Invigilators needed.")

    credit_hours = Measure("Credit for the class, in hours.")

    distribution_expected = Instant("Planned shipping of the exam package (UTC).")
    distribution_ordered = Instant("When the package was ordered, also where that failed (UTC).")
    distribution_shipped = Instant("When the package was shipped, as typed by a person (UTC).")
    distribution_tracked = Instant("When the status was last requested from the distributor (UTC).")
    event_scheduled_end = Instant("End of the event (UTC).")
    event_scheduled_start = Instant("Start of the event (UTC).")
    exam_material_return_shipment_received = Instant("When exam materials came back (UTC).")
    exam_started = Instant("When the exam really began (UTC).")
    last_change_time = Instant("Last change to the event; registrations do not move it (UTC).")
    registration_deadline = Instant("Last moment to register (UTC).")
    registration_locked = Instant(
        "Set where registration is locked; its value means nothing (UTC)."
    )
    registration_start = Instant("First moment to register (UTC).")

    event_scheduled_start_offset_minutes = Number(
        "Minutes to add to event_scheduled_start for the venue's local time."
    )
    event_scheduled_end_offset_minutes = Number(
        "Minutes to add to event_scheduled_end for the venue's local time."
    )
    extra = Json("Members that this contract does not know, as one JSON object; null without any.")
    collected_at = Instant(COLLECTED_AT, nullable=False)


class RejectedRows(Schema):
    """Rows that do not fit the contract, with the reason."""

    organization = Text(ORGANIZATION, nullable=False)
    resource = Text(RESOURCE, nullable=False)
    identifier = Text("The row's identifier as received; null where absent.")
    fields = Text("Members at fault, separated by commas.", nullable=False)
    reason = Text("Why the row could not be typed, for a person to read.", nullable=False)
    payload = Json(
        "The row exactly as received (of other resources than events, the allow-listed members"
        " only); null where the row does not prove its owner, or is larger than 16 MiB."
    )
    collected_at = Instant(COLLECTED_AT, nullable=False)


class Collections(Schema):
    """Append-only log of collections: what was counted, received and stored."""

    organization = Text(ORGANIZATION, nullable=False)
    resource = Text(RESOURCE, nullable=False)
    run_id = Text("The Dagster run.", nullable=False)
    sequence = Count(
        "Ticket taken at the start: the order of an organization's collections; null in rows"
        " of earlier releases."
    )
    mode = Text("`full` or `incremental`.", nullable=False)
    started_at = Instant("When the collection started (UTC).", nullable=False)
    finished_at = Instant("When the collection ended (UTC).", nullable=False)
    count_before = Count(
        "The first count, by `count` or beside the first page; null where there was none."
    )
    count_after = Count(
        "The last count, by `count` or beside the last page; null where there was none."
    )
    count_lowest = Count("The lowest count that completeness was judged by.")
    count_highest = Count("The highest count that completeness was judged by.")
    rows_received = Count("Rows received: loaded + rejected + duplicates.", nullable=False)
    rows_loaded = Count("Rows that are typed and distinct.", nullable=False)
    rows_rejected = Count(
        "Rows that could not be typed, kept in raw.rejected_rows.", nullable=False
    )
    duplicates_dropped = Count("Rows whose identifier was received before.", nullable=False)
    rows_deleted = Count("Stored rows that the API no longer has.", nullable=False)
    pages = Count("Pages of rows that were received.", nullable=False)
    requests = Count("Requests sent, retries included.", nullable=False)
    retries = Count("Requests that repeated a failed one.", nullable=False)
    bytes_received = Count("Bytes of the response bodies.", nullable=False)
    status = Text(
        "`complete`, `failed`, `access_denied` (the rows may not be read), `shrunk` (too few) or"
        " `overtaken` (a newer collection is stored).",
        nullable=False,
    )
    reason = Text("Why the rows were not stored; null where complete.")
    remedy = Text("What a person can do about it; null where complete.")


class Registrations(Schema):
    """Registrations, from which seats are counted: statuses alone, nothing personal."""

    # In the API, a registration also has an exam password, scores and comments in clear.
    organization = Text(ORGANIZATION, nullable=False)
    registration_identifier = Identifier("The registration.", nullable=False)
    event_identifier = Identifier("The event registered for; it may be unknown.")
    approval_status = Text("Registered, Waitlisted, Invitation Sent, ...; null means Registered.")
    attendance_status = Text("Pending, Present, Absent, Withdrawn/Cancelled, ...; open vocabulary.")
    grading_status = Text("Assigned, Released, Cancelled, ...; it frees no seat.")
    eligibility_status = Text("Eligibility of an exam candidate; open vocabulary.")
    registration_requested_on = Instant(
        "When the registration was requested (UTC); null in rows of earlier releases."
    )
    last_change_time = Instant("Last change to the registration (UTC).")
    collected_at = Instant(COLLECTED_AT, nullable=False)


class Groups(Schema):
    """Groups of the directory, which name venues: no contact data."""

    # In the API, a group also has e-mail, phone and addresses of people.
    organization = Text(ORGANIZATION, nullable=False)
    group_identifier = Identifier("The group.", nullable=False)
    group_name = Text("Name.")
    group_code = Text("Code, as the organization gives it.")
    group_type = Text("Venue, Employer, Department, Role, Team, ...; open vocabulary.")
    group_category = Text("Category, from the organization's own list.")
    group_label = Text("Label, from the organization's own list.")
    group_region = Text("Region.")
    group_office = Text("Office.")
    group_capacity = Number("Capacity.")
    parent_group_identifier = Identifier("The group that this one belongs to.")
    group_expiry = Instant("When the group expires (UTC); its name is used after that, too.")
    last_change_time = Instant("Last change to the group (UTC).")
    collected_at = Instant(COLLECTED_AT, nullable=False)


class Achievements(Schema):
    """Achievements, which name the course or certificate of an event."""

    organization = Text(ORGANIZATION, nullable=False)
    achievement_identifier = Identifier("The achievement.", nullable=False)
    achievement_title = Text("Title.")
    achievement_label = Text("Module, Level, Certificate, ...; open vocabulary.")
    achievement_type = Text("Type, from the organization's own list.")
    achievement_is_enabled = Flag("The achievement can be granted.")
    expiration_type = Text("How a granted achievement expires; open vocabulary.")
    expiration_lifetime_quantity = Number("Lifetime, in expiration_lifetime_unit.")
    expiration_lifetime_unit = Text("Unit of expiration_lifetime_quantity: Month, Year, ...")
    expiration_fixed_date = Instant("When every granted achievement expires (UTC).")
    collected_at = Instant(COLLECTED_AT, nullable=False)


class NameOverrides(Schema):
    """Names from the file that `[names] csv` of booking.toml names; they win over the API's."""

    organization = Text(
        "The organization's slug, of the kind `organization`; null for the others, whose identifier"
        " belongs to one organization alone."
    )
    kind = Text("`venue`, `achievement` or `organization`.", nullable=False)
    identifier = Identifier(
        "The group, achievement or organization; null where the file has the slug of an"
        " organization that is not configured."
    )
    name = Text("The name.", nullable=False)


Status = Literal["complete", "failed", "access_denied", "shrunk", "overtaken"]
"""How a collection ended: `raw.collections.status`."""

EVENT_COUNTS = Table(
    "raw.event_counts", EventCounts, row="an organization", grain=("organization",)
)
EVENTS = Table("raw.events", Events, row="an event", grain=("organization", "event_identifier"))
REJECTED_ROWS = Table(
    "raw.rejected_rows", RejectedRows, row="a row that could not be typed", grain=()
)
COLLECTIONS = Table(
    "raw.collections",
    Collections,
    row="an organization, a resource and a run",
    grain=("organization", "resource", "run_id"),
)
REGISTRATIONS = Table(
    "raw.registrations",
    Registrations,
    row="a registration",
    grain=("organization", "registration_identifier"),
)
GROUPS = Table("raw.groups", Groups, row="a group", grain=("organization", "group_identifier"))
ACHIEVEMENTS = Table(
    "raw.achievements",
    Achievements,
    row="an achievement",
    grain=("organization", "achievement_identifier"),
)
NAME_OVERRIDES = Table(
    "raw.name_overrides",
    NameOverrides,
    row="a line of the file",
    grain=("organization", "kind", "identifier"),
)

EVENT_MEMBERS: tuple[str, ...] = tuple(
    name
    for name in EVENTS.column_names
    if name not in {"organization", "extra", "collected_at"}
    and not name.endswith("_offset_minutes")
)
"""The columns of `raw.events` that are members of the API's event model, in its order."""


def member_name(column: str) -> str:
    """The API's name for a column: `event_scheduled_start` -> `EventScheduledStart`."""
    return column.title().replace("_", "")
