"""The API that every contestant works against, and the requests that all of them send.

`Target` is read from the folder's `booking.toml` and `.env`, as the project reads them.
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
    """An API and its limits: `page_size` in rows, the others in concurrent requests and so on."""

    folder: Path
    base_url: str
    organizations: tuple[Organization, ...]
    page_size: int
    max_concurrency: int
    max_organizations: int
    timeout_seconds: float

    def url(self, operation: str) -> str:
        """The URL of `count` or `collect`."""
        return f"{self.base_url}/booking/events/{operation}"

    def pages(self, events: int) -> int:
        """The number of pages for a number of events; at least one."""
        return max(1, math.ceil(events / self.page_size))


def target() -> Target:
    """The target of the folder in the command line."""
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
    """The body of a `collect`: one page, in a total order."""
    criteria = {"Page": page, "PageSize": page_size, "Sort": "EventIdentifier"}
    return count_body(organization) | {"Filter": criteria}
