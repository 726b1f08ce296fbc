"""Why a collection was refused, each with the numbers and the remedy.

What lives here: refusals that are about the rows. What must not: failures of requests
(`api.errors`).
Read more: `docs/reliability.md`.
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
    """What arrived cannot be reconciled with what was counted."""


class Shrunk(CollectionFailed):
    """Far fewer rows than are stored: a read model under rebuild answers like this."""

    status = "shrunk"


class LandingFailed(CollectionFailed):
    """The rows could not be written to disk: it is full, or may not be written."""


class Stopped(CollectionFailed):
    """The run ended before the collection did."""

    def __init__(self, organization: str) -> None:
        super().__init__(organization, "stopped on the way", "The stored rows stay; run it again")

    def __reduce__(self) -> tuple[type[Stopped], tuple[str]]:  # type: ignore[override]  # one argument
        return type(self), (self.organization,)
