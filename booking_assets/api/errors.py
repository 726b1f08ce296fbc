"""What can go wrong with the Booking API, sorted by what a person should do about it.

What lives here: the tree under `BookingError`: wait (`TryLater`), repair the settings
(`FixConfiguration`), tell the maintainers (`ReportDefect`), or take it as an answer (`NotFound`).
What must not: how an answer is judged (`answers`), how often it is asked again (`retry`).
Read more: `docs/reliability.md`.
"""

from __future__ import annotations

from typing import ClassVar


class MalformedBody(Exception):
    """A body that is not what the operation answers: truncated, HTML, or JSON of another shape.

    A reader of bodies raises it; the client takes it for a broken connection and asks again. It
    leaves the client only inside `Unavailable`.
    """


class BookingError(Exception):
    """An operation that failed for good.

    Attributes:
        organization: The organization's slug.
        operation: What was asked, such as "events: collect page 3".
        status: The HTTP status, or None where no answer came or none was asked for.
        detail: What the server or the network said: short, and without the credential.
        remedy: What to do about it.
    """

    outcome: ClassVar[str] = "failed"
    remedy: ClassVar[str] = "See the log for the requests before it."

    def __init__(self, organization: str, operation: str, status: int | None, detail: str) -> None:
        super().__init__(organization, operation, status, detail)
        self.organization = organization
        self.operation = operation
        self.status = status
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.organization}: {self.reason}. {self.remedy}"

    @property
    def reason(self) -> str:
        """What happened, without the organization and the remedy."""
        return f"{self.operation} {self.outcome}{self._effort()} ({self._cause()})"

    def _cause(self) -> str:
        return self.detail if self.status is None else f"HTTP {self.status}: {self.detail}"

    def _effort(self) -> str:
        return ""


class TryLater(BookingError):
    """Nothing is wrong on this side: wait."""

    def __init__(
        self,
        organization: str,
        operation: str,
        status: int | None,
        detail: str,
        attempts: int,
        seconds: float,
    ) -> None:
        """Takes what `BookingError` takes, and how often and how long the client tried."""
        super().__init__(organization, operation, status, detail)
        self.args = (organization, operation, status, detail, attempts, seconds)
        self.attempts = attempts
        self.seconds = seconds

    def _effort(self) -> str:
        noun = "attempt" if self.attempts == 1 else "attempts"
        return f" after {self.attempts} {noun} in {self.seconds:.0f} s"


class Unavailable(TryLater):
    """The server or the network kept failing until attempts or time ran out."""

    outcome = "was given up"
    remedy = "Run it again later; if it goes on, look at base_url and the API's health page."


class RateLimited(TryLater):
    """The server kept asking to slow down, or for a longer wait than there was time."""

    outcome = "was throttled"
    remedy = "Run it again later, or lower max_concurrency in booking.toml."


class FixConfiguration(BookingError):
    """The settings or the credential do not fit: repeating cannot help."""


class MissingCredential(FixConfiguration):
    """The environment does not hold the credential that the settings name."""

    remedy = "Set the variable, in the environment or in .env beside booking.toml."

    def __init__(self, organization: str, variable: str) -> None:
        """Takes the organization's slug and the name of the environment variable."""
        detail = f"the environment variable {variable} is unset or blank"
        super().__init__(organization, "reading the credential", None, detail)
        self.args = (organization, variable)
        self.variable = variable


class UnusableCredential(FixConfiguration):
    """The credential cannot travel in a header, such as with a line break within."""

    outcome = "was not sent"
    remedy = "Set the organization's environment variable to the credential alone."


class Unauthorized(FixConfiguration):
    """401: the credential is missing, wrong or expired."""

    outcome = "was not authorized"
    remedy = (
        "Set a valid token or client secret in the organization's environment variable; "
        "client secrets expire after 90 days."
    )


class Forbidden(FixConfiguration):
    """403 that does not speak of a limit: the credential lacks a permission."""

    outcome = "was forbidden"
    remedy = "Ask the organization's administrator to let this credential read the resource."


class ForeignCredential(FixConfiguration):
    """The token belongs to another organization: the server would answer with foreign rows."""

    outcome = "was not sent"
    remedy = (
        "A token answers for its own organization whatever is asked: "
        "give each organization in booking.toml its own credential."
    )

    def __init__(self, organization: str, operation: str, expected: str, found: str) -> None:
        """Takes the identifier of the organization and the one in the token's `org_id` claim."""
        detail = f"the credential belongs to organization {found}, not to {expected}"
        super().__init__(organization, operation, None, detail)
        self.args = (organization, operation, expected, found)
        self.expected = expected
        self.found = found


class Redirected(FixConfiguration):
    """The server points elsewhere; a redirected POST may lose its body or its credential."""

    outcome = "was redirected"
    remedy = "Set base_url in booking.toml to the address that answers itself, with https."


class ReportDefect(BookingError):
    """Client and server no longer understand each other: the code must learn something."""

    remedy = "Report this message to the maintainers: the API answers otherwise than documented."


class Rejected(ReportDefect):
    """The server refuses the request itself: 400, 406, 415, an illegal sort, and the like."""

    outcome = "was rejected"


class UnexpectedAnswer(ReportDefect):
    """A status that the operation does not have, such as 204."""

    outcome = "got an unexpected answer"


class NotFound(BookingError):
    """404: for one event, it is gone; for a whole resource, the address is wrong."""

    outcome = "found nothing"
    remedy = "One event is gone; a whole resource: base_url must be all that precedes /booking."
