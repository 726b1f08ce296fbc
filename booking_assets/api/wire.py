"""What goes over the wire: paths, member names, request bodies, and how answers are read.

What lives here: `Resource`, the other aliases of a member, the criteria that are sent, and one
reader for each small answer.
What must not: HTTP (`transport`), the typing of rows (`collect`).
Read more: `docs/reliability.md`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from uuid import UUID

from booking_assets.api.errors import MalformedBody

TOKEN_PATH = "/security/tokens/generate"  # noqa: S105 - a path, not a password
PAGINATION_HEADER = "X-Query-Pagination"


@dataclass(frozen=True)
class Resource:
    """A collection of the API: its `name` in the path, and the member that identifies a row.

    Rows are sorted by that member's name in every release, also where the rows spell it otherwise:
    the server sorts by its own column names.
    """

    name: str
    identifier: str

    @property
    def path(self) -> str:
        """The path below the base URL."""
        return f"/booking/{self.name}"


EVENTS = Resource("events", "EventIdentifier")
REGISTRATIONS = Resource("registrations", "RegistrationIdentifier")

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "AchievementId": "AchievementIdentifier",
        "EventId": "EventIdentifier",
        "LearnerRegistrationGroupId": "LearnerRegistrationGroupIdentifier",
        "MandatorySurveyFormId": "MandatorySurveyFormIdentifier",
        "OrganizationId": "OrganizationIdentifier",
        "VenueCoordinatorId": "VenueCoordinatorIdentifier",
        "VenueLocationId": "VenueLocationIdentifier",
        "VenueOfficeId": "VenueOfficeIdentifier",
    }
)
"""Every other spelling of a member that a release has used -> the reference's."""


@dataclass(frozen=True)
class Pagination:
    """What a page's header says: rows in the organization, and rows a page as the server reads it.

    Both are None where the header is absent or malformed.
    """

    total_count: int | None
    page_size: int | None


def criteria(organization: UUID, **members: str | int) -> bytes:
    """The body of a query: the organization, and `members` as its filter.

    An empty filter is left out: an explicit null is a server error.
    """
    body: dict[str, object] = {"OrganizationIdentifier": str(organization)}
    if members:
        body["Filter"] = members
    return json.dumps(body).encode()


def token_request(secret: str, lifetime_seconds: int) -> bytes:
    """The body that exchanges a client secret for a token."""
    return json.dumps({"Secret": secret, "Lifetime": lifetime_seconds}).encode()


def read_pagination(header: str | None) -> Pagination:
    """The pagination header's numbers; a server that says nothing usable stops nobody."""
    try:
        value = _parsed(header or "")
    except MalformedBody:
        value = None
    members = value if isinstance(value, dict) else {}
    return Pagination(_whole(members.get("TotalCount")), _whole(members.get("PageSize")))


def read_count(body: bytes) -> int:
    """The number in `{"Count": n}`.

    Raises:
        MalformedBody: When the body is anything else.
    """
    value = _parsed(body)
    count = _whole(value.get("Count")) if isinstance(value, dict) else None
    if count is None:
        raise MalformedBody("the body is no object with a whole number as Count")
    return count


def read_identifiers(body: bytes, resource: Resource) -> tuple[str, ...]:
    """The identifiers in an array of one-member objects, in either spelling.

    Raises:
        MalformedBody: When the body is no such array.
    """
    value = _parsed(body)
    if not isinstance(value, list):
        raise MalformedBody("the body is no JSON array")
    others = (other for other, name in ALIASES.items() if name == resource.identifier)
    aliases = (resource.identifier, *others)
    return tuple(_identifier(row, aliases) for row in value)


def read_object(body: bytes) -> bytes:
    """The body itself, when it is one JSON object.

    Raises:
        MalformedBody: When it is not.
    """
    if not isinstance(_parsed(body), dict):
        raise MalformedBody("the body is no JSON object")
    return body


def read_token(body: bytes) -> tuple[str, float]:
    """The access token and the seconds for which the server vouches for it.

    Raises:
        MalformedBody: When either is missing. The message never quotes the body.
    """
    value = _parsed(body)
    members = value if isinstance(value, dict) else {}
    token, seconds = members.get("AccessToken"), members.get("ExpiresIn")
    if not isinstance(token, str) or not is_header_word(token):
        raise MalformedBody("the body has no AccessToken that fits into a header")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise MalformedBody("the body has no positive ExpiresIn")
    return token, float(seconds)


def is_header_word(text: str) -> bool:
    """Whether `text` is one word of printable ASCII, as a bearer token must be."""
    return text.isascii() and text.isprintable() and text != "" and " " not in text


def _identifier(row: object, aliases: tuple[str, ...]) -> str:
    for name in aliases:
        if isinstance(row, dict) and isinstance(value := row.get(name), str):
            return value
    raise MalformedBody(f"a row of the array has no {aliases[0]}")


def _parsed(body: bytes | str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedBody("the body is not JSON, or not all of it") from None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
