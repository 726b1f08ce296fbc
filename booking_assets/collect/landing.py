"""`Landing`: an organization's complete collection on disk, read back, listed and pruned.

    <landing>/<organization>/.tickets/<sequence>    the tickets of its newest collections
    <landing>/<organization>/<resource>-<sequence>-<run>/
        rows-00000.parquet ...             the rows, in the columns of the resource's raw table
        rejected_rows-00000.parquet ...    where rows were rejected
        collection.json                    the manifest: its row of raw.collections; written last

The folder is renamed into place when it is complete, and never changed afterwards. `staging` writes
it. Landings of earlier releases, `<resource>-<started_at>-<run>`, have no ticket: they are older
than any ticket.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID
from zlib import crc32

import polars as pl

from booking_assets.collect.stats import collections_frame
from booking_assets.files import sync
from booking_assets.tables.contract import Table
from booking_assets.tables.raw import COLLECTIONS, EVENT_COUNTS

MANIFEST = "collection.json"
ROWS = "rows"
REJECTED = "rejected_rows"
TICKETS = ".tickets"
TICKETS_KEPT = 100
"""Tickets that stay on disk: another process may take one while older ones are removed."""
_logger = logging.getLogger(__name__)
_INSTANTS = ("started_at", "finished_at")
_SEQUENCE = re.compile(r"[a-z_]+-([0-9]{10})-")


@dataclass(frozen=True)
class Starts:
    """Starts by which an incremental collection judges its base; None where unknown."""

    server: datetime | None = None
    """The collection's start, by the server's clock."""
    full: datetime | None = None
    """The start of the full collection that it builds on, or repeats, by our clock."""
    full_server: datetime | None = None
    """The same by the server's clock."""


@dataclass(frozen=True)
class Landing:
    """A complete landing.

    Args:
        identifier: the organization's identifier in the API.
        log_row: its row of raw.collections as plain values.
        starts: when it started; unknown for landings of earlier releases.
        files: size and CRC-32 of each Parquet file.
        is_foreign: whether another organization's rows came; then its count is not stored either.
        content: the digest of the answers that the rows are made from, see `content`; empty where
            that is not known.
        repeats: the run whose landing has the same rows; its files are these.
    """

    folder: Path
    identifier: UUID
    log_row: dict[str, Any]
    starts: Starts = Starts()
    files: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    is_foreign: bool = False
    content: str = ""
    repeats: str | None = None

    @property
    def organization(self) -> str:
        """The slug."""
        return str(self.log_row["organization"])

    @property
    def rows_distinct(self) -> int:
        """The number of its rows, typed and rejected."""
        return int(self.log_row["rows_loaded"] + self.log_row["rows_rejected"])

    @property
    def received(self) -> int:
        """The number of rows that arrived in its collection."""
        return int(self.log_row["rows_received"])

    @property
    def rows(self) -> tuple[Path, ...]:
        """The Parquet files of the typed rows; empty where there are no such rows."""
        return tuple(sorted(self.folder.glob(f"{ROWS}-*.parquet")))

    @property
    def rejected(self) -> tuple[Path, ...]:
        """The Parquet files of the rejected rows; empty where there are no such rows."""
        return tuple(sorted(self.folder.glob(f"{REJECTED}-*.parquet")))

    def is_intact(self) -> bool:
        """Whether its Parquet files are those that were written."""
        return checksums(self.folder) == self.files

    def change_times(self, table: Table) -> pl.Series | None:
        """The last change of each typed row; None where the columns are not the table's."""
        if not self.rows:
            return pl.Series([], dtype=table.dtypes["last_change_time"])
        rows = pl.scan_parquet([*self.rows], glob=False)
        if dict(rows.collect_schema()) != table.dtypes:
            return None
        return rows.select("last_change_time").collect().to_series()

    def contains(self, rows: pl.DataFrame, identifier: str) -> bool:
        """Whether rows of its columns are among the typed rows, but for `collected_at`."""
        if not rows.height or not self.rows:
            return not rows.height
        is_wanted = pl.col(identifier).is_in(rows.get_column(identifier).implode())
        found = pl.scan_parquet([*self.rows], glob=False).filter(is_wanted).collect()
        ours, theirs = (one.drop("collected_at").sort(identifier) for one in (rows, found))
        return ours.equals(theirs)

    def collection(self) -> pl.DataFrame:
        """Its row of raw.collections."""
        return collections_frame([self.log_row])

    def event_count(self) -> pl.DataFrame:
        """Its row of raw.event_counts."""
        count, counted_at = self.log_row["count_after"], self.log_row["started_at"]
        return event_count(self.organization, self.identifier, count, counted_at)


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


def take_ticket(root: Path, organization: str, after: int = 0) -> int:
    """Takes the organization's next ticket: its file is created exclusively (`O_EXCL`).

    It is higher than `after`, a ticket that was taken before, also where the files are lost.

    Raises:
        OSError: the ticket cannot be written.
    """
    home = organization_folder(root, organization)
    tickets = home / TICKETS
    for folder in (root, home, tickets):
        make_lasting_folder(folder)
    while True:
        taken = [int(path.name) for path in tickets.iterdir() if path.name.isdecimal()]
        landed = [_order(folder)[0] for folder in home.iterdir()]
        ticket = max([after, *taken, *landed]) + 1
        try:
            os.close(private(tickets / str(ticket), os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            continue
        sync(tickets)
        for old in taken:
            if old <= ticket - TICKETS_KEPT:
                (tickets / str(old)).unlink(missing_ok=True)
        return ticket


def make_folder(path: Path) -> None:
    """Creates a folder that only its user can read: landings contain personal data."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def make_lasting_folder(path: Path) -> None:
    """The same, but a new folder is also flushed to the disk."""
    if not path.is_dir():
        make_folder(path)
        sync(path.parent)


def private(path: str | Path, flags: int) -> int:
    """An opener of files that only their user can read."""
    return os.open(path, flags, 0o600)


def landing_name(resource: str, sequence: int, run_id: str) -> str:
    """The name of a landing's folder: the ticket is its order."""
    return f"{resource}-{sequence:010}-{run_id[:8]}"


def checksums(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and CRC-32 of each Parquet file in a folder."""
    found = {}
    for path in folder.glob("*.parquet"):
        with path.open("rb") as file:
            checksum = 0
            while chunk := file.read(2**20):
                checksum = crc32(chunk, checksum)
            found[path.name] = file.tell(), checksum
    return found


def manifest(landing: Landing) -> str:
    """The manifest of a landing, as JSON."""
    document = {
        "identifier": str(landing.identifier),
        "collection": landing.log_row,
        "starts": vars(landing.starts),
        "files": landing.files,
        "is_foreign": landing.is_foreign,
        "content": landing.content,
        "repeats": landing.repeats,
    }
    return json.dumps(document, default=datetime.isoformat)


def write_manifest(landing: Landing) -> None:
    """Writes the manifest of a landing, and flushes it to the disk."""
    path = landing.folder / MANIFEST
    with open(path, "x", encoding="utf-8", opener=private) as file:
        file.write(manifest(landing))
    sync(path)


def read_landing(folder: Path) -> Landing:
    """A landing from its folder.

    Raises:
        OSError: the folder has no readable manifest.
        ValueError: the manifest is damaged.
    """
    return parse_manifest((folder / MANIFEST).read_text(encoding="utf-8"), folder)


def parse_manifest(text: str, folder: Path) -> Landing:
    """The landing that a manifest describes, whose files are, or will be, in the folder.

    Raises:
        ValueError: the manifest is damaged.
    """
    try:
        document = json.loads(text)
        written = document["collection"]
        log_row = {name: written.get(name) for name in COLLECTIONS.column_names}
        # Manifests of earlier releases have no status: only complete collections are landed.
        log_row["status"] = log_row["status"] or "complete"
        instants = {name: datetime.fromisoformat(written[name]) for name in _INSTANTS}
        starts = {
            name: datetime.fromisoformat(instant)
            for name, instant in document.get("starts", {}).items()
            if instant is not None
        }
        return Landing(
            folder,
            UUID(document["identifier"]),
            log_row | instants,
            Starts(**starts),
            {name: (size, crc) for name, (size, crc) in document.get("files", {}).items()},
            document.get("is_foreign", False),
            document.get("content", ""),
            document.get("repeats"),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{folder / MANIFEST} is no manifest of a landing: {error!r}") from error


def newest_landing(root: Path, organization: str, resource: str) -> Landing | None:
    """The newest readable landing of an organization's resource; None where there is none."""
    return next(_readable(reversed(_folders(root, organization, resource))), None)


def whole_landings(root: Path) -> list[Landing]:
    """Every readable landing, oldest first; an unreadable one is logged as a warning."""
    folders = [manifest.parent for manifest in root.glob(f"*/[!.]*/{MANIFEST}")]
    return sorted(
        _readable(folders),
        key=lambda landing: (landing.log_row["sequence"] or 0, landing.log_row["started_at"]),
    )


def prune_landings(root: Path, organization: str, resource: str, keep: int) -> None:
    """Removes all but the newest `keep` landings of an organization's resource."""
    folders = _folders(root, organization, resource)
    for folder in folders[: max(0, len(folders) - keep)]:
        shutil.rmtree(folder, ignore_errors=True)


def _folders(root: Path, organization: str, resource: str) -> list[Path]:
    """The folders of an organization's resource, oldest first, readable or not."""
    return sorted(organization_folder(root, organization).glob(f"{resource}-*"), key=_order)


def _order(folder: Path) -> tuple[int, str]:
    """The ticket; without ticket 0, and the name, which begins with the start."""
    match = _SEQUENCE.match(folder.name)
    return (int(match[1]) if match else 0), folder.name


def _readable(folders: Iterable[Path]) -> Iterator[Landing]:
    for folder in folders:
        try:
            yield read_landing(folder)
        except (OSError, ValueError) as error:
            _logger.warning("%s cannot be read as a landing and is ignored: %s", folder, error)
