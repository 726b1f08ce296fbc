"""What is told to a progress display while a refresh runs: `cli.display` shows it.

Another phase is added to `Phase`, and reports its steps by `Progress.step`.
"""

from __future__ import annotations

from typing import Literal, Protocol

from booking_assets.collect.collection import PageProgress

Phase = Literal["collect", "derive", "publish", "report"]
"""The phases of a refresh, in their order."""


class Progress(PageProgress, Protocol):
    """Live progress of a refresh; called from several threads."""

    def waiting(self, organization: str, seconds: float, reason: str) -> None:
        """A request of the organization failed, and is repeated in `seconds`."""

    def ended(
        self, organization: str, resource: str, status: str, rows: int, reason: str | None
    ) -> None:
        """A collection ended with this status and reason of `raw.collections`; rows it stored."""

    def step(self, phase: Phase, name: str, total: int) -> None:
        """A step of a phase after collecting begins; the phase has `total` steps."""


class NoProgress(Progress):
    """Shows no progress."""

    def received(self, organization: str, resource: str, rows: int, expected: int) -> None:
        """Does nothing."""

    def waiting(self, organization: str, seconds: float, reason: str) -> None:
        """Does nothing."""

    def ended(
        self, organization: str, resource: str, status: str, rows: int, reason: str | None
    ) -> None:
        """Does nothing."""

    def step(self, phase: Phase, name: str, total: int) -> None:
        """Does nothing."""


SILENT = NoProgress()
