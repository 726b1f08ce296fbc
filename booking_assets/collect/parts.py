"""Rows in part files: they come in page by page, and leave memory as soon as enough have gathered.

What lives here: Parquet files of one folder, and the small key of each row that stays in memory.
What must not: which rows to keep (`staging`).
Read more: `docs/reliability.md`, "Landings".
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from booking_assets.collect.keys import KEY

PART_ROWS = 10_000
KEYS = {
    "key": KEY,
    "changed": pl.Datetime("us", "UTC"),
    "part": pl.Int32(),
    "row": pl.Int32(),
}


class Parts:
    """Rows of one table, spread over files `<stem>-00000.parquet` and so on.

    Args:
        folder: where the files lie; it need not exist before the first is written.
        stem: how their names begin.
        key: what tells the rows apart, of the type `KEY`; null for a row that is like no other.
        changed: which of the rows with the same key is the newest.
    """

    def __init__(self, folder: Path, stem: str, key: pl.Expr, changed: pl.Expr) -> None:
        self._folder = folder
        self._stem = stem
        self._of_row = {"key": key, "changed": changed.cast(KEYS["changed"])}
        self._gathered: list[pl.DataFrame] = []
        self._gathered_rows = 0
        self._keys = [pl.DataFrame(schema=KEYS)]
        self._number = 0

    def adopt(self, files: Iterable[Path]) -> None:
        """Takes in the rows of files that never change, as they are: by another name for each."""
        for file in files:
            os.link(file, self._path(self._number))
            part = pl.lit(self._number, dtype=pl.Int32)
            row = pl.int_range(pl.len(), dtype=pl.Int32)
            keys = pl.scan_parquet(file).select(**self._of_row, part=part, row=row)
            self._keys.append(keys.collect())
            self._number += 1

    def add(self, rows: pl.DataFrame) -> None:
        """Takes in rows; writes a file whenever enough have gathered."""
        if not rows.height:
            return
        position = pl.int_range(pl.len(), dtype=pl.Int32) + self._gathered_rows
        part = pl.lit(self._number, dtype=pl.Int32)
        self._keys.append(rows.select(**self._of_row, part=part, row=position))
        self._gathered.append(rows)
        self._gathered_rows += rows.height
        if self._gathered_rows >= PART_ROWS:
            self.flush()

    @property
    def next_part(self) -> int:
        """The part of the rows that arrive next."""
        return self._number

    def keys(self) -> pl.DataFrame:
        """The key of each row, when it changed, and where it lies: columns as in `KEYS`.

        Rows that arrived earlier have a lower part, or the same one and a lower row.
        """
        self._keys = [pl.concat(self._keys)]
        return self._keys[0]

    def keep(self, kept: pl.DataFrame) -> None:
        """Removes all rows but `kept`, some of `keys`; only the files touched are written."""
        self.flush()
        if kept.height == self.keys().height:
            return
        removed = self.keys().join(kept, on=["part", "row"], how="anti")
        touched = removed.get_column("part").unique()
        keys = [kept.filter(~pl.col("part").is_in(touched.implode()))]
        for number in touched:
            of_part = kept.filter(pl.col("part") == number).sort("row")
            path = self._path(number)
            rows = pl.read_parquet(path)[of_part.get_column("row")]
            path.unlink()
            if rows.height:
                _write(rows, path)
            keys.append(of_part.with_columns(row=pl.int_range(pl.len(), dtype=pl.Int32)))
        self._keys = keys

    def flush(self) -> None:
        """Writes what has gathered."""
        if self._gathered:
            _write(pl.concat(self._gathered), self._path(self._number))
            self._number += 1
            self._gathered, self._gathered_rows = [], 0

    def _path(self, number: int) -> Path:
        return self._folder / f"{self._stem}-{number:05}.parquet"


def _write(rows: pl.DataFrame, path: Path) -> None:
    # By way of memory: polars would hide what is wrong with the disk in an error of its own.
    buffer = io.BytesIO()
    rows.write_parquet(buffer, compression="zstd", compression_level=1)
    with path.open("xb") as file:
        file.write(buffer.getbuffer())
        file.flush()
        os.fsync(file.fileno())
