"""From the bytes of a page to typed rows and rejected rows; no row is dropped.

What lives here: typing by contract. A page that fits is decoded whole, without a Python loop over
its rows; one that does not is read row by row (`rows`), so that a bad row costs only itself.
What must not: requests, files, what makes a collection complete.
Read more: `docs/decisions/0003-decoding.md`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

import msgspec
import polars as pl

from booking_assets.collect.contracts import RowContract
from booking_assets.collect.errors import ForeignRows
from booking_assets.collect.rows import Row, RowReader, members_written, split
from booking_assets.tables.contract import UUID_PATTERN
from booking_assets.tables.raw import REJECTED_ROWS, member_name

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
class Decoder:
    """Decodes pages of one organization's rows.

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
        rows = self._whole(body)
        if rows is None:
            return self._row_by_row(split(body))
        frame = self._typed(self._frame(rows, self._spellings_in(body)))
        if frame.get_column("faulty").any():
            return self._row_by_row(split(body))
        return self._page(frame, [], frozenset())

    @cached_property
    def _reader(self) -> RowReader:
        return RowReader(self.contract)

    @cached_property
    def _whole_page(self) -> msgspec.json.Decoder[Any]:
        return msgspec.json.Decoder(list[self.contract.row_type])  # type: ignore[name-defined]  # made from the contract

    def _whole(self, body: bytes) -> list[Any] | None:
        """The rows of a page of which every member fits the contract and was kept; else None."""
        if any(_quoted(name) in body for name in self._spellings_in(body).values()):
            return None
        try:
            rows: list[Any] = self._whole_page.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        if self.contract.keeps_unknown and members_written(body) != sum(map(len, rows)):
            return None
        return rows

    def _spellings_in(self, body: bytes) -> dict[str, str]:
        """The aliases that occur in a page."""
        return {
            alias: name for alias, name in self.contract.spellings.items() if _quoted(alias) in body
        }

    def _row_by_row(self, raw_rows: list[bytes]) -> DecodedPage:
        """The slow path: each row by itself, the misfits set aside with every reason."""
        read = [self._reader.read(raw) for raw in raw_rows]
        good = [row for row in read if not row.faults]
        misfits = [row for row in read if row.faults]
        frame = self._typed(
            self._frame([row.members for row in good], self.contract.spellings)
        ).with_columns(extra=pl.Series([row.extra for row in good], dtype=pl.String))
        for index, faults in self._faults(frame):
            good[index].faults.extend(faults)
            misfits.append(good[index])
        unknown = frozenset(name for row in good for name in row.unknown)
        return self._page(frame.filter(~pl.col("faulty")), misfits, unknown)

    def _frame(self, rows: list[Any], spellings: Mapping[str, str]) -> pl.DataFrame:
        """Rows as the contract's columns; instants still text; null where a member is absent."""
        dtypes = self.contract.wire_dtypes
        wire = pl.from_dicts(
            rows, schema=dtypes | {alias: dtypes[name] for alias, name in spellings.items()}
        )
        given = {member: [pl.col(member)] for member in dtypes}
        for alias, name in spellings.items():
            given[name].append(pl.col(alias))
        return wire.select(
            pl.coalesce(columns).alias(self.contract.column_of[member])
            for member, columns in given.items()
        )

    def _typed(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Instants parsed, offsets kept, identifiers in lower case; `faulty` marks misfits.

        A seventh fraction digit is cut: the warehouse holds microseconds.
        """
        contract = self.contract
        instants = {name: _instant(name) for name in contract.instants}
        faults = {
            **{
                f"{name} is no date-time with an offset": pl.col(name).is_not_null()
                & parsed.is_null()
                for name, parsed in instants.items()
            },
            **{
                f"{name} is no UUID": ~pl.col(name).str.contains(UUID_PATTERN).fill_null(value=True)
                for name in contract.identifiers
            },
            **{f"{name} is missing": pl.col(name).is_null() for name in contract.required},
        }
        return frame.with_columns(
            **instants,
            **{f"{name}_offset_minutes": _offset_minutes(name) for name in contract.offsets},
            **{name: pl.col(name).str.to_lowercase() for name in contract.identifiers},
            extra=pl.lit(None, dtype=pl.String),
            faulty=pl.any_horizontal(faults.values()),
            faults=pl.struct(fault.alias(name) for name, fault in faults.items()),
        )

    def _faults(self, frame: pl.DataFrame) -> Iterable[tuple[int, list[tuple[str, str]]]]:
        """For each faulty row its index and what is wrong, as (member, reason)."""
        marked = frame.with_row_index("row").filter("faulty").select("row", "faults")
        for index, faults in marked.iter_rows():
            found = [fault.partition(" ") for fault, failed in faults.items() if failed]
            yield index, [(member_name(column), reason) for column, _, reason in found]

    def _page(
        self, frame: pl.DataFrame, misfits: list[Row], unknown: frozenset[str]
    ) -> DecodedPage:
        self._refuse_foreign_rows(frame, misfits)
        rows = frame.with_columns(
            organization=pl.lit(self.organization),
            collected_at=pl.lit(
                self.collected_at, dtype=self.contract.table.dtypes["collected_at"]
            ),
        ).select(self.contract.table.column_names)
        return DecodedPage(rows, self._rejected(misfits), unknown)

    def _refuse_foreign_rows(self, frame: pl.DataFrame, misfits: list[Row]) -> None:
        """A row of another tenant must reach no table, the rejected rows' included."""
        own = str(self.identifier)
        owners = {self._reader.owner(row) for row in misfits} - {None}
        foreign = sorted({*frame.get_column("organization_identifier"), *owners} - {own})
        if foreign:
            more = ", ..." if len(foreign) > _SHOWN else ""
            raise ForeignRows(
                self.organization,
                f"rows of another organization arrived: {', '.join(foreign[:_SHOWN])}{more}, "
                f"expected {own}",
                "Give this organization the credential that was issued for it",
            )

    def _rejected(self, misfits: list[Row]) -> pl.DataFrame:
        resource = self.contract.resource
        return pl.DataFrame(
            [
                {
                    "organization": self.organization,
                    "resource": resource.name,
                    "identifier": self._reader.own_text(row, resource.identifier),
                    "fields": ",".join(dict.fromkeys(member for member, _ in row.faults)),
                    "reason": "; ".join(f"{member} {reason}" for member, reason in row.faults),
                    "payload": row.payload,
                    "collected_at": self.collected_at,
                }
                for row in misfits
            ],
            schema=REJECTED_ROWS.dtypes,
        )


def _quoted(name: str) -> bytes:
    return f'"{name}"'.encode()


def _instant(name: str) -> pl.Expr:
    return pl.col(name).str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)


def _offset_minutes(name: str) -> pl.Expr:
    """Minutes east of UTC, from the end of the text: `Z`, `+hh:mm` or `-hh:mm`."""
    sign = pl.when(pl.col(name).str.slice(-6, 1) == "-").then(-1).otherwise(1)
    hours = pl.col(name).str.slice(-5, 2).cast(pl.Int32, strict=False)
    minutes = pl.col(name).str.slice(-2, 2).cast(pl.Int32, strict=False)
    return (
        pl.when(pl.col(name).str.to_uppercase().str.ends_with("Z"))
        .then(0)
        .otherwise(sign * (hours * 60 + minutes))
        .cast(pl.Int32)
    )
