"""Decodes the JSON of a page into typed rows and rejected rows; no row is dropped.

Rows that fit the contract are decoded together, without a Python loop; if a row does not fit, it
and its neighbors are read one by one (`rows`), so that a bad row costs only itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from itertools import repeat
from threading import Lock
from typing import Any
from uuid import UUID

import msgspec
import polars as pl

from booking_assets.collect.contracts import RowContract
from booking_assets.collect.errors import ForeignRows
from booking_assets.collect.json_parts import rows_of
from booking_assets.collect.privacy import drop_unlisted_members
from booking_assets.collect.rows import (
    MAX_ROW_BYTES,
    Row,
    RowReader,
    key_count,
    key_count_upper_bound,
)
from booking_assets.tables.contract import UUID_PATTERN
from booking_assets.tables.raw import REJECTED_ROWS, member_name

CHUNK_ROWS = 1_000
"""Rows of a large page that are decoded together: Python objects take several times their size on
the wire."""
_LARGE_PAGE = 4 * 2**20
"""Bytes from which on a page is decoded in chunks, and never beside another large page."""
_one_large_page = Lock()
"""Python runs one thread at a time: decoding pages together saves no time and costs memory."""

_DATE_TIME = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-5][0-9](\.[0-9]+)?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})$"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = (
    (end - _EPOCH) // timedelta(microseconds=1)
    for end in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
)
"""Microseconds since 1970: a literal with a time zone is computed by a query of its own."""
_SHOWN = 3
_ESCAPED_LETTER = re.compile(rb"\\u00[3-7]")
"""How JSON may write a letter or digit of a member's name."""
_DICTS = msgspec.json.Decoder(list[dict[str, Any]])


@dataclass(frozen=True)
class DecodedPage:
    """A page: `rows` in the table's columns, `rejected` in those of raw.rejected_rows.

    `unknown` names members that the contract does not know; their values are in `rows.extra`.
    `digest` is that of the body, empty where nobody needs it.
    """

    rows: pl.DataFrame
    rejected: pl.DataFrame
    unknown: frozenset[str]
    digest: str = ""

    @property
    def received(self) -> int:
        """How many rows the page had: none is dropped."""
        return self.rows.height + self.rejected.height

    @property
    def change_times(self) -> pl.Series:
        """When each typed row changed."""
        return self.rows.get_column("last_change_time")


@dataclass(frozen=True)
class FieldNaming:
    """The column of each member name of a release, and how its rows become columns."""

    contract: RowContract
    columns: Mapping[str, str]

    def frame(self, body: bytes) -> pl.DataFrame | None:
        """The rows of a JSON array as columns, instants still text; null where a member is absent.

        Returns:
            None unless every row fits its type and every member of the JSON was kept.
        """
        frame = self._decoded(body, self._rows)
        # The JSON has no more members than were kept: none was lost. Otherwise a member may be null
        # in the JSON, or the bound be too high, and both sides are counted exactly.
        if frame is not None and key_count_upper_bound(body) != sum(map(_filled, frame)):
            # A dict keeps repeated members once, null ones too.
            kept = sum(map(len, _DICTS.decode(body)))
            return frame if key_count(body) == kept else None
        return frame

    def listed_frame(self, body: bytes) -> pl.DataFrame | None:
        """The same of rows with members beyond the contract, which are not decoded.

        Returns:
            None unless every row fits its type, and the JSON has the name of each of the contract's
            members as often as its values were kept: none was lost, such as a repeated one.
        """
        frame = None if _ESCAPED_LETTER.search(body) else self._decoded(body, self._listed_rows)
        if frame is None:
            return None
        kept = {name: _filled(frame[column]) for name, column in self.columns.items()}
        names = self.contract.types
        is_whole = all(body.count(f'"{name}"'.encode()) == kept.get(name, 0) for name in names)
        return frame if is_whole else None

    def _decoded(
        self, body: bytes, decoder: msgspec.json.Decoder[list[Any]]
    ) -> pl.DataFrame | None:
        try:
            rows = decoder.decode(body)
        except (ValueError, RecursionError):
            return None
        values = zip(*map(msgspec.structs.astuple, rows), strict=True) if rows else repeat(())
        dtypes = self.contract.wire_dtypes
        return pl.DataFrame(
            [
                pl.Series(column, cells, dtype=dtypes[column])
                for column, cells in zip(self.columns.values(), values, strict=False)
            ]
        )

    @cached_property
    def _rows(self) -> msgspec.json.Decoder[list[Any]]:
        return self._decoder(forbid_unknown_fields=True)

    @cached_property
    def _listed_rows(self) -> msgspec.json.Decoder[list[Any]]:
        return self._decoder(forbid_unknown_fields=False)

    def _decoder(self, *, forbid_unknown_fields: bool) -> msgspec.json.Decoder[list[Any]]:
        members = [(name, self.contract.types[name], None) for name in self.columns]
        row: Any = msgspec.defstruct(
            "Row", members, forbid_unknown_fields=forbid_unknown_fields, gc=False
        )
        return msgspec.json.Decoder(list[row])


def _filled(column: pl.Series) -> int:
    return column.len() - column.null_count()


@cache
def _field_namings(contract: RowContract) -> tuple[FieldNaming, FieldNaming]:
    """The names of the reference and the newer ones; their decoders are cached for the process."""
    reference = contract.column_of
    alias_of = {name: alias for alias, name in contract.aliases.items()}
    newer = {alias_of.get(name, name): column for name, column in reference.items()}
    return FieldNaming(contract, reference), FieldNaming(contract, newer)


@dataclass(frozen=True)
class Decoder:
    """Decodes pages of one organization's rows; any number of threads may share it.

    Args:
        organization: the slug, written to every row.
        identifier: the organization that every row must belong to.
        collected_at: the collection's start, written to every row.
    """

    contract: RowContract
    organization: str
    identifier: UUID
    collected_at: datetime

    def __call__(self, body: bytes) -> DecodedPage:
        """Decodes a page.

        Raises:
            MalformedBody: the body is no JSON array.
            ForeignRows: a row belongs to another organization.
        """
        with _one_large_page if len(body) >= _LARGE_PAGE else nullcontext():
            chunks = [self._chunk(chunk) for chunk in self._chunks(body)]
        if len(chunks) == 1:
            return chunks[0]
        return DecodedPage(
            rows=pl.concat([chunk.rows for chunk in chunks]),
            rejected=pl.concat([chunk.rejected for chunk in chunks]),
            unknown=frozenset().union(*(chunk.unknown for chunk in chunks)),
        )

    def identifiers(self, page: DecodedPage) -> set[str]:
        """The identifiers of a page's rows, typed or rejected, in lower case."""
        typed = page.rows.get_column(self.contract.identifier_column)
        return {*typed, *page.rejected.get_column("identifier").drop_nulls().str.to_lowercase()}

    def _chunks(self, body: bytes) -> Iterator[bytes]:
        """JSON arrays of the page's rows; several for a large page."""
        if len(body) < _LARGE_PAGE:
            yield body
            return
        rows = rows_of(body)
        for start in range(0, max(len(rows), 1), CHUNK_ROWS):
            yield _array(rows[start : start + CHUNK_ROWS])

    def _chunk(self, body: bytes) -> DecodedPage:
        if self.contract.is_closed:
            if len(body) <= MAX_ROW_BYTES:
                page = self._whole(self._field_naming(body).listed_frame(body))
                if page is not None:
                    return page
            body = _array(drop_unlisted_members(rows_of(body), self.contract))
        if len(body) > MAX_ROW_BYTES:
            rows = rows_of(body)
            if any(memoryview(row).nbytes > MAX_ROW_BYTES for row in rows):
                return self._one_by_one(rows)
        page = self._whole(self._field_naming(body).frame(body))
        return page if page is not None else self._one_by_one(rows_of(body))

    def _whole(self, wire: pl.DataFrame | None) -> DecodedPage | None:
        """The page of rows that all fit the contract; None where one does not."""
        if wire is None:
            return None
        typed = self._typed(wire)
        return None if self._faults(wire, typed) else self._page(typed, [], frozenset())

    def _field_naming(self, body: bytes) -> FieldNaming:
        """The naming of the first row's members; a wrong guess only costs time."""
        reference, newer = _field_namings(self.contract)
        sample = body[: body.find(b"}")]
        is_newer = any(f'"{name}"'.encode() in sample for name in self.contract.aliases)
        return newer if is_newer else reference

    @cached_property
    def _collected_at(self) -> pl.Expr:
        microseconds = (self.collected_at - _EPOCH) // timedelta(microseconds=1)
        return pl.lit(microseconds).cast(self.contract.table.dtypes["collected_at"])

    @cached_property
    def _reader(self) -> RowReader:
        return RowReader(self.contract)

    def _one_by_one(self, raw_rows: list[msgspec.Raw]) -> DecodedPage:
        """The slow path: each row by itself, the rejected ones apart with every reason."""
        read = [self._reader.read(bytes(raw)) for raw in raw_rows]
        good = [row for row in read if not row.faults]
        contract = self.contract
        dtypes = {name: contract.wire_dtypes[column] for name, column in contract.column_of.items()}
        members = [row.members for row in good]
        wire = pl.from_dicts(members, schema=dtypes) if good else pl.DataFrame([], dtypes)
        wire = wire.rename(contract.column_of)
        typed = self._typed(wire).with_columns(
            extra=pl.Series([row.extra for row in good], dtype=pl.String)
        )
        for index, member, reason in self._faults(wire, typed):
            good[index].faults.append((member, reason))
        fits = pl.Series([not row.faults for row in good], dtype=pl.Boolean)
        unknown = frozenset(name for row in good for name in row.unknown)
        return self._page(typed.filter(fits), [row for row in read if row.faults], unknown)

    def _typed(self, wire: pl.DataFrame) -> pl.DataFrame:
        """The table's columns, and members that only checks need; a text of no value is null."""
        typed = wire.select(
            *_columns(self.contract),
            organization=pl.lit(self.organization),
            collected_at=self._collected_at,
        )
        if all(_is_in_calendar(typed.get_column(name)) for name in self.contract.instants):
            return typed
        return typed.with_columns([_in_calendar(name) for name in self.contract.instants])

    def _faults(self, wire: pl.DataFrame, typed: pl.DataFrame) -> list[tuple[int, str, str]]:
        """The row, member and reason of each text that became null and of each missing member."""
        contract = self.contract
        reasons = dict.fromkeys(contract.identifiers, "is no UUID") | dict.fromkeys(
            contract.instants, "is no date-time with an offset in the years 1 to 9999"
        )
        faults = []
        for column, reason in reasons.items():
            read, sent = typed.get_column(column), wire.get_column(column)
            if read.null_count() > sent.null_count():
                lost = read.is_null() & sent.is_not_null()
                faults += [(row, member_name(column), reason) for row in lost.arg_true()]
        for column in contract.required:
            sent = wire.get_column(column)
            if sent.null_count():
                absent = sent.is_null().arg_true()
                faults += [(row, member_name(column), "is missing") for row in absent]
        return faults

    def _page(
        self, rows: pl.DataFrame, rejected: list[Row], unknown: frozenset[str]
    ) -> DecodedPage:
        # A row of another organization must reach no table, raw.rejected_rows included.
        owners = {UUID(owner) for owner in rows["organization_identifier"].unique()}
        owners.update(*(row.owners for row in rejected))
        foreign = sorted(str(owner) for owner in owners - {self.identifier})
        if foreign:
            more = ", ..." if len(foreign) > _SHOWN else ""
            raise ForeignRows(
                self.organization,
                f"rows of another organization arrived: {', '.join(foreign[:_SHOWN])}{more}, "
                f"expected {self.identifier}",
                "Give this organization the credential that was issued for it",
            )
        return DecodedPage(
            rows[list(self.contract.table.column_names)],
            pl.DataFrame([*map(self._rejected_row, rejected)], schema=REJECTED_ROWS.dtypes)
            if rejected
            else REJECTED_ROWS.empty(),
            unknown,
        )

    def _rejected_row(self, row: Row) -> dict[str, Any]:
        """A row of raw.rejected_rows; without names from a row that does not prove its owner."""
        faults = row.faults
        if not row.owners:
            known = {*self.contract.types, "row"}
            faults = [(name if name in known else "a member", fault) for name, fault in faults]
        return {
            "organization": self.organization,
            "resource": self.contract.resource.name,
            "identifier": row.identifier,
            "fields": ",".join(dict.fromkeys(name for name, _ in faults)),
            "reason": "; ".join(f"{name} {fault}" for name, fault in faults),
            "payload": row.payload,
            "collected_at": self.collected_at,
        }


def _array(rows: list[msgspec.Raw]) -> bytes:
    """The JSON array of the rows."""
    return b"[" + b",".join(rows) + b"]"


@cache
def _columns(contract: RowContract) -> list[pl.Expr]:
    """The table's columns that are made from a row, and members that only checks need.

    A table that stores the offset of an instant, as the API wrote it, has a column for it.
    """
    made = {
        **{name: _uuid(name) for name in contract.identifiers},
        **{name: _instant(name) for name in contract.instants},
        **{f"{name}_offset_minutes": _offset_minutes(name) for name in contract.instants},
        "extra": pl.lit(None, dtype=pl.String),
    }
    names = dict.fromkeys((*contract.table.column_names, *contract.members))
    return [
        made.get(name, pl.col(name)).alias(name)
        for name in names
        if name not in ("organization", "collected_at")
    ]


def _uuid(name: str) -> pl.Expr:
    """In lower case, as the API mostly writes it."""
    return pl.when(pl.col(name).str.contains(UUID_PATTERN)).then(pl.col(name).str.to_lowercase())


def _instant(name: str) -> pl.Expr:
    """Cuts a seventh fraction digit: the warehouse stores microseconds.

    The parser would accept more than the API writes, such as years of two digits.
    """
    text = pl.when(pl.col(name).str.contains(_DATE_TIME)).then(pl.col(name))
    return text.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)


def _is_in_calendar(times: pl.Series) -> bool:
    microseconds = times.to_physical()
    first, last = microseconds.min(), microseconds.max()
    if not (isinstance(first, int) and isinstance(last, int)):
        return True
    return first >= _FIRST and last <= _LAST


def _in_calendar(name: str) -> pl.Expr:
    """Null where the offset moves the instant out of the years that DuckDB's clients can read."""
    is_within = pl.col(name).to_physical().is_between(_FIRST, _LAST)
    return pl.when(is_within).then(pl.col(name)).alias(name)


def _offset_minutes(name: str) -> pl.Expr:
    """Minutes east of UTC, from the end of the text: `Z`, `+hh:mm` or `-hh:mm`."""
    text = pl.col(name)
    sign = pl.when(text.str.slice(-6, 1) == "-").then(-1).otherwise(1)
    hours = text.str.slice(-5, 2).cast(pl.Int32, strict=False)
    minutes = text.str.slice(-2, 2).cast(pl.Int32, strict=False)
    is_utc = text.str.to_uppercase().str.ends_with("Z")
    return pl.when(is_utc).then(0).otherwise(sign * (hours * 60 + minutes)).cast(pl.Int32)
