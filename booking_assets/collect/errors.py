"""Why a collection was refused, each with the numbers and the remedy.

What lives here: refusals that are about the rows. What must not: failures of requests
(`api.errors`).
Read more: `docs/reliability.md`.
"""

from __future__ import annotations


class CollectionRefused(Exception):
    """One organization's rows are not stored; what was stored before stays.

    `verdict` is a short reason for `raw.collections`; the message adds the remedy.
    """

    def __init__(self, organization: str, verdict: str, remedy: str) -> None:
        self.organization = organization
        self.verdict = verdict
        self.remedy = remedy
        super().__init__(f"{organization}: {verdict}. {remedy}")

    def __reduce__(self) -> tuple[type[CollectionRefused], tuple[str, str, str]]:
        return type(self), (self.organization, self.verdict, self.remedy)


class ForeignRows(CollectionRefused):
    """The API answered with rows of another organization."""


class Incomplete(CollectionRefused):
    """What arrived cannot be reconciled with what was counted."""


class Shrunk(CollectionRefused):
    """Far fewer rows than are stored: a read model under rebuild answers like this."""


class Unlanded(CollectionRefused):
    """The rows could not be written to disk: it is full, or may not be written."""


class Stopped(CollectionRefused):
    """The run ended before the collection did."""

    def __init__(self, organization: str) -> None:
        super().__init__(organization, "stopped on the way", "The stored rows stay; run it again")

    def __reduce__(self) -> tuple[type[Stopped], tuple[str]]:  # type: ignore[override]  # one argument
        return type(self), (self.organization,)
