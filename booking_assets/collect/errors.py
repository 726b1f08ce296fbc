"""Why a collection failed: each error carries the reason with its numbers, and the remedy.

Failures of requests are in `api.errors`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from booking_assets.tables.raw import Status


@dataclass(eq=False, repr=False)
class CollectionFailed(Exception):
    """One organization's rows are not stored; the rows stored before stay.

    `status`, `reason` and `remedy` are columns of `raw.collections`.
    """

    organization: str
    reason: str
    remedy: str
    status: ClassVar[Status] = "failed"

    def __str__(self) -> str:
        return f"{self.organization}: {self.reason}. {self.remedy}"


class ForeignRows(CollectionFailed):
    """The API returned rows of another organization."""


class Incomplete(CollectionFailed):
    """The rows that arrived do not match the API's counts or identifiers."""


class Shrunk(CollectionFailed):
    """Far fewer rows than are stored: a read model under rebuild returns that, too."""

    status = "shrunk"


class LandingFailed(CollectionFailed):
    """The rows could not be written to disk: it is full, read-only, or locked for too long."""


class Stopped(CollectionFailed):
    """The run ended before the collection did."""

    def __init__(self, organization: str) -> None:
        super().__init__(
            organization, "stopped before all pages were read", "The stored rows stay; run it again"
        )
