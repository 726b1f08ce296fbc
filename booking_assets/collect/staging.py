"""`StagingWriter`: writes the pages of a collection to disk in bounded memory, as a new landing.

It drops duplicates and deleted rows. Part files are in `parts`, requests in `pages`, completeness
in `verification`, reading a landing in `landing`.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import polars as pl

from booking_assets.collect.content import content_of
from booking_assets.collect.contracts import RowContract
from booking_assets.collect.decoding import DecodedPage
from booking_assets.collect.errors import LandingFailed
from booking_assets.collect.landing import (
    REJECTED,
    ROWS,
    Landing,
    Starts,
    checksums,
    make_folder,
    make_lasting_folder,
    organization_folder,
    write_manifest,
)
from booking_assets.collect.parts import Parts, key_of_column, keys_of, link
from booking_assets.files import LockTimeout, locked, pauses, sync

LOCK = ".lock"
LOCK_TIMEOUT_SECONDS = 60.0
_PARTIAL = ".partial-"


class StagingWriter:
    """The rows of a collection until they are a landing.

    While it is open it locks the organization's lock file, shared with other collections of the
    organization. A collection that gets the lock alone removes what a killed process left behind.
    Its methods raise OSError where the disk is full or the folder gone.

    Attributes:
        received: rows that arrived, without those removed: typed, rejected and duplicates.
        unknown: the names of members that the contract does not know.
        first_rejection: why the first rejected row was rejected; empty where none was.
        repeated: the landing whose rows these are, see `repeat`; None where there is none.
    """

    def __init__(self, root: Path, organization: str, name: str, contract: RowContract) -> None:
        self._organization = organization
        self._home = organization_folder(root, organization)
        self._name = name
        self._folder = self._home / f"{_PARTIAL}{name}"
        self._identifier = contract.identifier_column
        # Of rows without a change time, the later arrival is kept.
        is_stamped = "last_change_time" in contract.members
        self._changed = pl.col("last_change_time") if is_stamped else pl.lit(None)
        self._lock = ExitStack()
        self._begin()

    def _begin(self) -> None:
        self.received = 0
        self.unknown: frozenset[str] = frozenset()
        self.first_rejection = ""
        self.repeated: Landing | None = None
        # None where the rows are not those of the answers alone.
        self._digests: list[str] | None = []
        key, changed = key_of_column(self._identifier), self._changed
        self._typed = Parts(self._folder, ROWS, key, changed, self.written)
        # Rejected rows without a usable identifier count as different rows.
        self._rejected = Parts(self._folder, REJECTED, key_of_column("identifier"), pl.lit(None))

    def __enter__(self) -> Self:
        for folder in (self._home.parent, self._home):
            make_lasting_folder(folder)
        lock = self._home / LOCK
        with suppress(LockTimeout), locked(lock, waiting=iter(())):
            for leftover in self._home.glob(f"{_PARTIAL}*"):
                shutil.rmtree(leftover, ignore_errors=True)
        waiting = pauses(LOCK_TIMEOUT_SECONDS, time.monotonic, time.sleep)
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(lock, exclusive=False, waiting=waiting))
            except LockTimeout as error:
                raise LandingFailed(
                    self._organization,
                    f"{error} for more than {LOCK_TIMEOUT_SECONDS:g} s",
                    "The stored rows stay; wait for that process or end it, and run it again",
                ) from None
            make_folder(self._folder)
            self._lock = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._lock.close()
        # Releases the keys: the parts reference this object, so that nothing else would for long.
        self._begin()

    def written(self, path: Path) -> None:
        """Is told of each file of typed rows, before the collection has ended."""

    def clear(self) -> None:
        """Removes all rows, before they are collected again."""
        for part in self._folder.iterdir():
            part.unlink()
        self._begin()

    def add_base(self, base: Landing, without: AbstractSet[str]) -> None:
        """Adds the rows of an earlier landing, except those of some identifiers.

        They did not arrive in this collection, and are not counted as received.
        """
        self._typed.link(base.rows)
        self._rejected.link(base.rejected)
        self._digests = None
        self.remove(without)

    def repeat(self, landing: Landing, received: int) -> None:
        """Makes the rows those of an earlier landing: `received` of them came, and are equal.

        Nothing else is added or removed before `clear`.
        """
        unknown = self.unknown
        self.clear()
        self.repeated, self.received, self.unknown = landing, received, unknown

    @property
    def content(self) -> str:
        """The digest of the answers, see `content_of`; empty where rows have other sources."""
        if self.repeated is not None:
            return self.repeated.content
        digests = self._digests
        return content_of(digests) if digests and all(digests) else ""

    @property
    def rows_from_base(self) -> int:
        """Distinct rows of the base landing, not received in this collection."""
        if self.repeated is not None:
            return max(0, self.repeated.rows_distinct - self.received)
        typed, rejected = self._typed.linked, self._rejected.linked
        if not typed + rejected:
            return 0
        from_base = self._distinct_typed().filter(pl.col("part") < typed).height
        return from_base + self._distinct_rejected().filter(pl.col("part") < rejected).height

    def add(self, page: DecodedPage) -> None:
        """Adds a page."""
        self._typed.add(page.rows)
        self._rejected.add(page.rejected)
        self.received += page.received
        self.unknown |= page.unknown
        if self._digests is not None:
            self._digests.append(page.digest)
        if page.rejected.height and not self.first_rejection:
            self.first_rejection = page.rejected.item(0, "reason")[:200]

    @property
    def loaded(self) -> int:
        """Distinct typed rows."""
        if self.repeated is not None:
            return int(self.repeated.log_row["rows_loaded"])
        return self._typed.distinct

    @property
    def rejected(self) -> int:
        """Distinct rejected rows that did not arrive typed as well."""
        if self.repeated is not None:
            return int(self.repeated.log_row["rows_rejected"])
        return self._distinct_rejected().height

    def keys(self) -> pl.Series:
        """The keys of all rows, also of repeated ones; rejected rows may lack a key."""
        keys = [parts.keys().get_column("key") for parts in (self._typed, self._rejected)]
        return pl.concat(keys).drop_nulls()

    @property
    def without_identifier(self) -> int:
        """Rejected rows without a usable identifier."""
        return self._rejected.keys().get_column("key").null_count()

    def remove(self, identifiers: AbstractSet[str]) -> None:
        """Removes rows that the API deleted after they had arrived."""
        if identifiers:
            self._digests = None
        removed = keys_of(pl.Series(sorted(identifiers), dtype=pl.String)).implode()
        for parts in (self._typed, self._rejected):
            keys = parts.keys()
            is_removed = pl.col("key").is_in(removed).fill_null(value=False)
            self.received -= keys.filter(is_removed & (pl.col("part") >= parts.linked)).height
            parts.keep(keys.filter(~is_removed))

    def land(
        self, identifier: UUID, log_row: dict[str, Any], starts: Starts | None = None
    ) -> Landing:
        """Turns the staging into a landing: distinct rows and the manifest, flushed and renamed."""
        landing = Landing(
            self._folder, identifier, log_row, starts or Starts(), content=self.content
        )
        if self.repeated is None:
            self._rejected.keep(self._distinct_rejected())
            self._typed.keep(self._distinct_typed())
            landing = replace(landing, files=checksums(self._folder))
        else:
            for name in self.repeated.files:
                link(self.repeated.folder / name, self._folder / name)
            run = str(self.repeated.log_row["run_id"])
            landing = replace(landing, files=self.repeated.files, repeats=run)
        write_manifest(landing)
        target = self._home / self._name
        sync(self._folder)
        self._folder.rename(target)
        sync(self._home)
        return replace(landing, folder=target)

    def _distinct_typed(self) -> pl.DataFrame:
        """Of each identifier the row that changed last; of equal times, the later arrival."""
        if self.loaded == self._typed.keys().height:
            return self._typed.keys()
        keys = self._typed.keys().sort("changed", "part", "row", nulls_last=False)
        return keys.unique("key", keep="last", maintain_order=True)

    def _distinct_rejected(self) -> pl.DataFrame:
        """Of each identifier the latest arrival, unless the row arrived typed as well."""
        if not self._rejected.keys().height:
            return self._rejected.keys()
        keys = self._rejected.keys().sort("part", "row")
        typed = self._typed.keys().get_column("key").implode()
        without_identifier = keys.filter(pl.col("key").is_null())
        others = keys.filter(~pl.col("key").is_in(typed))
        latest = others.unique("key", keep="last", maintain_order=True)
        return pl.concat([without_identifier, latest])
