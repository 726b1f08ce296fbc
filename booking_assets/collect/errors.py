"""Why a collection failed: each error carries the reason with its numbers, and the remedy.

Failures of requests are in `api.errors`.
"""

from __future__ import annotations

from typing import ClassVar

from booking_assets.tables.raw import Status


class CollectionFailed(Exception):
    """One organization's rows are not stored; the rows stored before stay.

    `status`, `reason` and `remedy` are columns of `raw.collections`.
    """

    status: ClassVar[Status] = "failed"

    def __init__(self, organization: str, reason: str, remedy: str) -> None:
        self.organization = organization
        self.reason = reason
        self.remedy = remedy
        super().__init__(f"{organization}: {reason}. {remedy}")

    def __reduce__(self) -> tuple[type[CollectionFailed], tuple[str, str, str]]:
        return type(self), (self.organization, self.reason, self.remedy)


class ForeignRows(CollectionFailed):
    """The API answered with rows of another organization."""


class Incomplete(CollectionFailed):
    """The rows that arrived do not match the API's counts or identifiers."""


class Shrunk(CollectionFailed):
    """Far fewer rows than are stored: a read model under rebuild answers like this."""

    status = "shrunk"


class LandingFailed(CollectionFailed):
    """The rows could not be written to disk: it is full, read-only, or locked for too long."""


class Stopped(CollectionFailed):
    """The run ended before the collection did."""

    def __init__(self, organization: str) -> None:
        super().__init__(
            organization, "stopped before all pages were read", "The stored rows stay; run it again"
        )

    def __reduce__(self) -> tuple[type[Stopped], tuple[str]]:  # type: ignore[override]  # one argument
        return type(self), (self.organization,)
