"""`Landing`: an organization's complete collection on disk, read back, listed and pruned.

    <landing>/<organization>/<resource>-<started_at>-<run>/
        rows-00000.parquet ...             the rows, in the columns of the resource's raw table
        rejected_rows-00000.parquet ...    where rows were rejected
        collection.json                    the manifest: its row of raw.collections; written last

The folder is renamed into place when it is complete, and never changed afterwards. `staging` writes
it.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl

from booking_assets.collect.stats import collections_frame
from booking_assets.files import sync
from booking_assets.tables.contract import Table
from booking_assets.tables.raw import EVENT_COUNTS

MANIFEST = "collection.json"
ROWS = "rows"
REJECTED = "rejected_rows"
_logger = logging.getLogger(__name__)
_INSTANTS = ("started_at", "finished_at")


@dataclass(frozen=True)
class Landing:
    """A complete landing; `log_row` is its row of raw.collections as plain values."""

    folder: Path
    identifier: UUID
    log_row: dict[str, Any]

    @property
    def organization(self) -> str:
        """The slug."""
        return str(self.log_row["organization"])

    @property
    def rows(self) -> tuple[Path, ...]:
        """The Parquet files of the typed rows; empty where there are no such rows."""
        return tuple(sorted(self.folder.glob(f"{ROWS}-*.parquet")))

    @property
    def rejected(self) -> tuple[Path, ...]:
        """The Parquet files of the rejected rows; empty where there are no such rows."""
        return tuple(sorted(self.folder.glob(f"{REJECTED}-*.parquet")))

    def change_times(self, table: Table) -> pl.Series | None:
        """The last change of each typed row; None where the columns are not the table's."""
        if not self.rows:
            return pl.Series([], dtype=table.dtypes["last_change_time"])
        rows = pl.scan_parquet([*self.rows])
        if dict(rows.collect_schema()) != table.dtypes:
            return None
        return rows.select("last_change_time").collect().to_series()

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
    """A row of raw.event_counts."""
    return pl.DataFrame(
        [[organization], [str(identifier)], [count], [counted_at]], schema=EVENT_COUNTS.dtypes
    )


def organization_folder(root: Path, organization: str) -> Path:
    """The folder of an organization's landings.

    Raises:
        ValueError: the slug would lead out of the root.
    """
    folder = root / organization
    if folder.name != organization or organization == "..":
        raise ValueError(f"{organization!r} is no name of a folder within {root}")
    return folder


def write_manifest(folder: Path, identifier: UUID, log_row: dict[str, Any]) -> None:
    """Writes the manifest of a landing, and flushes it to the disk."""
    document = {"identifier": str(identifier), "collection": log_row}
    path = folder / MANIFEST
    with path.open("x", encoding="utf-8") as file:
        json.dump(document, file, default=datetime.isoformat, indent=2)
    sync(path)


def read_landing(folder: Path) -> Landing:
    """A landing from its folder.

    Raises:
        OSError: the folder has no readable manifest.
        ValueError: the manifest is damaged.
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
    """The newest readable landing of an organization's resource; None where there is none."""
    folders = sorted(organization_folder(root, organization).glob(f"{resource}-*"), reverse=True)
    return next(_readable(folders), None)


def whole_landings(root: Path) -> list[Landing]:
    """Every readable landing, oldest first; an unreadable one is logged as a warning."""
    folders = [manifest.parent for manifest in root.glob(f"*/*/{MANIFEST}")]
    return sorted(_readable(folders), key=lambda landing: landing.log_row["started_at"])


def prune_landings(root: Path, organization: str, resource: str, keep: int) -> None:
    """Removes all but the newest `keep` landings of an organization's resource."""
    folders = sorted(organization_folder(root, organization).glob(f"{resource}-*"))
    for folder in folders[: max(0, len(folders) - keep)]:
        shutil.rmtree(folder, ignore_errors=True)


def _readable(folders: list[Path]) -> Iterator[Landing]:
    for folder in folders:
        try:
            yield read_landing(folder)
        except (OSError, ValueError) as error:
            _logger.warning("%s cannot be read as a landing and is ignored: %s", folder, error)
