"""`Parts`: rows in Parquet part files, and the key of each row in memory.

A key is a UUID as a number: 16 bytes, where its text of 36 characters takes 52. At 1,000,000 rows
the keys decide the peak of memory. Which of two rows with a key is kept is decided in `staging`.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from uuid import UUID

import polars as pl

from booking_assets.collect.landing import private
from booking_assets.files import sync
from booking_assets.tables.contract import UUID_PATTERN

PART_ROWS = 10_000
KEY = pl.UInt128()
KEYS = {
    "key": KEY,
    "changed": pl.Datetime("us", "UTC"),
    "part": pl.Int32(),
    "row": pl.Int32(),
}


_NO_KEYS = pl.DataFrame(schema=KEYS)


@cache
def key_of_column(name: str) -> pl.Expr:
    """The number of the UUID in a column, see `key_of`."""
    return key_of(pl.col(name))


def key_of(text: pl.Expr) -> pl.Expr:
    """The number of a UUID in either case; null where the text is no UUID."""
    digits = text.str.replace_all("-", "", literal=True)
    is_uuid = text.str.contains(UUID_PATTERN)
    return pl.when(is_uuid).then(digits).str.to_integer(base=16, dtype=KEY, strict=False)


def keys_of(texts: pl.Series) -> pl.Series:
    """The numbers of those texts that are UUIDs, in the same order."""
    return texts.to_frame("text").select(key=key_of(pl.col("text"))).to_series().drop_nulls()


def identifier_of(key: int) -> str:
    """The UUID with this number, in lower case, as the API takes it."""
    return str(UUID(int=key))


class Parts:
    """Rows of one table, spread over files `<stem>-00000.parquet` and so on.

    Args:
        folder: of the files; it need not exist before the first is written.
        stem: how their names begin.
        key: identifies a row, of the type `KEY`; null for a row that equals no other.
        changed: which of the rows with the same key is the newest.
        written: is told of each file of added rows, which `keep` may write again.

    Attributes:
        linked: the number of linked parts; rows that were added have this part or a higher one.
    """

    def __init__(
        self,
        folder: Path,
        stem: str,
        key: pl.Expr,
        changed: pl.Expr,
        written: Callable[[Path], None] = lambda _: None,
    ) -> None:
        self._folder = folder
        self._written = written
        self._stem = stem
        self._row_keys = {"key": key, "changed": changed.cast(KEYS["changed"])}
        self._buffer: list[pl.DataFrame] = []
        self._buffered_rows = 0
        self._keys = [_NO_KEYS]
        self._distinct: int | None = None
        self._number = 0
        self.linked = 0

    def link(self, files: Iterable[Path]) -> None:
        """Adds the rows of files that never change: as hard links, or copies where links fail."""
        for file in files:
            path = self._path(self._number)
            link(file, path)
            rows = pl.scan_parquet(file, glob=False)
            self._append_keys(rows.select(**self._keys_of_part).collect())
        self.linked = self._number

    def add(self, rows: pl.DataFrame) -> None:
        """Adds rows; writes a file once `PART_ROWS` are buffered."""
        if not rows.height:
            return
        self._buffer.append(rows)
        self._buffered_rows += rows.height
        if self._buffered_rows >= PART_ROWS:
            self.flush()

    def keys(self) -> pl.DataFrame:
        """The key of each row, when it changed, its part and its row: columns as in `KEYS`.

        Rows that were added earlier have a lower part, or the same part and a lower row.
        """
        self.flush()
        self._keys = [pl.concat(self._keys)]
        return self._keys[0]

    @property
    def distinct(self) -> int:
        """The number of different keys; counted once, since that sorts a copy of them."""
        keys = self.keys()
        if self._distinct is None:
            self._distinct = keys.get_column("key").n_unique()
        return self._distinct

    def keep(self, kept: pl.DataFrame) -> None:
        """Removes all rows but `kept`, a subset of `keys`; rewrites only the files affected."""
        if kept.height == self.keys().height:
            return
        self._distinct = None
        removed = self.keys().join(kept, on=["part", "row"], how="anti")
        affected = removed.get_column("part").unique()
        keys = [kept.filter(~pl.col("part").is_in(affected.implode()))]
        for number in affected:
            of_part = kept.filter(pl.col("part") == number).sort("row")
            path = self._path(number)
            rows = pl.read_parquet(path, glob=False)[of_part.get_column("row")]
            path.unlink()
            if rows.height:
                _write(rows, path)
            keys.append(of_part.with_columns(row=pl.int_range(pl.len(), dtype=pl.Int32)))
        self._keys = keys

    def flush(self) -> None:
        """Writes the buffered rows to a file."""
        if self._buffer:
            rows, path = pl.concat(self._buffer), self._path(self._number)
            self._buffer, self._buffered_rows = [], 0
            _write(rows, path)
            self._written(path)
            self._append_keys(rows.select(**self._keys_of_part))

    @property
    def _keys_of_part(self) -> dict[str, pl.Expr]:
        part, row = pl.lit(self._number, dtype=pl.Int32), pl.int_range(pl.len(), dtype=pl.Int32)
        return {**self._row_keys, "part": part, "row": row}

    def _append_keys(self, keys: pl.DataFrame) -> None:
        """Keeps the keys of a part's rows: of a page each, they would scatter over the memory."""
        self._keys.append(keys.rechunk())
        self._number += 1
        self._distinct = None

    def _path(self, number: int) -> Path:
        return self._folder / f"{self._stem}-{number:05}.parquet"


def link(file: Path, path: Path) -> None:
    """Makes `path` the same file, which never changes: a hard link, or a copy."""
    try:
        os.link(file, path)
    except OSError:
        # EPERM, ENOTSUP, EMLINK: some file systems have no hard links.
        shutil.copyfile(file, path)
        path.chmod(0o600)
        sync(path)


def _write(rows: pl.DataFrame, path: Path) -> None:
    # Through memory: polars would hide an error of the disk in an error of its own.
    buffer = io.BytesIO()
    # Whoever reads it reads all its rows: statistics would be a third of a small file.
    rows.write_parquet(buffer, compression="zstd", compression_level=1, statistics=False)
    with open(path, "xb", opener=private) as file:
        file.write(buffer.getbuffer())
    sync(path)
