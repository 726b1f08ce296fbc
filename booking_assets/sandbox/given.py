"""Rows of files: events as they stand there, and as many registrations as a table says.

What lives here: reading newline-delimited JSON events, and seats from CSV or parquet.
What must not: anything that moves (`generated`).
Read more: `docs/sandbox.md`.
"""

from __future__ import annotations

import gzip
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from uuid import UUID

import msgspec
import polars as pl

from booking_assets.sandbox import wire
from booking_assets.sandbox.draft import DAY
from booking_assets.sandbox.enrolments import Enrolment
from booking_assets.sandbox.registrations import CLASS
from booking_assets.sandbox.resources import EVENTS, REGISTRATIONS
from booking_assets.sandbox.rows import Row, Rows, WrittenRow

_GZIP_MAGIC = b"\x1f\x8b"
_PARQUET_MAGIC = b"PAR1"
_SEATS = {
    "event_identifier": pl.String,
    "seats_taken": pl.Int64,
    "waitlisted": pl.Int64,
}
# The file says how many, not when: all of them were made before this day.
_OPENED = 20_000 * DAY
_PERIOD = 30 * DAY


class GivenRows:
    """Rows that never change."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def at(self, now: int) -> Rows:  # noqa: ARG002 - the protocol's; nothing moves here
        """The rows, whatever the time."""
        return self._rows


class GivenRegistrations:
    """Registrations that never change, made when they are asked for first."""

    def __init__(self, enrolments: Sequence[Enrolment]) -> None:
        self._enrolments = enrolments
        self._rows: Rows | None = None

    def at(self, now: int) -> Rows:  # noqa: ARG002 - the protocol's; nothing moves here
        """The registrations, whatever the time."""
        if self._rows is None:
            settled = _OPENED + _PERIOD
            rows = (row for enrolment in self._enrolments for row in enrolment.at(settled)[0])
            self._rows = Rows(REGISTRATIONS, rows)
        return self._rows


def given_events(path: Path) -> dict[UUID, GivenRows]:
    """The events of a file, by organization.

    Raises:
        ValueError: A line is no event; the message names file and line.
    """
    seen: set[UUID] = set()
    rows: defaultdict[UUID, list[Row]] = defaultdict(list)
    for number, line in enumerate(_lines(path), start=1):
        if line.isspace():
            continue
        try:
            organization, row = _event(line)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path}, line {number}: not an event: {error!r}") from error
        if row.identifier in seen:
            raise ValueError(f"{path}, line {number}: {row.identifier} stands in the file twice")
        seen.add(row.identifier)
        rows[organization].append(row)
    return {organization: GivenRows(Rows(EVENTS, held)) for organization, held in rows.items()}


def given_registrations(path: Path, events: Mapping[UUID, Rows]) -> dict[UUID, GivenRegistrations]:
    """As many registrations as a file says, by the organization that holds the event.

    Those of an unknown event belong to the organization of the lowest identifier.

    Args:
        path: CSV or parquet with the columns `event_identifier`, `seats_taken`, `waitlisted`.
        events: The events of each organization.

    Raises:
        ValueError: A column is missing, a value is none of its kind, an event stands there twice,
            or there is no organization at all. The message names the file and what is wrong.
    """
    if not events:
        raise ValueError(f"{path}: there are no events, so no organization to register with")
    enrolments: dict[UUID, list[Enrolment]] = {organization: [] for organization in events}
    owners = {
        row.identifier: organization
        for organization, rows in events.items()
        for row in rows.sorted_by(())
    }
    for event, seats, waitlisted in _seats(path):
        organization = owners.get(event, min(events))
        enrolments[organization].append(
            Enrolment(
                event=event,
                organization=organization,
                # Each approval of a class takes a seat, as the file has it.
                kind=CLASS,
                seats=seats,
                waitlisted=waitlisted,
                others=0,
                opened=_OPENED,
                period=_PERIOD,
                is_closed=True,
            )
        )
    return {
        organization: GivenRegistrations(enrolled) for organization, enrolled in enrolments.items()
    }


def _event(line: bytes) -> tuple[UUID, Row]:
    # Values stay as the text that they are, so that a number keeps its digits.
    values = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    kept = {member: value for member, value in values.items() if bytes(value) != b"null"}
    read = msgspec.json.decode(line)
    identifier = UUID(read["EventIdentifier"])
    changed = read.get("LastChangeTime")
    row = WrittenRow(
        identifier=identifier,
        order=wire.identifier_order(identifier),
        changed=None if changed is None else wire.instant_of(changed).ticks,
        json=wire.row_json(kept),
    )
    return UUID(read["OrganizationIdentifier"]), row


def _seats(path: Path) -> Iterable[tuple[UUID, int, int]]:
    """The rows of the file: event, seats taken, waitlisted."""
    seen: set[UUID] = set()
    for number, values in enumerate(_table(path).iter_rows(), start=1):
        text, *counts = values
        try:
            event = UUID(text)
        except (ValueError, AttributeError, TypeError):
            raise ValueError(f"{path}, row {number}: {text!r} is no identifier") from None
        if any(count is None or count < 0 for count in counts):
            raise ValueError(f"{path}, row {number}: {counts} must be numbers from 0 on")
        if event in seen:
            raise ValueError(f"{path}, row {number}: {event} stands in the file twice")
        seen.add(event)
        yield event, counts[0], counts[1]


def _table(path: Path) -> pl.DataFrame:
    try:
        if _begins_with(path, _PARQUET_MAGIC):
            return pl.read_parquet(path).select(*_SEATS).cast(pl.Schema(_SEATS))
        return pl.read_csv(path, schema_overrides=_SEATS).select(*_SEATS)
    except pl.exceptions.PolarsError as error:
        wanted = ", ".join(_SEATS)
        raise ValueError(f"{path}: needs the columns {wanted}: {error}") from error


def _lines(path: Path) -> Iterator[bytes]:
    is_packed = _begins_with(path, _GZIP_MAGIC)
    with gzip.open(path) if is_packed else path.open("rb") as lines:
        yield from lines


def _begins_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic
