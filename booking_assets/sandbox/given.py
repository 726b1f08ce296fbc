"""Reads rows from files: events from newline-delimited JSON, seats from CSV or parquet."""

from __future__ import annotations

import gzip
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from uuid import UUID

import msgspec
import polars as pl

from booking_assets.sandbox import wire
from booking_assets.sandbox.draft import DAY
from booking_assets.sandbox.registration_texts import GIVEN
from booking_assets.sandbox.registrations import Enrollment, Registrations, enrolled
from booking_assets.sandbox.resources import EVENTS
from booking_assets.sandbox.rows import Row, Rows

_GZIP_MAGIC = b"\x1f\x8b"
_PARQUET_MAGIC = b"PAR1"
_SEATS = {"event_identifier": pl.String, "seats_taken": pl.Int64, "waitlisted": pl.Int64}
# The file says how many, not when: all of them were made before this day.
_OPENED = 20_000 * DAY
_PERIOD = 30 * DAY
_NAMED = 20
_log = logging.getLogger(__name__)


def given_events(path: Path) -> dict[UUID, Rows]:
    """The events of a file, by organization; a ValueError names a line that is no event."""
    seen: set[str] = set()
    rows: defaultdict[UUID, list[Row]] = defaultdict(list)
    with gzip.open(path) if _begins_with(path, _GZIP_MAGIC) else path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.isspace():
                continue
            try:
                organization, row = _event(line)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ValueError(f"{path}, line {number}: not an event: {error!r}") from error
            if row.identifier in seen:
                raise ValueError(f"{path}, line {number}: {row.identifier} comes twice")
            seen.add(row.identifier)
            rows[organization].append(row)
    return {organization: Rows(EVENTS, own) for organization, own in rows.items()}


def given_registrations(path: Path, events: Mapping[UUID, Rows]) -> dict[UUID, Rows]:
    """As many registrations as a CSV or parquet file says, by the organization of the event.

    Those of an unknown event belong to the organization of the lowest identifier. Rows with a
    negative number are left out, with a warning that names them.

    Raises:
        ValueError: The file is unusable, or there is no organization; the message says why.
    """
    if not events:
        raise ValueError(f"{path}: there are no events, so no organization to register with")
    owners = {row.identifier: owner for owner, rows in events.items() for row in rows}
    enrollments: dict[UUID, list[Enrollment]] = {organization: [] for organization in events}
    first = min(events)
    for number, (event, seats, waitlisted) in enumerate(_seats(path)):
        enrollments[owners.get(event, first)].append(
            Enrollment(event, number, GIVEN, seats, waitlisted, 0, _OPENED, _PERIOD, is_closed=True)
        )
    return {
        organization: Registrations(enrolled(own, _OPENED + _PERIOD)[0], organization)
        for organization, own in enrollments.items()
    }


def _event(line: bytes) -> tuple[UUID, Row]:
    # Values stay as the text that they are, so that a number keeps its digits.
    values = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    present = {member: value for member, value in values.items() if bytes(value) != b"null"}
    read = msgspec.json.decode(line)
    changed = read.get("LastChangeTime")
    ticks = None if changed is None else wire.instant_of(changed).ticks
    row = Row.of(UUID(read["EventIdentifier"]), ticks, wire.row_json(present))
    return UUID(read["OrganizationIdentifier"]), row


def _seats(path: Path) -> Iterable[tuple[str, int, int]]:
    """The rows of the file: event, seats taken, waitlisted."""
    seen: set[str] = set()
    negative: list[str] = []
    for number, (text, *counts) in enumerate(_table(path).iter_rows(), start=1):
        try:
            event = str(UUID(text))
        except (ValueError, AttributeError, TypeError):
            raise ValueError(f"{path}, row {number}: {text!r} is no identifier") from None
        if None in counts:
            raise ValueError(f"{path}, row {number}: {counts} must be numbers")
        if event in seen:
            raise ValueError(f"{path}, row {number}: {event} comes twice")
        seen.add(event)
        if min(counts) < 0:
            negative.append(f"row {number} ({event}: {', '.join(map(str, counts))})")
            continue
        yield event, counts[0], counts[1]
    if negative:
        named = [*negative[:_NAMED], "..."] if len(negative) > _NAMED else negative
        found = f"{len(negative)} rows with a negative number are left out: {', '.join(named)}"
        _log.warning("%s: %s", path, found)


def _table(path: Path) -> pl.DataFrame:
    try:
        if _begins_with(path, _PARQUET_MAGIC):
            return pl.read_parquet(path).select(*_SEATS).cast(pl.Schema(_SEATS))
        return pl.read_csv(path, schema_overrides=_SEATS).select(*_SEATS)
    except pl.exceptions.PolarsError as error:
        wanted = ", ".join(_SEATS)
        raise ValueError(f"{path}: needs the columns {wanted}: {error}") from error


def _begins_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic
