"""What every contestant works against: where the API is, whom to ask, how hard.

What lives here: `Target`, read from the folder's `booking.toml` and `.env` as the project reads
them, and the requests that all contestants send alike.
What must not: anything of one contestant.
Read more: `booking.example.toml`.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from booking_assets.settings import load_settings


@dataclass(frozen=True)
class Organization:
    """An organization and its bearer token."""

    slug: str
    identifier: str
    token: str = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of its requests."""
        return {"Authorization": f"Bearer {self.token}"}


@dataclass(frozen=True)
class Target:
    """An API: `page_size` in rows, the others in requests and organizations at a time."""

    folder: Path
    base_url: str
    organizations: tuple[Organization, ...]
    page_size: int
    max_concurrency: int
    max_organizations: int
    timeout_seconds: float

    def url(self, operation: str) -> str:
        """The address of `count` or `collect`."""
        return f"{self.base_url}/booking/events/{operation}"

    def pages(self, events: int) -> int:
        """How many pages hold so many events; an empty organization is asked for one."""
        return max(1, math.ceil(events / self.page_size))


def target() -> Target:
    """The target in the folder that the command line names."""
    folder = Path(sys.argv[1]).absolute()
    settings = load_settings(environment={}, folder=folder)
    if settings.api is None:
        raise SystemExit(f"{folder} holds no booking.toml")
    secrets = dotenv_values(folder / ".env")
    return Target(
        folder=folder,
        base_url=settings.api.base_url,
        organizations=tuple(
            Organization(one.slug, str(one.identifier), secrets[one.credential_variable] or "")
            for one in settings.organizations
        ),
        page_size=settings.api.page_size,
        max_concurrency=settings.api.max_concurrency,
        max_organizations=settings.collect.max_organizations,
        timeout_seconds=settings.api.timeout_seconds,
    )


def count_body(organization: Organization) -> dict[str, Any]:
    """The body of a `count`."""
    return {"OrganizationIdentifier": organization.identifier}


def page_body(organization: Organization, page: int, page_size: int) -> dict[str, Any]:
    """The body of a `collect`: one page, totally ordered."""
    criteria = {"Page": page, "PageSize": page_size, "Sort": "EventIdentifier"}
    return count_body(organization) | {"Filter": criteria}
