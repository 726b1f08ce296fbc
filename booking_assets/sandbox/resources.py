"""The API's resources, with their members, types and nullability.

Written from the vendor's reference (events) and data model (the others), in their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """The type of a member, as the reference names it."""

    IDENTIFIER = "uuid"
    FLAG = "boolean"
    TEXT = "string"
    NUMBER = "int32"
    MEASURE = "double"
    INSTANT = "date-time"


@dataclass(frozen=True, eq=False)
class Resource:
    """A kind of row that the API serves; `kinds` has its members in the order of the API's model.

    The vendor's table has no `not_sortable` members; no request filters by `not_criteria`. `area`
    is the first part of its path. A row of `search` has the identifier, as `listed_as` where that
    differs, and the members `listed`.
    """

    noun: str
    kinds: Mapping[str, Kind]
    not_sortable: frozenset[str] = frozenset()
    not_criteria: frozenset[str] = frozenset()
    area: str = "booking"
    listed: tuple[str, ...] = ()
    listed_as: str = ""

    @property
    def name(self) -> str:
        """The resource's name in a path."""
        return f"{self.noun.lower()}s"

    @property
    def identifier(self) -> str:
        """The member that identifies a row."""
        return f"{self.noun}Identifier"


def _kinds(members: Mapping[Kind, str]) -> Mapping[str, Kind]:
    return {member: kind for kind, names in members.items() for member in names.split()}


_EVENT_MEMBERS = {
    Kind.IDENTIFIER: """
        AchievementIdentifier EventIdentifier LearnerRegistrationGroupIdentifier
        MandatorySurveyFormIdentifier OrganizationIdentifier VenueCoordinatorIdentifier
        VenueLocationIdentifier VenueOfficeIdentifier""",
    Kind.FLAG: """
        AllowMultipleRegistrations AllowRegistrationWithLink BillingCodeEnabled
        IntegrationWithholdDistribution IntegrationWithholdGrades PersonCodeIsRequired
        WaitlistEnabled""",
    Kind.TEXT: """
        AppointmentType Content DistributionCode DistributionErrors DistributionProcess
        DistributionStatus DurationUnit EventBillingType EventCalendarColor EventClassCode
        EventDescription EventFormat EventPublicationStatus EventRequisitionStatus
        EventSchedulingStatus EventSource EventSummary EventTitle EventType
        ExamMaterialReturnShipmentCode ExamMaterialReturnShipmentCondition ExamScoreWarnings
        ExamType LastChangeType LastChangeUser PublicationErrors RegistrationFields VenueRoom""",
    Kind.NUMBER: """
        CapacityMaximum CapacityMinimum DurationQuantity EventNumber ExamDurationInMinutes
        InvigilatorMinimum""",
    Kind.MEASURE: "CreditHours",
    Kind.INSTANT: """
        DistributionExpected DistributionOrdered DistributionShipped DistributionTracked
        EventScheduledEnd EventScheduledStart ExamMaterialReturnShipmentReceived ExamStarted
        LastChangeTime RegistrationDeadline RegistrationLocked RegistrationStart""",
}
_REGISTRATION_MEMBERS = {
    Kind.IDENTIFIER: """
        AttemptIdentifier CandidateIdentifier CustomerIdentifier EmployerIdentifier EventIdentifier
        ExamFormIdentifier OrganizationIdentifier PaymentIdentifier RegistrationIdentifier
        RegistrationRequestedBy SchoolIdentifier SeatIdentifier""",
    Kind.FLAG: "IncludeInT2202 MaterialsIncludeDiagramBook",
    Kind.TEXT: """
        ApprovalProcess ApprovalReason ApprovalStatus AttendanceStatus BillingCode BillingCustomer
        CandidateType EligibilityProcess EligibilityStatus EventPotentialConflicts Grade
        GradeWithheldReason GradingProcess GradingStatus LastChangeType LastChangeUser
        MaterialsPackagedForDistribution MaterialsPermittedToCandidates RegistrationComment
        RegistrationPassword RegistrationSource SynchronizationProcess SynchronizationStatus""",
    Kind.NUMBER: "ExamTimeLimit RegistrationSequence WorkBasedHoursToDate",
    Kind.MEASURE: "RegistrationFee Score",
    Kind.INSTANT: """
        AttendanceTaken DistributionExpected EligibilityUpdated GradeAssigned GradePublished
        GradeReleased GradeWithheld LastChangeTime RegistrationRequestedOn""",
}
_GROUP_MEMBERS = {
    Kind.IDENTIFIER: """
        GroupIdentifier MembershipProductIdentifier MessageToAdminWhenEventVenueChanged
        MessageToAdminWhenMembershipEnded MessageToAdminWhenMembershipStarted
        MessageToUserWhenMembershipEnded MessageToUserWhenMembershipStarted OrganizationIdentifier
        ParentGroupIdentifier SurveyFormIdentifier GroupStatusItemIdentifier""",
    Kind.FLAG: "AddNewUsersAutomatically AllowJoinGroupUsingLink AllowSelfSubscription",
    Kind.TEXT: """
        GroupCategory GroupCode GroupDescription GroupEmail GroupFax GroupImage GroupIndustry
        GroupIndustryComment GroupLabel GroupName GroupOffice GroupPhone GroupRegion GroupSize
        GroupType GroupWebSiteUrl LastChangeType LastChangeUser LifetimeUnit ShippingPreference
        SocialMediaUrls SurveyNecessity""",
    Kind.NUMBER: "GroupCapacity LifetimeQuantity",
    Kind.INSTANT: "GroupCreated GroupExpiry LastChangeTime",
}
_ACHIEVEMENT_MEMBERS = {
    Kind.IDENTIFIER: "AchievementIdentifier OrganizationIdentifier",
    Kind.FLAG: """
        AchievementAllowSelfDeclared AchievementIsEnabled AchievementReportingDisabled
        HasBadgeImage""",
    Kind.TEXT: """
        AchievementDescription AchievementLabel AchievementTitle AchievementType BadgeImageUrl
        CertificateLayoutCode ExpirationLifetimeUnit ExpirationType""",
    Kind.NUMBER: "ExpirationLifetimeQuantity",
    Kind.INSTANT: "ExpirationFixedDate",
}

EVENTS = Resource(
    noun="Event",
    kinds=_kinds(_EVENT_MEMBERS),
    not_sortable=frozenset({"ExamScoreWarnings"}),
    not_criteria=frozenset({"EventIdentifier", "BillingCodeEnabled"}),
)
REGISTRATIONS = Resource(
    noun="Registration",
    kinds=_kinds(_REGISTRATION_MEMBERS),
    not_criteria=frozenset({"RegistrationIdentifier"}),
)
GROUPS = Resource(
    noun="Group",
    kinds=_kinds(_GROUP_MEMBERS),
    not_criteria=frozenset({"GroupIdentifier"}),
    area="directory",
    listed=("GroupName",),
)
ACHIEVEMENTS = Resource(
    noun="Achievement",
    kinds=_kinds(_ACHIEVEMENT_MEMBERS),
    not_criteria=frozenset({"AchievementIdentifier"}),
    area="progress",
    listed=("AchievementTitle",),
    listed_as="AchievementId",
)
RESOURCES = (EVENTS, REGISTRATIONS, GROUPS, ACHIEVEMENTS)
