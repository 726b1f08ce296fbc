"""Rows on their way to disk: pages come in, a landing comes out, memory stays flat.

What lives here: part files of rows, the small keys that tell duplicates, the folder's fate.
What must not: what is asked for and when it is enough (`collection`).
Read more: `docs/reliability.md`, "Landings".
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Set as AbstractSet
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import polars as pl

from booking_assets.collect.contracts import RowContract
from booking_assets.collect.decoding import DecodedPage
from booking_assets.collect.landing import REJECTED, Landing, write_manifest
from booking_assets.tables.raw import REJECTED_ROWS

PART_ROWS = 20_000
_PARTIAL = ".partial-"


class Spool:
    """The rows of one collection until they are a landing.

    The folder is locked by this process while it is open, so that a later collection can tell a
    folder in use from one that a killed process left behind, and remove the latter.
    """

    def __init__(self, root: Path, organization: str, name: str, contract: RowContract) -> None:
        self._home = root / organization
        self._name = name
        self._folder = self._home / f"{_PARTIAL}{name}"
        self._contract = contract
        self._identifier = contract.column_of[contract.resource.identifier]
        self.clear()

    def __enter__(self) -> Self:
        self._home.mkdir(parents=True, exist_ok=True)
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
        self._buffer: list[pl.DataFrame] = []
        self._buffered = 0
        self._keys: list[pl.DataFrame] = []
        self._rejected = REJECTED_ROWS.empty()
        self._parts = 0
        self.received = 0
        self.unknown: frozenset[str] = frozenset()
        for part in self._folder.glob("rows-*.parquet"):
            part.unlink()

    def add(self, page: DecodedPage) -> None:
        """Takes in one page; writes a part file whenever enough rows have gathered."""
        self.received += page.received
        self.unknown |= page.unknown
        if page.rejected.height:
            self._rejected = pl.concat([self._rejected, page.rejected])
        if page.rows.height:
            self._buffer.append(page.rows)
            self._buffered += page.rows.height
        if self._buffered >= PART_ROWS:
            self._flush()

    def identifiers(self) -> set[str]:
        """The identifiers of all rows held, rejected ones included where they have one."""
        self._flush()
        rejected = self._rejected.get_column("identifier").drop_nulls().str.to_lowercase()
        return {*self._all_keys().get_column(self._identifier), *rejected}

    @property
    def loaded(self) -> int:
        """Distinct typed rows."""
        self._flush()
        return self._all_keys().get_column(self._identifier).n_unique()

    @property
    def rejected(self) -> int:
        """Distinct rejected rows that did not arrive typed as well."""
        return self._distinct_rejected().height

    def drop(self, identifiers: AbstractSet[str]) -> None:
        """Withdraws rows that the API deleted after they had arrived."""
        self._flush()
        gone = pl.Series(sorted(identifiers), dtype=pl.String)
        keys = self._all_keys()
        withdrawn = pl.col(self._identifier).is_in(gone.implode())
        self._rewrite(keys.filter(~withdrawn), touched=keys.filter(withdrawn))
        before = self._rejected.height
        self._rejected = self._rejected.filter(
            ~pl.col("identifier").str.to_lowercase().is_in(gone.implode()).fill_null(value=False)
        )
        self.received -= keys.filter(withdrawn).height + before - self._rejected.height

    def land(self, identifier: UUID, entry: dict[str, Any]) -> Landing:
        """Turns the spool into a landing: distinct rows, numbers, on disk, renamed into place."""
        self._flush()
        self._drop_duplicates()
        rejected = self._distinct_rejected()
        if rejected.height:
            _write(rejected, self._folder / REJECTED)
        write_manifest(self._folder, identifier, entry)
        target = self._home / self._name
        os.fsync(self._lock)
        self._folder.rename(target)
        _fsync_folder(self._home)
        return Landing(target, identifier, entry)

    def _flush(self) -> None:
        if not self._buffer:
            return
        rows = pl.concat(self._buffer)
        _write(rows, self._part(self._parts))
        changed = "last_change_time"
        self._keys.append(
            rows.select(self._identifier, changed)
            .with_row_index("row")
            .with_columns(part=pl.lit(self._parts, dtype=pl.Int32))
        )
        self._parts += 1
        self._buffer, self._buffered = [], 0

    def _part(self, number: int) -> Path:
        return self._folder / f"rows-{number:05}.parquet"

    def _all_keys(self) -> pl.DataFrame:
        if len(self._keys) != 1:
            empty = self._contract.table.empty().select(self._identifier, "last_change_time")
            none = empty.with_row_index("row").with_columns(part=pl.lit(0, dtype=pl.Int32))
            self._keys = [pl.concat([none, *self._keys])]
        return self._keys[0]

    def _drop_duplicates(self) -> None:
        """Keeps of each identifier the row that changed last; of equal ones, the later arrival."""
        keys = self._all_keys()
        newest = keys.sort("last_change_time", "part", "row", nulls_last=False).unique(
            self._identifier, keep="last", maintain_order=True
        )
        if newest.height < keys.height:
            self._rewrite(newest, touched=keys.join(newest, on=["part", "row"], how="anti"))

    def _rewrite(self, kept: pl.DataFrame, touched: pl.DataFrame) -> None:
        """Writes the parts of `touched` rows again with only the rows of `kept`."""
        renumbered = [kept.filter(~pl.col("part").is_in(touched.get_column("part").implode()))]
        for number in touched.get_column("part").unique():
            keys = kept.filter(pl.col("part") == number).sort("row")
            rows = pl.read_parquet(self._part(number))[keys.get_column("row")]
            self._part(number).unlink()
            if rows.height:
                _write(rows, self._part(number))
            renumbered.append(keys.drop("row").with_row_index("row").select(kept.columns))
        self._keys = [pl.concat(renumbered)]

    def _distinct_rejected(self) -> pl.DataFrame:
        """One row an identifier (or payload without one) that did not arrive typed as well."""
        typed = self._all_keys().get_column(self._identifier)
        return self._rejected.filter(
            ~pl.col("identifier").str.to_lowercase().is_in(typed.implode()).fill_null(value=False)
        ).unique(pl.coalesce("identifier", "payload"), keep="last", maintain_order=True)


def _write(rows: pl.DataFrame, path: Path) -> None:
    with path.open("xb") as file:
        rows.write_parquet(file, compression="zstd", compression_level=1)
        file.flush()
        os.fsync(file.fileno())


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_if_abandoned(folder: Path) -> None:
    """Removes a spool whose process is gone; the kernel released its lock."""
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
