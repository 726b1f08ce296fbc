"""Text forms and sort order of the vendor's values: JSON, date-times, identifiers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any, NamedTuple, cast
from uuid import UUID

import msgspec
import numpy as np

TICKS_A_SECOND = 10_000_000
"""The server keeps time in ticks of 100 ns (`datetimeoffset(7)`)."""

_NEW_LINE = b"\r\n"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_SQL_SERVER = (*range(10, 16), 8, 9, 7, 6, 5, 4, 3, 2, 1, 0)
_in_sql_server = itemgetter(*_SQL_SERVER)
_FROM_SQL_SERVER = np.argsort(_SQL_SERVER)
_HEX = np.frombuffer(bytes(range(256)).hex().encode(), np.uint8).reshape(256, 2)
_HEX_PLACES = [place for place in range(36) if place not in {8, 13, 18, 23}]
_FRACTION = re.compile(r"\.(\d{1,7})(?!\d)")


class Instant(NamedTuple):
    """A point in time as the server keeps it: ticks since 1970 (UTC) and an offset in minutes."""

    ticks: int
    offset: int


def ticks_of(moment: datetime) -> int:
    """The ticks of an aware date-time."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 10


def date_time(instant: Instant) -> str:
    """Local time with an explicit offset, never `Z`; 0 to 7 fraction digits, zeros trimmed."""
    seconds, fraction = divmod(instant.ticks, TICKS_A_SECOND)
    local = _EPOCH + timedelta(seconds=seconds + instant.offset * 60)
    digits = f".{fraction:07d}".rstrip("0") if fraction else ""
    sign = "-" if instant.offset < 0 else "+"
    hours, minutes = divmod(abs(instant.offset), 60)
    return f"{local.isoformat()[:19]}{digits}{sign}{hours:02d}:{minutes:02d}"


def local_times(ticks: np.ndarray[Any, Any], offsets: np.ndarray[Any, Any]) -> list[bytes]:
    """`date_time` of many instants without its offset, given as ticks and offsets in minutes."""
    local = ((ticks + offsets * (60 * TICKS_A_SECOND)) * 100).view("datetime64[ns]")
    # Characters of four bytes, of which the last two, below 100 ns, are left out.
    written = np.datetime_as_string(local)
    characters = written.view(np.uint32).reshape(-1, written.itemsize // 4)
    texts = characters[:, :27].astype(np.uint8)
    fractions = texts[:, 19:]
    is_digit = (fractions != ord("0")) & (fractions != ord("."))
    # Zeros at the end, and a point before them, become NUL, which ends a text of numpy.
    fractions[~np.logical_or.accumulate(is_digit[:, ::-1], axis=1)[:, ::-1]] = 0
    return cast("list[bytes]", texts.view("S27").ravel().tolist())


def instant_of(text: str) -> Instant:
    """Read an ISO 8601 date-time of up to 7 fraction digits; without an offset it is UTC.

    Raises:
        ValueError: The text is no date-time.
    """
    whole = datetime.fromisoformat(_FRACTION.sub("", text, count=1))
    if whole.tzinfo is None:
        whole = whole.replace(tzinfo=UTC)
    fraction = _FRACTION.search(text)
    ticks = ticks_of(whole) + (int(fraction[1].ljust(7, "0")) if fraction else 0)
    offset = whole.utcoffset() or timedelta()
    return Instant(ticks, int(offset.total_seconds()) // 60)


def identifier_order(identifier: UUID) -> bytes:
    """A key that sorts as SQL Server sorts `uniqueidentifier`: the last group of bytes first.

    Source: https://learn.microsoft.com/en-us/sql/connect/ado-net/sql/compare-guid-uniqueidentifier-values
    """
    return bytes(_in_sql_server(identifier.bytes))


def identifier_orders(identifiers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """`identifier_order` of many identifiers, given as rows of 16 bytes."""
    return np.ascontiguousarray(identifiers[:, _SQL_SERVER]).view("S16").ravel()


def identifiers_in(orders: np.ndarray[Any, Any]) -> list[bytes]:
    """The identifiers of what `identifier_orders` made."""
    text = np.full((len(orders), 36), ord("-"), np.uint8)
    digits = _HEX[orders.view(np.uint8).reshape(-1, 16)[:, _FROM_SQL_SERVER]]
    text[:, _HEX_PLACES] = digits.reshape(-1, 32)
    return cast("list[bytes]", text.view("S36").ravel().tolist())


def json_text(value: Any) -> bytes:
    """Indented JSON as Newtonsoft writes it on Windows."""
    # Within strings line feeds are escaped: every line feed here is the formatter's.
    return msgspec.json.format(_ENCODER.encode(value), indent=2).replace(b"\n", _NEW_LINE)


def row_json(members: Mapping[str, Any]) -> bytes:
    """One row as an item of an indented array; members that are null must be left out already."""
    text = msgspec.json.format(_ENCODER.encode(members), indent=2)
    return b"  " + text.replace(b"\n", _NEW_LINE + b"  ")


def array_of(rows: list[bytes]) -> bytes:
    """An indented array of rows, each as `row_json` wrote it."""
    if not rows:
        return b"[]"
    # Joined once: a page may be of megabytes.
    *others, last = rows
    rows = [*others, last + _NEW_LINE + b"]"]
    rows[0] = b"[" + _NEW_LINE + rows[0]
    return (b"," + _NEW_LINE).join(rows)


def outside_array(row: bytes) -> bytes:
    """A row of an array as a document of its own: two blanks less before each line."""
    return row[2:].replace(_NEW_LINE + b"  ", _NEW_LINE)


def row_of(values: Mapping[str, Any], members: Iterable[str]) -> bytes:
    """One row as `row_json` writes it: members in the given order, nulls left out."""
    return row_json(
        {
            member: date_time(value) if isinstance(value, Instant) else value
            for member in members
            if (value := values.get(member)) is not None
        }
    )
