"""`ObjectLandings`: the landings of several machines, in an object store that all of them use.

    landings/<identifier>/tickets/<sequence>            created by the collection that took it
    landings/<identifier>/<resource>/<sequence>-<run>/
        rows-00000.parquet ...                          as in `landing`
        collection.json                                 the manifest, written last: now it is whole
        failure.json                                    instead, where the collection failed

An organization is its identifier here: a renamed slug keeps its tickets. Files are uploaded while
others are fetched; what is on this machine's disk goes with the collection.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID, uuid4
from zlib import crc32

from booking_assets.collect.contracts import RowContract
from booking_assets.collect.landing import (
    MANIFEST,
    Landing,
    Starts,
    make_folder,
    manifest,
    parse_manifest,
)
from booking_assets.collect.landings import Landings
from booking_assets.collect.staging import StagingWriter
from booking_assets.collect.stats import CollectionStats
from booking_assets.objects import Objects, StorageError

FOLDER = "landings"
FAILURE = "failure.json"
_TICKETS = "tickets"
_FILE = re.compile(rf"{FOLDER}/([0-9a-f-]{{36}})/([a-z_]+)/([0-9]{{10}})(?:-([^/]+)/[^/]+)?")
TICKETS_KEPT = 3
"""Tickets of an organization that stay; as many may be taken at once without one taken anew."""
CONNECTIONS = 4
"""Requests to the store at once, of each that has several."""
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, order=True)
class LandingKey:
    """Where a landing is, or a failure; they are ordered by ticket."""

    sequence: int
    identifier: UUID
    resource: str
    run_id: str

    def __str__(self) -> str:
        return f"{FOLDER}/{self.identifier}/{self.resource}/{self.sequence:010}-{self.run_id}"


@dataclass(frozen=True)
class Listing:
    """What the store has.

    Args:
        whole: the landings with a manifest, and their bytes.
        failures: the collections that failed.
        unfinished: landings without a manifest: of a collection that runs, or was killed.
        files: the objects of each of them.
        tickets: the tickets of each organization that are kept.
    """

    whole: Mapping[LandingKey, int] = field(default_factory=dict)
    failures: frozenset[LandingKey] = frozenset()
    unfinished: frozenset[LandingKey] = frozenset()
    files: Mapping[LandingKey, list[str]] = field(default_factory=dict)
    tickets: Mapping[UUID, list[int]] = field(default_factory=dict)

    @property
    def logged(self) -> list[LandingKey]:
        """What `raw.collections` has a row of once it is loaded, by ticket."""
        return sorted({*self.whole, *self.failures})

    def old(self, landing: Landing, keep: int) -> list[LandingKey]:
        """What is older than the newest `keep` whole landings of its organization and resource.

        Unfinished ones only where the landing, which is stored, is newer than they: should such a
        collection end after all, it is overtaken, and nobody reads its files.
        """
        resource, sequence = (landing.log_row[name] for name in ("resource", "sequence"))
        own = self._by_resource.get((landing.identifier, resource), [])
        whole = [key for key in own if key in self.whole]
        if len(whole) <= keep:
            return []
        older = [key for key in own if key < whole[-keep]]
        return [key for key in older if key in self.whole or key.sequence < (sequence or 0)]

    @cached_property
    def _by_resource(self) -> Mapping[tuple[UUID, str], list[LandingKey]]:
        """The whole and the unfinished of each organization's resource, by ticket."""
        found: defaultdict[tuple[UUID, str], list[LandingKey]] = defaultdict(list)
        for key in sorted({*self.whole, *self.unfinished}):
            found[key.identifier, key.resource].append(key)
        return found


@dataclass(frozen=True)
class ObjectLandings(Landings):
    """Landings in an object store.

    Args:
        root: an empty folder of this process, for files on their way to or from the store.
        objects: the store.
        listed: what the store had when the warehouse began to load it; only that is pruned.
        loaded: what the warehouse has of it; nothing else that is whole is pruned.
    """

    objects: Objects
    listed: Listing = field(default_factory=Listing, repr=False)
    loaded: set[LandingKey] = field(default_factory=set)
    keeps_files: ClassVar[bool] = False

    def __str__(self) -> str:
        return self.objects.url

    def listing(self, folder: str = FOLDER) -> Listing:
        """What is in a folder of the store."""
        files: defaultdict[LandingKey, list[str]] = defaultdict(list)
        sizes: defaultdict[LandingKey, int] = defaultdict(int)
        tickets: defaultdict[UUID, list[int]] = defaultdict(list)
        for stored in self.objects.list_folder(folder):
            if not (match := _FILE.fullmatch(stored["path"])):
                continue
            identifier, resource, sequence, run_id = match.groups()
            if resource == _TICKETS:
                tickets[UUID(identifier)].append(int(sequence))
            elif run_id:
                key = LandingKey(int(sequence), UUID(identifier), resource, run_id)
                files[key].append(stored["path"])
                sizes[key] += stored["size"]
        whole = {key: sizes[key] for key, own in files.items() if f"{key}/{MANIFEST}" in own}
        failed = {key for key, own in files.items() if f"{key}/{FAILURE}" in own} - whole.keys()
        unfinished = files.keys() - whole.keys() - failed
        return Listing(whole, frozenset(failed), frozenset(unfinished), files, tickets)

    def take_ticket(self, organization: str, identifier: UUID, after: int = 0) -> int:  # noqa: ARG002 - an organization is its identifier
        """Creates the ticket's object, which only one can; a ticket that was removed is not one.

        Whoever takes a ticket removes those that are `TICKETS_KEPT` older, and the highest stays.
        So an object that could be created because its ticket had been removed is that much older
        than the highest.
        """
        folder = f"{FOLDER}/{identifier}/{_TICKETS}"

        def taken() -> list[int]:
            return self.listing(folder).tickets.get(identifier, [])

        ticket = max([after, *taken()]) + 1
        while True:
            try:
                self.objects.create(f"{folder}/{ticket:010}", uuid4().bytes)
            except FileExistsError:
                ticket += 1
                continue
            there = taken()
            highest = max([ticket, *there])
            if ticket > highest - TICKETS_KEPT:
                old = [one for one in there if one <= ticket - TICKETS_KEPT]
                self.objects.delete([f"{folder}/{one:010}" for one in old])
                return ticket
            ticket = highest + 1

    def newest(self, organization: str, identifier: UUID, resource: str) -> Landing | None:  # noqa: ARG002 - an organization is its identifier
        """The newest one; its files are not fetched yet."""
        whole = self.listing(f"{FOLDER}/{identifier}/{resource}").whole
        return next(filter(None, map(self.read, sorted(whole, reverse=True))), None)

    def staging(
        self, identifier: UUID, contract: RowContract, stats: CollectionStats
    ) -> StagingWriter:
        """A folder whose files are uploaded."""
        key = LandingKey(stats.sequence or 0, identifier, stats.resource, stats.run_id)
        return _UploadingWriter(self, key, stats.organization, contract)

    def whole(self) -> list[Landing]:
        """Every readable landing, oldest first; no files are fetched."""
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            return [*filter(None, pool.map(self.read, sorted(self.listing().whole)))]

    def read(self, key: LandingKey) -> Landing | None:
        """Reads a manifest; None where it is damaged, which is logged, or was removed meanwhile."""
        for name in (MANIFEST, FAILURE):
            with suppress(FileNotFoundError):
                text = self.objects.read(f"{key}/{name}").decode(errors="replace")
                try:
                    return parse_manifest(text, self.root / str(key))
                except ValueError as error:
                    _logger.warning("a landing cannot be read and is ignored: %s", error)
                    return None
        return None

    def fetch(self, landing: Landing) -> None:
        """Downloads its files; `Landing.is_intact` tells whether all of them were there."""
        make_folder(landing.folder)
        key = landing.folder.relative_to(self.root).as_posix()

        def download(name: str) -> None:
            with suppress(FileNotFoundError):
                self.objects.download(f"{key}/{name}", landing.folder / Path(name).name)

        with ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(download, landing.files))

    def clear(self) -> None:
        """Removes what was fetched from this machine's disk."""
        shutil.rmtree(self.root / FOLDER, ignore_errors=True)

    def write_manifest(self, key: LandingKey, landing: Landing) -> None:
        """Makes a landing whole, or a failure known."""
        name = MANIFEST if landing.log_row["status"] == "complete" else FAILURE
        self.objects.create(f"{key}/{name}", manifest(landing).encode())

    def record_failure(
        self, identifier: UUID, log_row: dict[str, Any], *, is_foreign: bool = False
    ) -> None:
        """Writes the log row of a failed collection, for whoever loads landings."""
        names = ("sequence", "resource", "run_id")
        sequence, resource, run_id = (log_row[name] for name in names)
        key = LandingKey(sequence or 0, identifier, resource, run_id)
        landing = Landing(self.root / str(key), identifier, log_row, is_foreign=is_foreign)
        self.write_manifest(key, landing)

    def prune(self, stored: Sequence[Landing], keep: int) -> None:
        """Removes what was listed, is loaded or unfinished, and older than the newest `keep`.

        What arrived since the listing stays until the next load.
        """
        old = {
            key
            for landing in stored
            for key in self.listed.old(landing, keep)
            if key in self.loaded or key in self.listed.unfinished
        }
        self.loaded.difference_update(old)
        # The manifests first: else a landing would be whole that lost its files.
        self.objects.delete([f"{key}/{MANIFEST}" for key in old if key in self.listed.whole])
        self.objects.delete([file for key in old for file in self.listed.files[key]])

    def remove_failures(self, keys: Iterable[LandingKey]) -> None:
        """Removes failures that are in the log now: nobody else reads them."""
        self.objects.delete([f"{key}/{FAILURE}" for key in keys])

    def forget(self, organization: str, identifier: UUID | None) -> None:
        """Removes everything of it in the store; without identifier, of those with this slug."""
        owners = (
            {identifier}
            if identifier
            else {one.identifier for one in self.whole() if one.organization == organization}
        )
        for owner in owners:
            stored = self.objects.list_folder(f"{FOLDER}/{owner}")
            self.objects.delete([one["path"] for one in stored])


class _UploadingWriter(StagingWriter):
    """Uploads each file once it is written, beside the next requests; deletes all in the end."""

    def __init__(
        self, landings: ObjectLandings, key: LandingKey, organization: str, contract: RowContract
    ) -> None:
        self._landings, self._key = landings, key
        self._uploaded: dict[str, tuple[int, int]] = {}
        self._uploads = ThreadPoolExecutor(1, thread_name_prefix="upload")
        # Of its own: an organization's resources are collected side by side.
        root = landings.root / "staging" / str(key.identifier) / key.resource
        super().__init__(root, organization, f"{key.resource}-{key.sequence}", contract)

    def __exit__(self, *exception: object) -> None:
        self._uploads.shutdown(cancel_futures=True)
        super().__exit__(*exception)
        # The landing, and the one that it builds on.
        own = (self._home, (self._landings.root / str(self._key)).parent)
        for folder in own:
            shutil.rmtree(folder, ignore_errors=True)

    def written(self, path: Path) -> None:
        """Begins to upload a file; where that fails, it is uploaded when the landing is whole."""

        def upload() -> None:
            with suppress(OSError, StorageError):
                self._upload(path)

        self._uploads.submit(upload)

    def land(
        self, identifier: UUID, log_row: dict[str, Any], starts: Starts | None = None
    ) -> Landing:
        """Uploads what is not uploaded, or changed since; then the manifest."""
        landing = super().land(identifier, log_row, starts)
        self._uploads.shutdown()
        for name, checksum in landing.files.items():
            if self._uploaded.get(name) != checksum:
                self._upload(landing.folder / name)
        self._landings.write_manifest(self._key, landing)
        return replace(landing, folder=self._landings.root / str(self._key))

    def _upload(self, path: Path) -> None:
        content = path.read_bytes()
        self._landings.objects.write(f"{self._key}/{path.name}", content)
        self._uploaded[path.name] = len(content), crc32(content)
