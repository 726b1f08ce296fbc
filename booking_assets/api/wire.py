"""Wire format: resources, paths, field aliases, request bodies, and parsers of small responses.

Each parser raises `MalformedBody` for any other body, and the client repeats the request (for
`WrongShape`, twice). Pages of
rows are decoded in `collect`; HTTP statuses are classified in `responses`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from booking_assets.api.errors import MalformedBody, WrongShape

TOKEN_PATH = "/security/tokens/generate"  # noqa: S105 - a path, not a password
PAGINATION_HEADER = "X-Query-Pagination"
LARGEST_NUMBER = 2**53
"""The largest count that is accepted; JSON numbers beyond it are not exact in every parser."""


@dataclass(frozen=True)
class Resource:
    """A resource of the API: its `area` and `name` in the path, and a row's identifying field.

    `identifier` is also the sort key where the rows use an alias of it: the server sorts by its own
    column names.
    """

    name: str
    identifier: str
    area: str = "booking"

    @property
    def path(self) -> str:
        """The path relative to the base URL."""
        return f"/{self.area}/{self.name}"


EVENTS = Resource("events", "EventIdentifier")
REGISTRATIONS = Resource("registrations", "RegistrationIdentifier")
GROUPS = Resource("groups", "GroupIdentifier", "directory")
ACHIEVEMENTS = Resource("achievements", "AchievementIdentifier", "progress")

ALIASES: Mapping[str, str] = {
    "AchievementId": "AchievementIdentifier",
    "EventId": "EventIdentifier",
    "GroupId": "GroupIdentifier",
    "LearnerRegistrationGroupId": "LearnerRegistrationGroupIdentifier",
    "MandatorySurveyFormId": "MandatorySurveyFormIdentifier",
    "OrganizationId": "OrganizationIdentifier",
    "ParentGroupId": "ParentGroupIdentifier",
    "VenueCoordinatorId": "VenueCoordinatorIdentifier",
    "VenueLocationId": "VenueLocationIdentifier",
    "VenueOfficeId": "VenueOfficeIdentifier",
}
"""Field names of other API releases -> the names in the API reference."""


@dataclass(frozen=True)
class Listing:
    """One page of `search`: the rows' identifiers, and the number of rows that have none."""

    identifiers: tuple[str, ...]
    without_identifier: int

    @property
    def rows(self) -> int:
        """All rows of the page."""
        return len(self.identifiers) + self.without_identifier


def query_body(
    organization: UUID, criteria: Mapping[str, object], **query_filter: str | int
) -> bytes:
    """Returns the body of a query: criteria, the organization, and `query_filter` as its `Filter`.

    An empty filter is left out: an explicit null is a server error.
    """
    body: dict[str, object] = {**criteria, "OrganizationIdentifier": str(organization)}
    if query_filter:
        body["Filter"] = query_filter
    return json.dumps(body).encode()


def token_request_body(secret: str, lifetime_seconds: int) -> bytes:
    """Returns the body that exchanges a client secret for a token."""
    return json.dumps({"Secret": secret, "Lifetime": lifetime_seconds}).encode()


def read_total_count(header: str | None) -> int | None:
    """Returns the total count in a pagination header; None where it is absent or malformed."""
    try:
        value = _parse(header or "")
    except MalformedBody:
        return None
    return _natural(value.get("TotalCount")) if isinstance(value, dict) else None


def read_count(body: bytes) -> int:
    """Returns the number in `{"Count": n}`, from 0 to 2^53."""
    value = _parse(body)
    if not isinstance(value, dict) or "Count" not in value:
        raise WrongShape('the body is not an object with a "Count"')
    if (count := _natural(value["Count"])) is None:
        raise WrongShape(f"Count is not a whole number from 0 to {LARGEST_NUMBER}")
    return count


def read_identifiers(body: bytes, resource: Resource) -> Listing:
    """Returns the identifiers in an array of objects, also under their alias.

    A row without one is counted: it is the same at every request, so a retry cannot help.
    """
    value = _parse(body)
    if not isinstance(value, list):
        raise WrongShape("the body is not a JSON array")
    names = [
        resource.identifier,
        *(a for a, name in ALIASES.items() if name == resource.identifier),
    ]
    identifiers: list[str] = []
    for row in value:
        found = [row.get(name) for name in names] if isinstance(row, dict) else []
        identifiers += [text for text in found if isinstance(text, str) and text][:1]
    return Listing(tuple(identifiers), len(value) - len(identifiers))


def read_object(body: bytes) -> bytes:
    """Returns the body unchanged if it is a JSON object, also one nested too deeply to parse."""
    try:
        is_object = isinstance(json.loads(body), dict)
    except RecursionError:
        # The same at every request: the row's decoder rejects it and says why.
        is_object = body.strip().startswith(b"{") and body.strip().endswith(b"}")
    except ValueError:
        raise MalformedBody("the body is not JSON, or it is truncated") from None
    if is_object:
        return body
    raise WrongShape("the body is not a JSON object")


def read_token(body: bytes) -> tuple[str, float]:
    """Returns the access token and its lifetime in seconds."""
    value = _parse(body)
    fields = value if isinstance(value, dict) else {}
    token, seconds = fields.get("AccessToken"), fields.get("ExpiresIn")
    if not isinstance(token, str) or not is_header_value(token):
        raise WrongShape("the body has no AccessToken that is a valid header value")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise WrongShape("the body has no positive ExpiresIn")
    return token, float(seconds)


def is_header_value(text: str) -> bool:
    """Whether `text` is printable ASCII without spaces, as a bearer token must be."""
    return text.isascii() and text.isprintable() and text != "" and " " not in text


def _parse(body: bytes | str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedBody("the body is not JSON, or it is truncated") from None


def _natural(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= LARGEST_NUMBER else None
