"""The whole set of an organization's rows as one file: JSON with nulls, or the vendor's CSV.

What lives here: the two formats and their file name. The CSV is as lossy as the vendor's.
What must not: paging and sorting, which a download ignores.
Read more: `docs/sandbox.md`, "Download".
"""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from booking_assets.sandbox import wire
from booking_assets.sandbox.answers import JSON
from booking_assets.sandbox.resources import EVENTS, Resource
from booking_assets.sandbox.rows import Row
from booking_assets.tables import contract

_NULL = msgspec.Raw(b"null")
_LINE = "\r\n"


def content(
    rows: Sequence[Row], file_format: str, includes: str, resource: Resource = EVENTS
) -> bytes:
    """The file's bytes; `includes` names the members and their order, all where none is known."""
    kinds = _chosen(resource, includes)
    return _csv(rows, kinds) if file_format.lower() == "csv" else _json(rows, kinds)


def media_type(file_format: str) -> str:
    """The content type of a format; an unknown one holds JSON under that extension's own type."""
    extension = file_format.lower()
    if extension == "json":
        return JSON
    return mimetypes.guess_type(f"x.{extension}")[0] or "application/octet-stream"


def file_name(moment: datetime, number: int, file_format: str, resource: Resource = EVENTS) -> str:
    """The name of a tenant's `number`-th download."""
    stem = f"Booking_{resource.noun}s__{moment:%y%m%d%H%M}"
    return f"{stem}-{number}.{file_format.lower()}"


def _chosen(resource: Resource, includes: str) -> Mapping[str, type]:
    known = {member.lower(): member for member in resource.kinds}
    named = [known.get(name.strip().lower()) for name in includes.split(",")]
    return {member: resource.kinds[member] for member in named if member} or resource.kinds


def _json(rows: Sequence[Row], members: Iterable[str]) -> bytes:
    # Values are copied as text, so that numbers keep their digits.
    read = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
    return wire.array_of(
        [
            wire.row_json({member: values.get(member, _NULL) for member in members})
            for values in (read(row.json) for row in rows)
        ]
    )


def _csv(rows: Sequence[Row], kinds: Mapping[str, type]) -> bytes:
    if not rows:
        return b""
    lines = [_csv_line(kinds)]
    texts = {member: _CSV_TEXT[kind] for member, kind in kinds.items()}
    for row in rows:
        values = row.members()
        lines.append(_csv_line(text(values.get(member)) for member, text in texts.items()))
    return _LINE.join(lines).encode()


def _csv_line(texts: Iterable[str]) -> str:
    return ",".join('"' + text.replace('"', '""') + '"' for text in texts)


def _csv_text(value: Any) -> str:
    # Line breaks are deleted from values.
    return "" if value is None else str(value).replace("\r", "").replace("\n", "")


def _csv_flag(value: Any) -> str:
    return "Yes" if value else "No"


def _csv_measure(value: Any) -> str:
    return "" if value is None else f"{value:.2f}"


def _csv_date_time(value: Any) -> str:
    """As the server's culture (en-US) writes it: no leading zeros, no fraction of a second."""
    if value is None:
        return ""
    text = wire.date_time(wire.instant_of(value))
    day, clock, offset = text[:10], text[11:19], text[-6:]
    year, month, date = (int(part) for part in day.split("-"))
    hour, rest = int(clock[:2]), clock[2:]
    half = "AM" if hour < 12 else "PM"  # noqa: PLR2004 - noon
    return f"{month}/{date}/{year} {hour % 12 or 12}{rest} {half} {offset}"


_CSV_TEXT: dict[type, Callable[[Any], str]] = {
    contract.Identifier: _csv_text,
    contract.Text: _csv_text,
    contract.Number: _csv_text,
    contract.Flag: _csv_flag,
    contract.Measure: _csv_measure,
    contract.Instant: _csv_date_time,
}
