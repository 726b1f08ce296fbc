"""A landing: one organization's complete collection on disk, from which a slice can be stored.

What lives here: the folder's layout, its manifest, reading it back, removing old ones.
What must not: rows on their way (`staging`), DuckDB.
Read more: `docs/reliability.md`, "Landings".

    <landing>/<organization>/<resource>-<started_at>-<run>/
        rows-00000.parquet ...             the rows, in the columns of the resource's raw table
        rejected_rows-00000.parquet ...    where there are any
        collection.json                    what was counted and received; written last

The folder is renamed into place when it is whole, and never changed afterwards.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl

from booking_assets.collect.stats import collections_frame
from booking_assets.tables.contract import Table
from booking_assets.tables.raw import EVENT_COUNTS

MANIFEST = "collection.json"
ROWS = "rows"
REJECTED = "rejected_rows"
_logger = logging.getLogger(__name__)
_INSTANTS = ("started_at", "finished_at")


@dataclass(frozen=True)
class Landing:
    """A whole landing; `log_row` is its row of raw.collections as plain values."""

    folder: Path
    identifier: UUID
    log_row: dict[str, Any]

    @property
    def organization(self) -> str:
        """The slug."""
        return str(self.log_row["organization"])

    @property
    def rows(self) -> tuple[Path, ...]:
        """The Parquet files of the typed rows; none where there are none."""
        return tuple(sorted(self.folder.glob(f"{ROWS}-*.parquet")))

    @property
    def rejected(self) -> tuple[Path, ...]:
        """The Parquet files of the rejected rows; none where there are none."""
        return tuple(sorted(self.folder.glob(f"{REJECTED}-*.parquet")))

    def change_times(self, table: Table) -> pl.Series | None:
        """When each typed row changed; None where the rows are not in the table's columns."""
        if not self.rows:
            return pl.Series([], dtype=table.dtypes["last_change_time"])
        held = pl.scan_parquet([*self.rows])
        if dict(held.collect_schema()) != table.dtypes:
            return None
        return held.select("last_change_time").collect().to_series()

    def collection(self) -> pl.DataFrame:
        """Its row of raw.collections."""
        return collections_frame([self.log_row])

    def event_count(self) -> pl.DataFrame:
        """Its row of raw.event_counts."""
        return event_count(
            self.organization,
            self.identifier,
            self.log_row["count_before"],
            self.log_row["started_at"],
        )


def event_count(
    organization: str, identifier: UUID, count: int, counted_at: datetime
) -> pl.DataFrame:
    """One row of raw.event_counts."""
    return pl.DataFrame(
        [[organization], [str(identifier)], [count], [counted_at]], schema=EVENT_COUNTS.dtypes
    )


def organization_folder(root: Path, organization: str) -> Path:
    """Where an organization's landings lie.

    Raises:
        ValueError: the slug would lead elsewhere.
    """
    folder = root / organization
    if folder.name != organization or organization == "..":
        raise ValueError(f"{organization!r} is no name of a folder within {root}")
    return folder


def write_manifest(folder: Path, identifier: UUID, log_row: dict[str, Any]) -> None:
    """Completes a landing with its numbers, on disk when this returns."""
    document = {"identifier": str(identifier), "collection": log_row}
    with (folder / MANIFEST).open("x", encoding="utf-8") as file:
        json.dump(document, file, default=datetime.isoformat, indent=2)
        file.flush()
        os.fsync(file.fileno())


def read_landing(folder: Path) -> Landing:
    """A landing from its folder.

    Raises:
        OSError: the folder has no readable manifest.
        ValueError: the manifest is none.
    """
    text = (folder / MANIFEST).read_text(encoding="utf-8")
    try:
        document = json.loads(text)
        log_row = document["collection"]
        instants = {name: datetime.fromisoformat(log_row[name]) for name in _INSTANTS}
        return Landing(folder, UUID(document["identifier"]), log_row | instants)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{folder / MANIFEST} is no manifest of a landing: {error!r}") from error


def newest_landing(root: Path, organization: str, resource: str) -> Landing | None:
    """The newest landing of one organization and resource that can be read, if there is any."""
    folders = sorted(organization_folder(root, organization).glob(f"{resource}-*"), reverse=True)
    for folder in folders:
        try:
            return read_landing(folder)
        except (OSError, ValueError, KeyError) as error:
            _logger.warning("%s is no whole landing: %s", folder, error)
    return None


def whole_landings(root: Path) -> list[Landing]:
    """Every landing that can be read, oldest first; one that cannot is told in the log."""
    found = []
    for manifest in root.glob(f"*/*/{MANIFEST}"):
        try:
            found.append(read_landing(manifest.parent))
        except (OSError, ValueError, KeyError) as error:
            _logger.warning("%s is no whole landing: %s", manifest.parent, error)
    return sorted(found, key=lambda landing: landing.log_row["started_at"])


def prune_landings(root: Path, organization: str, resource: str, keep: int) -> None:
    """Removes all but the newest `keep` landings of one organization and resource."""
    folders = sorted(organization_folder(root, organization).glob(f"{resource}-*"))
    for folder in folders[: max(0, len(folders) - keep)]:
        shutil.rmtree(folder, ignore_errors=True)
