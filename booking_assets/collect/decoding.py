"""From the bytes of a page to typed rows and rejected rows; no row is dropped.

What lives here: typing by contract. Rows that fit are decoded together, without a Python loop; if
one does not, it and its neighbours are read one by one (`rows`): a bad row costs only itself.
What must not: requests, files, what makes a collection complete.
Read more: `docs/decisions/0003-decoding.md`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from uuid import UUID

import msgspec
import polars as pl

from booking_assets.collect.contracts import RowContract
from booking_assets.collect.errors import ForeignRows
from booking_assets.collect.json_parts import rows_of
from booking_assets.collect.privacy import AllowList
from booking_assets.collect.rows import Row, RowReader, members_written
from booking_assets.tables.contract import UUID_PATTERN
from booking_assets.tables.raw import REJECTED_ROWS, member_name

CHUNK_ROWS = 1_000
"""Rows that are decoded together: as Python objects they take five times their size on the wire."""

_DATE_TIME = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-5][0-9](\.[0-9]+)?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})$"
)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_SHOWN = 3


@dataclass(frozen=True)
class DecodedPage:
    """One page: `rows` in the table's columns, `rejected` in those of raw.rejected_rows.

    `unknown` names members that the contract does not know; their values are in `rows.extra`.
    """

    rows: pl.DataFrame
    rejected: pl.DataFrame
    unknown: frozenset[str]

    @property
    def received(self) -> int:
        """How many rows the page held: none is dropped."""
        return self.rows.height + self.rejected.height


@dataclass(frozen=True)
class _Vocabulary:
    """The member names of a release: what decodes its rows, and the column of each name."""

    rows: msgspec.json.Decoder[list[dict[str, Any]]]
    columns: Mapping[str, str]
    dtypes: Mapping[str, pl.DataType]

    def frame(self, rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
        """Rows as columns; instants still text; null where a member is absent."""
        frame = pl.from_dicts(rows, schema=self.dtypes) if rows else pl.DataFrame([], self.dtypes)
        return frame.rename(self.columns)


@dataclass(frozen=True)
class Decoder:
    """Decodes pages of one organization's rows; any number of threads may share it.

    Args:
        contract: what the rows may hold.
        organization: the slug, written to every row.
        identifier: the tenant that every row must belong to.
        collected_at: the collection's start, written to every row.
    """

    contract: RowContract
    organization: str
    identifier: UUID
    collected_at: datetime

    def __call__(self, body: bytes) -> DecodedPage:
        """Types one page.

        Raises:
            MalformedBody: the body is no JSON array.
            ForeignRows: a row belongs to another organization.
        """
        rows = rows_of(body)
        if self.contract.is_closed:
            rows = self._allow_list(rows)
        starts = range(0, max(len(rows), 1), CHUNK_ROWS)
        chunks = [self._chunk(rows[start : start + CHUNK_ROWS]) for start in starts]
        return DecodedPage(
            rows=pl.concat([chunk.rows for chunk in chunks]),
            rejected=pl.concat([chunk.rejected for chunk in chunks]),
            unknown=frozenset().union(*(chunk.unknown for chunk in chunks)),
        )

    @cached_property
    def _allow_list(self) -> AllowList:
        return AllowList(self.contract)

    def _chunk(self, raw_rows: list[msgspec.Raw]) -> DecodedPage:
        wire = self._together(raw_rows)
        if wire is None:
            return self._one_by_one(raw_rows)
        typed = self._typed(wire)
        if self._faults(wire, typed):
            return self._one_by_one(raw_rows)
        return self._page(typed, [], frozenset())

    def _together(self, raw_rows: list[msgspec.Raw]) -> pl.DataFrame | None:
        """Rows of which every member fits its type and was kept, as columns; else None."""
        vocabulary = self._vocabulary_of(raw_rows)
        body = b"[" + b",".join(raw_rows) + b"]"
        try:
            rows = vocabulary.rows.decode(body)
        except (ValueError, RecursionError):
            return None
        if members_written(body) != sum(map(len, rows)):
            return None
        return vocabulary.frame(rows)

    def _vocabulary_of(self, raw_rows: list[msgspec.Raw]) -> _Vocabulary:
        """The vocabulary that the first row speaks; a wrong guess costs time and nothing else."""
        reference, newer = self._vocabularies
        sample = bytes(raw_rows[0]) if raw_rows else b""
        is_newer = any(f'"{name}"'.encode() in sample for name in self.contract.spellings)
        return newer if is_newer else reference

    @cached_property
    def _vocabularies(self) -> tuple[_Vocabulary, _Vocabulary]:
        reference, newer = self.contract.vocabularies
        return self._vocabulary(reference), self._vocabulary(newer)

    def _vocabulary(self, columns: Mapping[str, str]) -> _Vocabulary:
        row_type = self.contract.row_type(columns)
        return _Vocabulary(
            rows=msgspec.json.Decoder(list[row_type]),  # type: ignore[valid-type]  # made from the contract
            columns=columns,
            dtypes={name: self.contract.wire_dtypes[column] for name, column in columns.items()},
        )

    @cached_property
    def _reader(self) -> RowReader:
        return RowReader(self.contract)

    def _one_by_one(self, raw_rows: list[msgspec.Raw]) -> DecodedPage:
        """The slow path: each row by itself, the misfits set aside with every reason."""
        read = [self._reader.read(bytes(raw)) for raw in raw_rows]
        good = [row for row in read if not row.faults]
        wire = self._vocabularies[0].frame([row.members for row in good])
        typed = self._typed(wire).with_columns(
            extra=pl.Series([row.extra for row in good], dtype=pl.String)
        )
        for index, member, reason in self._faults(wire, typed):
            good[index].faults.append((member, reason))
        fitting = pl.Series([not row.faults for row in good], dtype=pl.Boolean)
        unknown = frozenset(name for row in good for name in row.unknown)
        return self._page(typed.filter(fitting), [row for row in read if row.faults], unknown)

    def _typed(self, wire: pl.DataFrame) -> pl.DataFrame:
        """The table's columns, and members that only checks need; a misfit text becomes null."""
        typed = wire.select(self._columns)
        within = [pl.col(name).is_between(_FIRST, _LAST).all() for name in self.contract.instants]
        if typed.select(pl.all_horizontal(within)).item():
            return typed
        return typed.with_columns([_in_calendar(name) for name in self.contract.instants])

    @cached_property
    def _columns(self) -> list[pl.Expr]:
        contract = self.contract
        made = {
            "organization": pl.lit(self.organization),
            **{name: _uuid(name) for name in contract.identifiers},
            **{name: _instant(name) for name in contract.instants},
            **{f"{name}_offset_minutes": _offset_minutes(name) for name in contract.offsets},
            "extra": pl.lit(None, dtype=pl.String),
            "collected_at": pl.lit(self.collected_at, dtype=contract.table.dtypes["collected_at"]),
        }
        names = dict.fromkeys((*contract.table.column_names, *contract.members))
        return [made.get(name, pl.col(name)).alias(name) for name in names]

    def _faults(self, wire: pl.DataFrame, typed: pl.DataFrame) -> list[tuple[int, str, str]]:
        """The row, member and reason of each text that became null, and of each that is missing."""
        contract = self.contract
        reasons = dict.fromkeys(contract.identifiers, "is no UUID") | dict.fromkeys(
            contract.instants, "is no date-time with an offset in the years 1 to 9999"
        )
        faults = []
        for column, reason in reasons.items():
            if typed[column].null_count() > wire[column].null_count():
                lost = typed[column].is_null() & wire[column].is_not_null()
                faults += [(row, member_name(column), reason) for row in lost.arg_true()]
        for column in contract.required:
            absent = wire[column].is_null().arg_true()
            faults += [(row, member_name(column), "is missing") for row in absent]
        return faults

    def _page(self, rows: pl.DataFrame, misfits: list[Row], unknown: frozenset[str]) -> DecodedPage:
        self._refuse_foreign_rows(rows, misfits)
        stored = rows.select(self.contract.table.column_names)
        return DecodedPage(stored, self._rejected(misfits), unknown)

    def _refuse_foreign_rows(self, rows: pl.DataFrame, misfits: list[Row]) -> None:
        """A row of another tenant must reach no table, the rejected rows' included."""
        owners = {UUID(owner) for owner in rows["organization_identifier"].unique()}
        owners.update(*(row.owners for row in misfits))
        foreign = sorted(str(owner) for owner in owners - {self.identifier})
        if foreign:
            more = ", ..." if len(foreign) > _SHOWN else ""
            raise ForeignRows(
                self.organization,
                f"rows of another organization arrived: {', '.join(foreign[:_SHOWN])}{more}, "
                f"expected {self.identifier}",
                "Give this organization the credential that was issued for it",
            )

    def _rejected(self, misfits: list[Row]) -> pl.DataFrame:
        return pl.DataFrame(
            [
                {
                    "organization": self.organization,
                    "resource": self.contract.resource.name,
                    "identifier": row.identifier,
                    "fields": ",".join(dict.fromkeys(member for member, _ in row.faults)),
                    "reason": "; ".join(f"{member} {reason}" for member, reason in row.faults),
                    "payload": row.payload,
                    "collected_at": self.collected_at,
                }
                for row in misfits
            ],
            schema=REJECTED_ROWS.dtypes,
        )


def _uuid(name: str) -> pl.Expr:
    """In lower case, as the API mostly writes it."""
    return pl.when(pl.col(name).str.contains(UUID_PATTERN)).then(pl.col(name).str.to_lowercase())


def _instant(name: str) -> pl.Expr:
    """A seventh fraction digit is cut: the warehouse holds microseconds.

    The parser would take more than the API writes, such as years of two digits.
    """
    text = pl.when(pl.col(name).str.contains(_DATE_TIME)).then(pl.col(name))
    return text.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)


def _in_calendar(name: str) -> pl.Expr:
    """Null where the offset leads out of the years that clients of the warehouse can read."""
    return pl.when(pl.col(name).is_between(_FIRST, _LAST)).then(pl.col(name)).alias(name)


def _offset_minutes(name: str) -> pl.Expr:
    """Minutes east of UTC, from the end of the text: `Z`, `+hh:mm` or `-hh:mm`."""
    text = pl.col(name)
    sign = pl.when(text.str.slice(-6, 1) == "-").then(-1).otherwise(1)
    hours = text.str.slice(-5, 2).cast(pl.Int32, strict=False)
    minutes = text.str.slice(-2, 2).cast(pl.Int32, strict=False)
    is_utc = text.str.to_uppercase().str.ends_with("Z")
    return pl.when(is_utc).then(0).otherwise(sign * (hours * 60 + minutes)).cast(pl.Int32)
