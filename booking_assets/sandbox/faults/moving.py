"""Data that moves while it is read: rows that come, go and change between two pages.

What lives here: changes that wait for so many pages to be asked for, and a read model that is
being rebuilt. Which rows move is fixed: the first, the last or the one in the middle by identifier.
What must not: pages cut wrongly from rows at rest (`paging`).
Read more: `docs/sandbox.md`, "Faults".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from booking_assets.sandbox import wire
from booking_assets.sandbox.faults.bodies import (
    identifier_of,
    members_of,
    of_table,
    text_of,
)
from booking_assets.sandbox.faults.contract import Asked, Handler, Setup
from booking_assets.sandbox.resources import Resource
from booking_assets.sandbox.tenants import Tenant

_LATEST_FIRST = "lastchangetime desc"


def insert_between(pages: int, setup: Setup) -> Handler:
    """One row more, from the moment that so many pages were asked for."""
    return _inserting(lambda collected: int(collected >= pages), setup)


def insert_every(pages: int, setup: Setup) -> Handler:
    """One row more after every so many pages: the organization never holds still."""
    return _inserting(lambda collected: collected // pages, setup)


def delete_between(pages: int) -> Handler:
    """The first row is gone from the moment that so many pages were asked for."""

    def change(rows: list[bytes], asked: Asked) -> list[bytes]:
        if asked.collected < pages or not rows:
            return rows
        first = in_order(rows, asked)[0]
        return [row for row in rows if row is not first]

    return of_table(change)


def change_between(pages: int, setup: Setup) -> Handler:
    """The first and the last row are changed once so many pages were asked for."""
    moments = _Moments(setup)

    def change(rows: list[bytes], asked: Asked) -> list[bytes]:
        if asked.collected < pages or not rows:
            return rows
        ordered = in_order(rows, asked)
        moment = moments.of(asked, 0)
        changed = {row: _changed(row, moment) for row in (ordered[0], ordered[-1])}
        if not _asks_for_latest(asked):
            return [changed.get(row, row) for row in rows]
        return [*changed.values(), *(row for row in rows if row not in changed)]

    return of_table(change)


def rebuild(rows: int) -> Handler:
    """A table that is filled anew and holds so many rows yet, or none."""
    return of_table(lambda held, asked: in_order(held, asked)[:rows])


def in_order(rows: list[bytes], asked: Asked) -> list[bytes]:
    """The rows by identifier, whatever order was asked for."""
    return sorted(rows, key=lambda row: wire.identifier_order(identifier_of(row, asked)))


def _inserting(inserted: Callable[[int], int], setup: Setup) -> Handler:
    """So many copies of the first row, which come first by identifier and by latest change."""
    moments = _Moments(setup)

    def change(rows: list[bytes], asked: Asked) -> list[bytes]:
        numbers = range(inserted(asked.collected))
        if not rows or not numbers:
            return rows
        first = in_order(rows, asked)[0]
        new = [_copied(first, asked, number, moments.of(asked, number)) for number in numbers]
        return [*(new[::-1] if _asks_for_latest(asked) else new), *rows]

    return of_table(change)


class _Moments:
    """When each change was first seen; the server's one thread asks."""

    def __init__(self, setup: Setup) -> None:
        self._now = setup.now
        self._moments: dict[tuple[Tenant | None, Resource | None, int], str] = {}

    def of(self, asked: Asked, number: int) -> str:
        """The moment of a resource's change of that number, as the server writes times."""
        key = (asked.tenant, asked.resource, number)
        now = wire.date_time(wire.Instant(wire.ticks_of(self._now()), 0))
        return self._moments.setdefault(key, now)


def _copied(row: bytes, asked: Asked, number: int, moment: str) -> bytes:
    # The server's order compares the last bytes first: zeros come before every random identifier.
    own = identifier_of(row, asked).bytes[:4] + number.to_bytes(4, "big")
    return _with(row, {asked.identifier: UUID(bytes=own + bytes(8))}, moment)


def _changed(row: bytes, moment: str) -> bytes:
    return _with(row, {"LastChangeType": "SandboxChanged"}, moment)


def _with(row: bytes, values: dict[str, Any], moment: str) -> bytes:
    members = {**members_of(row), **values, "LastChangeTime": moment}
    return text_of(members)


def _asks_for_latest(asked: Asked) -> bool:
    return asked.query is not None and asked.query.sort.lower().startswith(_LATEST_FIRST)
