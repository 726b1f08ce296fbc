"""The words of generated events and registrations: documented values and a few others.

A value that is repeated in a list is drawn more often. None names a real person.
"""

from __future__ import annotations

TRADES = (
    *("Welding", "Carpentry", "Electrical", "Heavy Equipment", "Practical Nursing", "First Aid"),
    *("Food Safety", "Marine Survival", "Soudage à l'arc", "Mécanique générale", "造船 basics"),
)
LEVELS = ("Level 1", "Level 2", "Level 3", "Foundation", "Refresher", "Red Seal", "Recertification")
ROOMS = (
    *("Room 101", "Room 102", "Room 214", "Shop A", "Shop B", "Lab 3", "Gymnasium", "Théâtre"),
    *("MAIN-0.12", "Boardroom", "Salle 4", "Annex 2/3"),
)
VENUES = (
    *("Harbour Campus", "Northgate Centre", "Riverside Hall", "Pavillon Québec", "Ōtautahi Annex"),
    *("Union Training Centre", "Community College East", "Remote Office", "Test Centre 7"),
    *("Åland Shipyard School",),
)
ZONES = (
    *((-480, -420), (-480, -420), (-480, -420), (-420, -360), (-360, -300)),
    *((-300, -240), (-210, -150), (0, 60), (0, 0), (330, 330)),
)
"""Offsets of the venues' zones in minutes: in winter, and from April to October."""

SENTENCES = (
    "Bring steel-toed boots, safety glasses and government-issued photo identification.",
    "Doors open thirty minutes before the scheduled start; late arrivals cannot be admitted.",
    "Participants who complete all modules receive a certificate valid for three years.",
    "<p>Parking is available <strong>behind the building</strong>; permits at reception.</p>",
    "Les manuels sont remis à l'arrivée; une connaissance de base des matériaux est exigée.",
    "See the *participant guide* for the list of tools that you have to supply yourself.",
    'Ask for "accommodation" forms early: requests are reviewed weekly.',
    "Virtual attendance is possible for theory days; a link is sent two days before. 🎓",
)
CONTENT_BLOCKS = ("Summary", "MaterialsForParticipation", "Contact", "Accommodation", "ClassLink")
REGISTRATION_FIELDS = (
    *("Birthdate", "City", "Email", "EmergencyContactName", "EmergencyContactPhone", "Province"),
    *("EmployerPanel", "FirstLanguage", "FirstName", "LastName", "PersonCode", "PostalCode"),
)
FLAGS = (
    *("AllowMultipleRegistrations", "BillingCodeEnabled", "IntegrationWithholdDistribution"),
    *("IntegrationWithholdGrades", "PersonCodeIsRequired", "WaitlistEnabled"),
)
"""Members that are false where nobody set them."""

COLORS = ("Default", "Primary", "Success", "Info", "Warning", "Danger", "None", "primary")
SOURCES = ("Shift UI", "Shift UI", "Shift UI", "Shift API")
IMPORT = "Sandbox Import 2024"
USERS = ("Sandbox Scheduler", "Sandbox Registrar", "Sandbox Administrator", "Sandbox Coördinator")

PUBLICATION = (
    *("Published",) * 10,
    *("Drafted", "Drafted", "Drafted (In Development)", "Drafted (In Development)"),
    *("Unpublished", "Archived", "published", "PUBLISHED", "drafted", "Cancelled", "Soft Launch"),
    *(None, None),
)
CLASS_SCHEDULING = (
    *("Active",) * 20,
    *("Cancelled", "Cancelled", "CANCELLED", "cancelled ", "active", "Pending"),
    *("Awaiting Instructor", None),
)
EXAM_SCHEDULING = (
    *("Approved",) * 6,
    *("Ready to Schedule", "Under Review", "Pending", "Completed", "Completed", "Cancelled"),
    *("Approved with Errors", "Approved (Provisional)", "approved", "cancelled", "On Hold"),
    *(None, None),
)
REQUISITION = ("Requested", "Accepted", "Accepted", "Declined", "Awaiting Payment", None, None)
BILLING = ("031 Standard Sitting", "041 Level Exam", "055 Interprovincial", "Internal (2h)")
EXAM_TYPES = (
    *("Class", "Class", "Class", "Sitting", "Sitting", "Test", "Individual (A)", "Individual (N)"),
    *("Individual", "Accessibility and Resource Centre (ARC)", "Challenge"),
)
EXAM_FORMATS = ("Paper", "Paper", "Paper", "Paper", "Online", "Online", "paper", None)
APPOINTMENT_TYPES = ("Interview", "Counselling", "Practical Assessment", "Équivalence", "Other")
UNUSUAL_TYPES = ("Unknown", "exam", "Workshop", None)

PROCESSES = (
    *("Standard", "Standard", "Standard", None, "Late Addition - Training Provider"),
    *("Late Addition - Internal", "Escalation"),
)
PACKAGE_STATUSES = (
    *("RECORD_RECEIVED", "PACKAGE_GENERATED", "PACKAGE_GENERATED", "RESPONSE_UPLOADED"),
    *("PdfCreated", "ProcessingError", "In transit - depot 4"),
)
PACKAGE_ERRORS = (
    "<html><head><title>502 Bad Gateway</title></head><body>upstream timed out</body></html>",
    '{"error":"ADDRESS_INVALID","field":"postalCode"}',
)
PUBLICATION_ERRORS = ("Direct Access: venue code is unknown.", "Direct Access: timeout after 100 s")

CLASS_APPROVALS = (
    *(("Registered", "Registered"),) * 10,
    *((None, None),) * 3,
    *(("Invitation Sent", "Invitation Sent"), ("Invitation Sent", "Registered")),
    *(("", ""), ("registered", "registered"), (" Registered ", "REGISTERED")),
)
"""Approvals before and after a decision; each of these takes a seat."""

EXAM_APPROVALS = (
    *((None, None),) * 4,
    *((None, "Eligible"), ("Eligible", "Eligible"), ("Eligible", "Eligible with Limitations")),
    *(("Not Eligible", "Not Eligible"), ("Not Eligible", "Eligible")),
)
APPOINTMENT_APPROVALS = (("Scheduled", "Scheduled"), ("Scheduled", "Scheduled"), (None, None))
WAITLISTED = ("Waitlisted", "Waitlisted", "Waitlisted", "Waitlisted", "waitlisted", " Waitlisted")
DEPARTURES = (
    *(("Registered", "Registered", "Withdrawn/Cancelled"),) * 4,
    *(("Invitation Sent", "Invitation Expired", None), ("Registered", "Moved", "Pending")),
    *(("Invitation Sent", "Invitation Declined", None), ("Registered", "Moved", None)),
    *(("Waitlisted", "Waitlisted", "Withdrawn/Cancelled"), (None, None, "withdrawn/cancelled ")),
    *(("Invitation Sent", "Invitation Sent", "Withdrawn/Cancelled"), ("On Hold", "On Hold", None)),
)
"""Approval before and after, attendance after, of those who end without a seat."""

AWAITED = (None, None, "Pending")
ATTENDED = (
    *("Present", "Present", "Attended", "Attended", "Absent", "Incomplete", "Pending"),
    *(" attended", None, None),
)
GRADINGS = (
    *("Assigned", "Released", "Withheld", "Published", "Published", "published ", "Cancelled"),
    *("Unassigned", None, None),
)
GRADES = ("A", "B+", "C", "Pass", "Fail")
OFFICE_OFFSETS = (-480, -420, 0, 0)
OFFICE_MEMBERS = {
    "ApprovalProcess": (0.1, ("Standard", "Manual")),
    "EligibilityProcess": (0.1, ("Standard", "Late Addition")),
    "GradingProcess": (0.1, ("Standard", "Escalation")),
    "MaterialsPackagedForDistribution": (0.05, ("Diagram book", "Code book")),
    "SynchronizationProcess": (0.05, ("Direct Access",)),
    "SynchronizationStatus": (0.05, ("Succeeded", "Failed")),
}
"""What a registration may have that is not personal, each with its probability and its values."""

PERSONAL_MEMBERS: dict[str, tuple[float, tuple[str, ...]]] = {
    "CandidateIdentifier": (1, ()),
    **dict.fromkeys(("AttemptIdentifier", "EmployerIdentifier", "PaymentIdentifier"), (0.2, ())),
    **dict.fromkeys(("CustomerIdentifier", "SchoolIdentifier", "RegistrationFee"), (0.1, ())),
    **dict.fromkeys(("RegistrationRequestedBy", "WorkBasedHoursToDate"), (0.3, ())),
    "ApprovalReason": (0.1, ("seniority", "late payment")),
    "BillingCode": (0.1, ("B-17", "B-42")),
    "BillingCustomer": (0.05, ("employer", "sponsor")),
    "EventPotentialConflicts": (0.03, ("works on that day",)),
    "MaterialsPermittedToCandidates": (0.05, ("dictionary", "screen reader", "extra time")),
    "RegistrationComment": (0.25, ("needs a ramp", "asked for a seat in front", "é 日 comment")),
}
"""What a registration may have about a person, each with its probability and its texts."""

CANDIDATE_MEMBERS: dict[str, tuple[object, ...]] = {
    "ExamTimeLimit": (120, 180, 240, None),
    "CandidateType": ("Apprentice", "Challenger", None),
    "MaterialsIncludeDiagramBook": (True, False, None),
    "EligibilityStatus": (
        *("Eligible", "Eligible", "Eligible with Limitations", "Not Eligible", "Pending"),
        *("eligible ", None),
    ),
}
"""What only registrations for exams have."""
