"""Writes the report of a snapshot: pages whose figures changed are drawn, the others are linked."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from booking_assets.files import LockTimeout, locked, pauses, sync
from booking_assets.report.organization import organization_page, with_figures
from booking_assets.report.pages import index_html, organization_html
from booking_assets.report.rows import ShownRows, page_rows
from booking_assets.report.scope import COLUMNS, Facts, Scope
from booking_assets.tables.contract import Table
from booking_assets.tables.marts import ORGANIZATION_FRESHNESS
from booking_assets.tables.names import ORGANIZATIONS
from booking_assets.warehouse.errors import WarehouseError
from booking_assets.warehouse.publication import (
    FILE_MODE,
    FOLDER_MODE,
    publish_version,
    versions_folder,
)
from booking_assets.warehouse.published import open_published
from booking_assets.warehouse.queries import row_counts
from booking_assets.warehouse.view import View, batches

INDEX = "index.html"
PAGES = "organizations"
MANIFEST = "report.json"
"""What was drawn from which figures, beside the pages."""

PART_ROWS = 20_000
"""Rows of a table that are read at once: of several organizations, or of a part of a large one."""
THREAD_MEMORY_MB = 32
"""DuckDB's memory for each thread: a part is a scan, and with more it keeps what it has read."""
EVENT = "event_identifier"

LOCK_SECONDS = 60


class ReportFailed(WarehouseError):
    """The report could not be written; the last one, and the snapshot, are as they were."""


@dataclass(frozen=True)
class Report:
    """A written report: the page of each published organization, by slug; which were `drawn`."""

    path: Path
    pages: Mapping[str, Path]
    drawn: tuple[str, ...]
    seconds: float

    @property
    def index(self) -> Path:
        """The index over all organizations."""
        return self.path / INDEX


@dataclass
class _Writer:
    """Writes one version of the report; `manifest` has an entry for each published organization.

    An entry has the digest of the figures, what they are as of, the highest sequence of a change,
    both of the report before (`since`, `last_sequence`), and the figures that the index shows.
    """

    view: View
    former: Path
    manifest: dict[str, dict[str, Any]] = field(default_factory=dict)
    drawn: list[str] = field(default_factory=list)

    def write(self, folder: Path) -> bool:
        """Write pages, index and manifest; false where nothing differs from the last version."""
        former = _read_manifest(self.former)
        pages = folder / PAGES
        pages.mkdir()
        pages.chmod(FOLDER_MODE)
        freshness = _rows(self.view, ORGANIZATION_FRESHNESS)
        organizations = _rows(self.view, ORGANIZATIONS)
        counts = [row_counts(self.view, table) for table in COLUMNS if EVENT in table.column_names]
        published = {
            slug: max(count.get(slug, 0) for count in counts)
            for slug, fresh in freshness.items()
            if fresh["is_published"] and fresh["events_as_of"]
        }
        for slugs in _batches(published):
            shown = [_page_row(slug, freshness[slug], former.get(slug, {})) for slug in slugs]
            rows = ShownRows(page_rows(shown))
            for part in self._parts(slugs, sum(published[slug] for slug in slugs)):
                rows.add(part)
            # After all other phases of a refresh: 150 MiB, of 1,000,000 events.
            self.view.release_memory()
            scopes = [
                Scope(
                    slug,
                    organizations.get(slug, {}),
                    freshness[slug],
                    rows.facts.get(slug, Facts()),
                    since,
                    last_sequence,
                )
                for slug, _, since, last_sequence in shown
            ]
            self._pages(scopes, rows.frames(), former, pages)
        sync(pages)
        published_at = max(map(_published_at, freshness.values()), default=None)
        entries = [
            {"slug": slug, "label": slug, "freshness": fresh, **self.manifest.get(slug, {})}
            for slug, fresh in freshness.items()
        ]
        entries.sort(key=lambda entry: str(entry["label"]).casefold())
        index = index_html(entries, published_at)
        if not self.drawn and former.keys() == self.manifest.keys():
            last = self.former / INDEX
            if last.is_file() and last.read_text(encoding="utf-8") == index:
                return False
        _write(folder / INDEX, index)
        _write(folder / MANIFEST, json.dumps(self.manifest, default=str, indent=1))
        return True

    def _parts(self, slugs: Sequence[str], rows: int) -> Iterator[Mapping[str, pl.DataFrame]]:
        """The rows of organizations, by table; of a large one, with more `rows`, in parts.

        Those of small ones are read together: a table takes 2 ms each time.
        """
        view = View(self.view.con, frozenset(slugs))
        for part in batches((EVENT,), rows, PART_ROWS):
            yield {
                table.name: view.read(
                    table,
                    ("organization", *names),
                    part if EVENT in table.column_names else None,
                    # Of months, and so read once.
                    None if EVENT in table.column_names or part.number == 0 else 0,
                )
                for table, names in COLUMNS.items()
            }

    def _pages(
        self,
        scopes: Sequence[Scope],
        frames: Mapping[str, pl.DataFrame],
        former: Mapping[str, Mapping[str, Any]],
        folder: Path,
    ) -> None:
        """Draw pages; link the last one of an organization whose figures are the same."""
        digests = _digests(scopes, frames)
        changed = []
        for scope in scopes:
            entry, last = former.get(scope.slug, {}), self.former / PAGES / f"{scope.slug}.html"
            if entry.get("digest") == digests[scope.slug] and last.is_file():
                self.manifest[scope.slug] = dict(entry)
                _link(last, folder / last.name)
            else:
                changed.append(scope)
        for scope in with_figures(changed, frames) if changed else ():
            self._draw(scope, digests[scope.slug], folder)

    def _draw(self, scope: Scope, digest: str, folder: Path) -> None:
        slug, facts = scope.slug, scope.facts
        page = organization_page(scope)
        _write(folder / f"{slug}.html", organization_html(page, scope.clock))
        self.manifest[slug] = {
            "label": page.label,
            "digest": digest,
            "as_of": scope.as_of.isoformat(),
            "sequence": facts.sequence,
            "since": scope.since and scope.since.isoformat(),
            "last_sequence": scope.last_sequence,
            "summary": page.summary,
        }
        self.drawn.append(slug)


_SHOWN = ("events_as_of", "is_current", "failing_since", "reason", "remedy")
"""What a page shows of `marts.organization_freshness`; the age is shown by the index."""


def write_report(
    snapshot: Path,
    path: Path,
    *,
    threads: int,
    keep: int,
    group: str | None,
) -> Report:
    """Write the report of a snapshot; where no figure changed, the last one stays.

    People open the folder `path`: a symlink into `<path>.d/`, which keeps so many versions, this
    one included.

    Raises:
        ReportFailed: `path` was not written here, another process writes it, or the disk is full.
        WarehouseError: The snapshot does not exist, or cannot be read by this release.
    """
    started = time.monotonic()
    path = path.absolute()
    try:
        with (
            _locked(path),
            open_published(
                snapshot, memory_limit=f"{THREAD_MEMORY_MB * threads}MB", threads=threads
            ) as view,
        ):
            _require_free(path)
            writer = _Writer(view, path.resolve())
            publish_version(path, writer.write, keep=keep, group=group)
    except OSError as error:
        raise ReportFailed(
            f"The report could not be written to {path} ({error}): the last one stays, and the"
            " snapshot is published. Make room on the disk, or correct the folder's permissions,"
            " then run `booking-assets report`"
        ) from error
    return Report(
        path,
        {slug: path / PAGES / f"{slug}.html" for slug in writer.manifest},
        tuple(writer.drawn),
        time.monotonic() - started,
    )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = versions_folder(path) / ".lock"
    try:
        with locked(lock, waiting=pauses(LOCK_SECONDS, time.monotonic, time.sleep)):
            yield
    except LockTimeout as error:
        raise ReportFailed(
            f"Another run of booking-assets ({error.holder}) writes the report {path}, still after"
            f" {LOCK_SECONDS} s. The last one stays: try again when that run has ended"
        ) from error


def _require_free(path: Path) -> None:
    """Check that `path` is a report, by its symlink or as a copy, or does not exist."""
    if not path.exists() or (path / MANIFEST).is_file():
        return
    raise ReportFailed(
        f"{path} exists and was not written by booking-assets: move it away, or name another place"
        " with path under [report] in booking.toml"
    )


def _read_manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """The entries of a version; none where there is no version, or it cannot be read."""
    try:
        found: dict[str, dict[str, Any]] = json.loads((folder / MANIFEST).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _page_row(
    slug: str, fresh: Mapping[str, Any], former: Mapping[str, Any]
) -> tuple[str, datetime, datetime | None, int | None]:
    """What `page_rows` takes, given the organization's freshness and the entry of its last page."""
    as_of: datetime = fresh["events_as_of"]
    # A page that is drawn again for the same instant still says what changed up to it.
    newer = former and former["as_of"] != as_of.isoformat()
    names = ("as_of", "sequence") if newer else ("since", "last_sequence")
    since, last_sequence = map(former.get, names)
    return slug, as_of, datetime.fromisoformat(since) if since else None, last_sequence


def _batches(rows: Mapping[str, int]) -> Iterator[list[str]]:
    """Organizations with at most `PART_ROWS` rows of each table, or one that has more."""
    slugs: list[str] = []
    total = 0
    for slug, number in rows.items():
        if slugs and total + number > PART_ROWS:
            yield slugs
            slugs, total = [], 0
        slugs.append(slug)
        total += number
    if slugs:
        yield slugs


def _rows(view: View, table: Table) -> dict[str, dict[str, Any]]:
    """The rows of a table with one row for each organization, by slug."""
    rows = view.read(table, table.column_names).to_dicts()
    return {row["organization"]: row for row in rows}


def _published_at(fresh: Mapping[str, Any]) -> datetime:
    """When the marts were derived, to which the age of the data is counted; else the last try."""
    if fresh["events_as_of"] is None:
        return fresh["last_attempt_at"] or datetime.min.replace(tzinfo=UTC)
    as_of: datetime = fresh["events_as_of"]
    return as_of + timedelta(minutes=fresh["age_minutes"])


def _digests(scopes: Sequence[Scope], frames: Mapping[str, pl.DataFrame]) -> dict[str, str]:
    """By slug, a digest of the figures that a page shows, and of the code that draws it."""
    digests = {}
    for scope in scopes:
        digests[scope.slug] = digest = hashlib.sha256(_code_digest())
        shown = {name: scope.freshness[name] for name in _SHOWN}
        values = [scope.organization, shown, vars(scope.facts)]
        digest.update(json.dumps(values, default=str, sort_keys=True).encode())
    for name, frame in frames.items():
        # The sum is the same in any order of the rows.
        rows = frame.select("organization", hash=frame.hash_rows()).group_by("organization")
        for slug, number, total in rows.agg(pl.len(), pl.col("hash").sum()).rows():
            digests[slug].update(f"{name} {number} {total}".encode())
    return {slug: digest.hexdigest() for slug, digest in digests.items()}


@cache
def _code_digest() -> bytes:
    digest = hashlib.sha256(pl.__version__.encode())
    for path in sorted(Path(__file__).parent.rglob("*")):
        if path.suffix in {".py", ".html", ".css"}:
            digest.update(path.read_bytes())
    return digest.digest()


def _link(source: Path, target: Path) -> None:
    """Link an unchanged file; copy it where the file system has no hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(FILE_MODE)
    sync(path)
