"""The two resources below `/booking`: events and registrations, with the members of their models.

What lives here: `Resource`, and what requests, pages and files have to know about each of the two.
What must not: rows (`rows`), where rows come from (`generated`, `given`).
Read more: `docs/sandbox.md`, "Routes" and "Registrations".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from booking_assets.sandbox import wire
from booking_assets.tables import contract


@dataclass(frozen=True, eq=False)
class Resource:
    """A kind of row that the API serves.

    Attributes:
        noun: What one row is, as it stands in names: `Event`.
        kinds: The members of the model in their order, each with its kind of column.
        not_sortable: Members that the vendor's table does not have.
        not_criteria: Members that a request cannot ask for.
    """

    noun: str
    kinds: Mapping[str, type]
    not_sortable: frozenset[str] = frozenset()
    not_criteria: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """What stands in a path."""
        return f"{self.noun.lower()}s"

    @property
    def identifier(self) -> str:
        """The member that tells the rows apart."""
        return f"{self.noun}Identifier"


_REGISTRATION_MEMBERS: Mapping[type, tuple[str, ...]] = {
    contract.Identifier: (
        *("AttemptIdentifier", "CandidateIdentifier", "CustomerIdentifier", "EmployerIdentifier"),
        *("EventIdentifier", "ExamFormIdentifier", "OrganizationIdentifier", "PaymentIdentifier"),
        *("RegistrationIdentifier", "RegistrationRequestedBy", "SchoolIdentifier"),
        "SeatIdentifier",
    ),
    contract.Flag: ("IncludeInT2202", "MaterialsIncludeDiagramBook"),
    contract.Text: (
        *("ApprovalProcess", "ApprovalReason", "ApprovalStatus", "AttendanceStatus"),
        *("BillingCode", "BillingCustomer", "CandidateType", "EligibilityProcess"),
        *("EligibilityStatus", "EventPotentialConflicts", "Grade", "GradeWithheldReason"),
        *("GradingProcess", "GradingStatus", "LastChangeType", "LastChangeUser"),
        *("MaterialsPackagedForDistribution", "MaterialsPermittedToCandidates"),
        *("RegistrationComment", "RegistrationPassword", "RegistrationSource"),
        *("SynchronizationProcess", "SynchronizationStatus"),
    ),
    contract.Number: ("ExamTimeLimit", "RegistrationSequence", "WorkBasedHoursToDate"),
    contract.Measure: ("RegistrationFee", "Score"),
    contract.Instant: (
        *("AttendanceTaken", "DistributionExpected", "EligibilityUpdated", "GradeAssigned"),
        *("GradePublished", "GradeReleased", "GradeWithheld", "LastChangeTime"),
        "RegistrationRequestedOn",
    ),
}

EVENTS = Resource(
    noun="Event",
    kinds=wire.KINDS,
    not_sortable=frozenset({wire.NOT_STORED}),
    not_criteria=wire.NOT_CRITERIA,
)
REGISTRATIONS = Resource(
    noun="Registration",
    kinds={member: kind for kind, members in _REGISTRATION_MEMBERS.items() for member in members},
    not_criteria=frozenset({"RegistrationIdentifier"}),
)
