"""`Landings`: where an installation's landings are; `FolderLandings` are on this machine's disk.

Those of several machines are in `object_landings`; what a landing is, in `landing`.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import UUID

from booking_assets.collect.contracts import RowContract
from booking_assets.collect.landing import (
    Landing,
    landing_name,
    newest_landing,
    organization_folder,
    prune_landings,
    take_ticket,
    whole_landings,
)
from booking_assets.collect.staging import StagingWriter
from booking_assets.collect.stats import CollectionStats


class Landings(Protocol):
    """The landings and tickets of all organizations.

    Every method may raise OSError or, with an object store, StorageError.
    """

    def take_ticket(self, organization: str, identifier: UUID, after: int = 0) -> int:
        """Takes the organization's next ticket, higher than `after`: nobody else gets it."""

    def newest(self, organization: str, identifier: UUID, resource: str) -> Landing | None:
        """The newest readable landing of an organization's resource; None where there is none."""

    def staging(
        self, identifier: UUID, contract: RowContract, stats: CollectionStats
    ) -> StagingWriter:
        """The writer of a collection's landing."""

    def whole(self) -> list[Landing]:
        """Every readable landing, oldest first."""

    def fetch(self, landing: Landing) -> None:
        """Brings the files of a landing, as far as they are there, to its folder on this disk."""

    def prune(self, landing: Landing, keep: int) -> None:
        """Removes all but the newest `keep` landings of the landing's organization and resource."""

    def forget(self, organization: str, identifier: UUID | None) -> None:
        """Removes all landings and tickets of an organization."""


@dataclass(frozen=True)
class FolderLandings(Landings):
    """Landings in a folder of this machine."""

    root: Path

    def __str__(self) -> str:
        return str(self.root)

    def take_ticket(self, organization: str, identifier: UUID, after: int = 0) -> int:  # noqa: ARG002 - the folder is named by the slug
        """Creates the ticket's file exclusively."""
        return take_ticket(self.root, organization, after)

    def newest(self, organization: str, identifier: UUID, resource: str) -> Landing | None:
        """The newest one under the slug, if it is of this organization."""
        landing = newest_landing(self.root, organization, resource)
        return landing if landing and landing.identifier == identifier else None

    def staging(
        self,
        identifier: UUID,  # noqa: ARG002 - the folder is named by the slug
        contract: RowContract,
        stats: CollectionStats,
    ) -> StagingWriter:
        """A folder that is renamed when it is whole."""
        name = landing_name(stats.resource, stats.sequence or 0, stats.run_id)
        return StagingWriter(self.root, stats.organization, name, contract)

    def whole(self) -> list[Landing]:
        """Every readable landing, oldest first."""
        return whole_landings(self.root)

    def fetch(self, landing: Landing) -> None:
        """Does nothing: the files are there."""

    def prune(self, landing: Landing, keep: int) -> None:
        """Removes all but the newest `keep`, by ticket."""
        prune_landings(self.root, landing.organization, landing.log_row["resource"], keep)

    def forget(self, organization: str, identifier: UUID | None) -> None:
        """Removes them also where the slug was another one, and the slug's own folder."""
        own = organization_folder(self.root, organization)
        for landing in self.whole():
            if landing.identifier == identifier:
                shutil.rmtree(landing.folder)
        # A folder that another organization's landings are in was reused by its slug.
        if own.exists() and not any(one.folder.parent == own for one in self.whole()):
            shutil.rmtree(own)
