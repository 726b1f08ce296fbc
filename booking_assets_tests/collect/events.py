"""Builds events for tests: rows as the API writes them, and pages of rows."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from booking_assets.collect.contracts import EVENT_ROWS
from booking_assets.collect.decoding import DecodedPage, Decoder

ACME = UUID("123e4567-e89b-12d3-a456-426614174000")
OTHER = UUID("99999999-9999-4999-8999-999999999999")
STARTED = datetime(2026, 3, 1, 12, tzinfo=UTC)


def identifier(number: int) -> str:
    return str(UUID(int=number))


def event(number: int = 1, **members: Any) -> dict[str, Any]:
    """A small event; members override, and None leaves one out, as the API does with nulls."""
    row = {
        "EventIdentifier": identifier(number),
        "OrganizationIdentifier": str(ACME),
        "EventTitle": f"Event {number}",
        "CapacityMaximum": 20,
        "CreditHours": 3.0,
        "WaitlistEnabled": False,
        "EventScheduledStart": "2026-05-04T09:00:00-07:00",
        "LastChangeTime": "2026-01-02T03:04:05.1234567+00:00",
        **members,
    }
    return {name: value for name, value in row.items() if value is not None}


def text(row: dict[str, Any]) -> str:
    return json.dumps(row)


def spliced(number: int, member: str, value: str) -> str:
    """An event in which a member has just this JSON text."""
    row = event(number, **{member: None})
    return f'{text(row)[:-1]}, "{member}": {value}}}'


def page_of(rows: Iterable[dict[str, Any] | str | bytes]) -> bytes:
    """A page: rows given as text or bytes stay as they are."""
    written = (row if isinstance(row, str | bytes) else text(row) for row in rows)
    parts = (row.encode() if isinstance(row, str) else row for row in written)
    return b"[" + b", ".join(parts) + b"]"


def decoder(owner: UUID = ACME) -> Decoder:
    return Decoder(EVENT_ROWS, "acme", owner, STARTED)


def decoded(*rows: dict[str, Any] | str | bytes) -> DecodedPage:
    return decoder()(page_of(rows))
