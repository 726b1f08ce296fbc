"""Exceptions of the API client: each has a reason, and a remedy for the operator.

The base classes say who acts: wait (`TransientError`), correct the settings or the credential
(`ConfigurationError`), report it to the maintainers (`ContractViolation`). Which response raises
which exception is decided in `responses`; what is retried, in `retry`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class MalformedBody(Exception):
    """A response body of the wrong format: truncated, HTML, or JSON of another shape.

    Body readers raise it, and the client retries the request. It leaves the client only as the
    detail of `Unavailable`. Its text must not quote the body, which may echo a credential.
    """


class WrongShape(MalformedBody):
    """Valid JSON of another shape: likely the same at each request, so it is soon given up."""


@dataclass(eq=False, repr=False)
class BookingError(Exception):
    """An operation that failed after all retries.

    Attributes:
        organization: The organization's slug.
        operation: What was requested, such as "events: collect page 3".
        status: The HTTP status; None where no response came or no request was sent.
        detail: What the server or the network reported, in known words (see `redaction`).
        remedy: What to do about it.
    """

    organization: str
    operation: str
    status: int | None
    detail: str
    outcome: ClassVar[str] = "failed"
    remedy: ClassVar[str] = "See the log for the requests before it."

    def __str__(self) -> str:
        return f"{self.organization}: {self.reason}. {self.remedy}"

    @property
    def reason(self) -> str:
        """What happened, without the organization and the remedy."""
        cause = self.detail if self.status is None else f"HTTP {self.status}: {self.detail}"
        return f"{self.operation} {self.outcome}{self._effort()} ({cause})"

    def _effort(self) -> str:
        return ""


@dataclass(eq=False, repr=False)
class TransientError(BookingError):
    """The server or the network failed in all `attempts`, in `seconds`: run it again later."""

    attempts: int
    seconds: float

    def _effort(self) -> str:
        noun = "attempt" if self.attempts == 1 else "attempts"
        return f" after {self.attempts} {noun} in {self.seconds:.0f} s"


class Unavailable(TransientError):
    """The server or the network kept failing until attempts or time ran out."""

    outcome = "was given up"
    remedy = "Run it again later; if it persists, check base_url and the API's health page."


class RateLimited(TransientError):
    """The server kept throttling, or its `Retry-After` is longer than the time that is left."""

    outcome = "was throttled"
    remedy = "Run it again later, or lower max_concurrency in booking.toml."


class ConfigurationError(BookingError):
    """The settings or the credential are wrong: a retry cannot help."""


class MissingCredential(ConfigurationError):
    """Neither the file nor the environment variable that the settings name is there."""

    remedy = (
        "Set the variable, in the environment or in .env beside booking.toml, or put the credential"
        " into a file of that name in BOOKING_CREDENTIALS_DIRECTORY."
    )

    def __init__(self, organization: str, variable: str, folder: str | None = None) -> None:
        detail = f"the environment variable {variable} is unset or blank"
        if folder:
            detail = f"{folder} has no file {variable}, and {detail}"
        super().__init__(organization, "reading the credential", None, detail)


class UnreadableCredential(ConfigurationError):
    """The file that should have the credential cannot be used."""

    remedy = (
        "Let the file have the credential alone, as UTF-8 text that this user can read; or remove"
        " it, and set the environment variable of its name."
    )

    def __init__(self, organization: str, fault: str) -> None:
        """Takes the fault, which names the file and not its content."""
        super().__init__(organization, "reading the credential", None, fault)


class InvalidCredential(ConfigurationError):
    """The credential is not a valid header value, such as a text with a line break."""

    outcome = "was not sent"
    remedy = "Let the organization's environment variable or file have the credential alone."


class CredentialMismatch(ConfigurationError):
    """The token belongs to another organization: the server would return that one's rows."""

    outcome = "was not sent"
    remedy = (
        "The server returns the rows of the token's own organization: "
        "give each organization in booking.toml its own credential."
    )

    def __init__(self, organization: str, operation: str, expected: str, found: str) -> None:
        """Takes the organization's identifier, and the token's `org_id` claim as `found`."""
        detail = f"the credential belongs to organization {found}, not to {expected}"
        super().__init__(organization, operation, None, detail)


class InvalidProxy(ConfigurationError):
    """The proxy that the environment names cannot be used."""

    outcome = "was not sent"
    remedy = (
        "Correct or unset the variable, or list the host in NO_PROXY; "
        "for a socks5 proxy, run pip install 'httpx[socks]'."
    )


class CertificateError(ConfigurationError):
    """The server's TLS certificate is not trusted, or the trusted certificates cannot be read."""

    outcome = "was not sent"
    remedy = (
        "Set SSL_CERT_FILE to a file of PEM certificates that includes the server's authority, "
        "or unset it."
    )


class Unauthorized(ConfigurationError):
    """401: the credential is missing, wrong or expired."""

    outcome = "was not authorized"
    remedy = "Set a valid token or client secret; client secrets expire after 90 days."


class Forbidden(ConfigurationError):
    """403 without a rate limit: the credential lacks a permission."""

    outcome = "was forbidden"
    remedy = "Ask the organization's administrator to let this credential read the resource."


class Redirected(ConfigurationError):
    """3xx: redirects are not followed, since a POST may lose its body or its credential."""

    outcome = "was redirected"
    remedy = "Set base_url in booking.toml to the API's final address, with https."


class ContractViolation(BookingError):
    """The API no longer behaves as documented: the client must be changed."""

    remedy = "Report this message to the maintainers: the API does not behave as documented."


class RequestRejected(ContractViolation):
    """The server rejects the request itself: 400, 406, 415, or 500 for an illegal sort."""

    outcome = "was rejected"


class UnexpectedStatus(ContractViolation):
    """A status that the operation does not document, such as 204."""

    outcome = "got an unexpected status"


class ResponseTooLarge(BookingError):
    """The response is larger than the limit for its operation (see `bodies`)."""

    outcome = "was stopped"
    remedy = (
        "For a page, lower page_size in booking.toml; otherwise check that base_url is the "
        "address of the API."
    )


class NotFound(BookingError):
    """404: for one row, it was deleted; for a whole resource, the address is wrong."""

    outcome = "found nothing"
    remedy = (
        "A single row was deleted; for a whole resource, base_url must be the part of the address "
        "before /booking."
    )
