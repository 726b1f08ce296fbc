"""An organization's events as the server holds them: encoded once, ordered, looked up.

What lives here: `Row`, `Rows` (an organization's table, kept in order of identifiers), and sorting
by the members that a request names.
What must not: where events come from (`world`), requests (`query`).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any
from uuid import UUID

import msgspec

from booking_assets.sandbox import wire
from booking_assets.tables import contract


@dataclass(frozen=True, slots=True)
class Row:
    """One event: its sort key, the ticks of its last change, and its JSON as an array's item."""

    identifier: UUID
    order: bytes
    changed: int | None
    json: bytes

    def members(self) -> dict[str, Any]:
        """The members that have a value."""
        members: dict[str, Any] = msgspec.json.decode(self.json)
        return members


@dataclass(frozen=True, slots=True)
class SortItem:
    """One name of a request's `Sort`."""

    member: str
    descending: bool


_ORDER: Callable[[Row], bytes] = attrgetter("order")


class Rows:
    """The events of one organization, in SQL Server's order of their identifiers."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._ordered = sorted(rows, key=_ORDER)
        self._by_identifier = {row.identifier: row for row in self._ordered}
        self._sorted: dict[tuple[SortItem, ...], list[Row]] = {}

    def __len__(self) -> int:
        return len(self._ordered)

    def get(self, identifier: UUID) -> Row | None:
        """The event of that identifier."""
        return self._by_identifier.get(identifier)

    def replace(self, old: Row | None, new: Row | None) -> None:
        """Take a row out, put a row in, or both: O(log n) comparisons."""
        if old is not None:
            del self._ordered[bisect_left(self._ordered, old.order, key=_ORDER)]
            del self._by_identifier[old.identifier]
        if new is not None:
            insort(self._ordered, new, key=_ORDER)
            self._by_identifier[new.identifier] = new
        self._sorted.clear()

    def sorted_by(self, items: Sequence[SortItem]) -> Sequence[Row]:
        """The rows in the order of the items, ties by identifier; kept until a row changes.

        The sequence is only good until the next `replace`.
        """
        if not items or (items[0].member == "EventIdentifier" and not items[0].descending):
            return self._ordered
        wanted = tuple(items)
        if wanted not in self._sorted:
            rows = list(self._ordered)
            # Sorting is stable: the last item first, so that the first decides.
            for item in reversed(wanted):
                rows.sort(key=_sort_key(item.member), reverse=item.descending)
            self._sorted[wanted] = rows
        return self._sorted[wanted]


def _sort_key(member: str) -> Callable[[Row], tuple[bool, Any]]:
    """A key for a member's values; nulls come first, as in SQL Server."""
    if member == "EventIdentifier":
        return lambda row: (True, row.order)
    if member == "LastChangeTime":
        return lambda row: (row.changed is not None, row.changed)
    kind = wire.KINDS[member]

    def key(row: Row) -> tuple[bool, Any]:
        value = row.members().get(member)
        return (value is not None, None if value is None else _comparable(kind, value))

    return key


def _comparable(kind: type, value: Any) -> Any:
    if kind is contract.Identifier:
        return wire.identifier_order(UUID(value))
    if kind is contract.Instant:
        return wire.instant_of(value).ticks
    if kind is contract.Text:
        return str(value).casefold()
    return value
