"""`Landings`: the landings and tickets of all organizations, in a folder of this machine.

Those of several machines are `object_landings.ObjectLandings`; what a landing is, is in `landing`.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
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


@dataclass(frozen=True)
class Landings:
    """The landings in `root`; every method may raise OSError, or StorageError with a store."""

    root: Path
    keeps_files: ClassVar[bool] = True
    """Whether the files of a landing are on this disk, where the next may have the same."""

    def __str__(self) -> str:
        return str(self.root)

    def take_ticket(self, organization: str, identifier: UUID, after: int = 0) -> int:  # noqa: ARG002 - for subclasses
        """Takes the organization's next ticket, higher than `after`: nobody else gets it."""
        return take_ticket(self.root, organization, after)

    def newest(self, organization: str, identifier: UUID, resource: str) -> Landing | None:
        """The newest readable landing of an organization's resource; None where there is none."""
        landing = newest_landing(self.root, organization, resource)
        return landing if landing and landing.identifier == identifier else None

    def staging(
        self,
        identifier: UUID,  # noqa: ARG002 - for subclasses
        contract: RowContract,
        stats: CollectionStats,
    ) -> StagingWriter:
        """The writer of a collection's landing."""
        name = landing_name(stats.resource, stats.sequence or 0, stats.run_id)
        return StagingWriter(self.root, stats.organization, name, contract)

    def whole(self) -> list[Landing]:
        """Every readable landing, oldest first."""
        return whole_landings(self.root)

    def fetch(self, landing: Landing) -> None:
        """Brings the files of a landing, as far as they are there, to its folder on this disk."""

    def prune(self, stored: Sequence[Landing], keep: int) -> None:
        """Removes all but the newest `keep` of each stored landing's organization and resource."""
        for landing in stored:
            prune_landings(self.root, landing.organization, landing.log_row["resource"], keep)

    def forget(self, organization: str, identifier: UUID | None) -> None:
        """Removes all landings and tickets of an organization, also under a former slug."""
        own = organization_folder(self.root, organization)
        for landing in self.whole():
            if landing.identifier == identifier:
                shutil.rmtree(landing.folder)
        # A folder that another organization's landings are in was reused by its slug.
        if own.exists() and not any(one.folder.parent == own for one in self.whole()):
            shutil.rmtree(own)
