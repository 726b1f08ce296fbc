"""Rows on their way to disk: pages come in, a landing comes out, memory stays flat.

What lives here: which rows are kept of those that arrived twice, and the folder's fate.
What must not: files of rows (`parts`), what is asked for and when it is enough (`collection`).
Read more: `docs/reliability.md`, "Landings".
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import polars as pl

from booking_assets.collect.contracts import RowContract
from booking_assets.collect.decoding import DecodedPage
from booking_assets.collect.keys import key_of, keys_of
from booking_assets.collect.landing import (
    REJECTED,
    ROWS,
    Landing,
    organization_folder,
    write_manifest,
)
from booking_assets.collect.parts import Parts

_PARTIAL = ".partial-"


class StagingWriter:
    """The rows of one collection until they are a landing.

    The folder is locked by this process while it is open, so that a later collection can tell a
    folder in use from one that a killed process left behind, and remove the latter.

    Attributes:
        received: rows that arrived, less those withdrawn: typed, rejected and duplicates.
        unknown: the names of members that the contract does not know.
    """

    def __init__(self, root: Path, organization: str, name: str, contract: RowContract) -> None:
        self._home = organization_folder(root, organization)
        self._name = name
        self._folder = self._home / f"{_PARTIAL}{name}"
        self._identifier = contract.column_of[contract.resource.identifier]
        self._begin()

    def _begin(self) -> None:
        self.received = 0
        self._adopted = 0, 0
        self.unknown: frozenset[str] = frozenset()
        self._typed = Parts(
            self._folder,
            ROWS,
            key=key_of(pl.col(self._identifier)),
            changed=pl.col("last_change_time"),
        )
        # An identifier that is none tells nothing: such rows are taken for different ones.
        self._rejected = Parts(
            self._folder, REJECTED, key=key_of(pl.col("identifier")), changed=pl.lit(None)
        )

    def __enter__(self) -> Self:
        self._home.mkdir(parents=True, exist_ok=True)
        # Nobody may take the new folder for an abandoned one before it is locked.
        with _locked(self._home):
            for leftover in self._home.glob(f"{_PARTIAL}*"):
                _remove_if_abandoned(leftover)
            self._folder.mkdir()
            self._lock = os.open(self._folder, os.O_RDONLY)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._lock)

    def clear(self) -> None:
        """Forgets all rows: they are about to be collected again."""
        for part in self._folder.iterdir():
            part.unlink()
        self._begin()

    def adopt(self, base: Landing, without: AbstractSet[str]) -> None:
        """Takes over the rows of a landing, except those of some identifiers.

        They did not arrive now, and are not counted as received.

        Raises:
            OSError: the landing cannot be linked to.
        """
        self._typed.adopt(base.rows)
        self._rejected.adopt(base.rejected)
        self._adopted = self._typed.next_part, self._rejected.next_part
        self.withdraw(without)

    @property
    def adopted(self) -> int:
        """Rows held that did not arrive now."""
        if self._adopted == (0, 0):
            return 0
        return sum(
            keys.filter(pl.col("part") < first).height
            for keys, first in zip(
                (self._distinct_typed(), self._distinct_rejected()), self._adopted, strict=True
            )
        )

    def add(self, page: DecodedPage) -> None:
        """Takes in one page.

        Raises:
            OSError: the disk is full, or the folder gone.
        """
        self._typed.add(page.rows)
        self._rejected.add(page.rejected)
        self.received += page.received
        self.unknown |= page.unknown

    @property
    def loaded(self) -> int:
        """Distinct typed rows."""
        return self._typed.keys().get_column("key").n_unique()

    @property
    def rejected(self) -> int:
        """Distinct rejected rows that did not arrive typed as well."""
        return self._distinct_rejected().height

    def keys(self) -> pl.Series:
        """The keys of all rows held, each once; rejected rows may lack one."""
        keys = [parts.keys().get_column("key") for parts in self._both]
        return pl.concat(keys).drop_nulls().unique()

    @property
    def without_identifier(self) -> int:
        """Rejected rows without a usable identifier."""
        return self._rejected.keys().get_column("key").null_count()

    def withdraw(self, identifiers: AbstractSet[str]) -> None:
        """Removes rows that the API deleted after they had arrived."""
        gone = keys_of(pl.Series(sorted(identifiers), dtype=pl.String)).implode()
        for parts, first in zip(self._both, self._adopted, strict=True):
            keys = parts.keys()
            is_gone = pl.col("key").is_in(gone).fill_null(value=False)
            self.received -= keys.filter(is_gone & (pl.col("part") >= first)).height
            parts.keep(keys.filter(~is_gone))

    def land(self, identifier: UUID, log_row: dict[str, Any]) -> Landing:
        """Turns the staging into a landing: distinct rows, numbers, on disk, renamed into place.

        Raises:
            OSError: the disk is full, or the folder gone.
        """
        self._rejected.keep(self._distinct_rejected())
        self._typed.keep(self._distinct_typed())
        write_manifest(self._folder, identifier, log_row)
        target = self._home / self._name
        os.fsync(self._lock)
        self._folder.rename(target)
        for folder in (self._home, self._home.parent):
            _fsync(folder)
        return Landing(target, identifier, log_row)

    @property
    def _both(self) -> tuple[Parts, Parts]:
        return self._typed, self._rejected

    def _distinct_typed(self) -> pl.DataFrame:
        """Of each identifier the row that changed last; of equal ones, the later arrival."""
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
        named = keys.filter(~pl.col("key").is_in(typed))
        return pl.concat(
            [without_identifier, named.unique("key", keep="last", maintain_order=True)]
        )


def _fsync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Waits until no other process or thread holds the folder, and holds it for the block."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _remove_if_abandoned(folder: Path) -> None:
    """Removes a staging whose process is gone; the kernel released its lock."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)
