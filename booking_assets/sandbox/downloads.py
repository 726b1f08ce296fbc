"""Downloads: all rows of an organization as one file, JSON with nulls or the vendor's lossy CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from booking_assets.sandbox import wire
from booking_assets.sandbox.resources import Kind, Resource
from booking_assets.sandbox.rows import Row, members_of, raw_members

_NULL = msgspec.Raw(b"null")


def content(rows: Sequence[Row], resource: Resource, *, is_csv: bool) -> bytes:
    """The file's bytes: every member of every row."""
    if is_csv:
        return _csv(rows, resource.kinds)
    present = map(raw_members, rows)
    members = ({name: row.get(name, _NULL) for name in resource.kinds} for row in present)
    return wire.array_of([wire.row_json(values) for values in members])


def file_name(moment: datetime, number: int, resource: Resource, *, is_csv: bool) -> str:
    """The name of a tenant's `number`-th download."""
    stem = f"{resource.area.capitalize()}_{resource.noun}s__{moment:%y%m%d%H%M}"
    return f"{stem}-{number}.{'csv' if is_csv else 'json'}"


def _csv(rows: Sequence[Row], kinds: Mapping[str, Kind]) -> bytes:
    if not rows:
        return b""
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(kinds)
    for values in map(members_of, rows):
        writer.writerow(_csv_text(kind, values.get(member)) for member, kind in kinds.items())
    return file.getvalue().removesuffix("\r\n").encode()


def _csv_text(kind: Kind, value: Any) -> str:
    """A value in the server's culture (en-US), without line breaks or fractions of a second."""
    if kind is Kind.FLAG:
        return "Yes" if value else "No"
    if value is None:
        return ""
    if kind is Kind.MEASURE:
        return f"{value:.2f}"
    if kind is Kind.INSTANT:
        text = wire.date_time(wire.instant_of(value))
        local = datetime.fromisoformat(text[:19])
        hour = local.hour % 12 or 12
        day = f"{local.month}/{local.day}/{local.year}"
        return f"{day} {hour}:{local:%M:%S %p} {text[-6:]}"
    return str(value).replace("\r", "").replace("\n", "")
