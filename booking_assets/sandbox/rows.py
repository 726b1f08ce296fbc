"""An organization's rows as the server holds them: ordered, looked up, written when asked for.

What lives here: `Row`, `Rows` (an organization's table, kept in order of identifiers), and sorting
by the members that a request names.
What must not: where rows come from (`generated`, `given`), requests (`query`).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Protocol
from uuid import UUID

import msgspec

from booking_assets.sandbox import wire
from booking_assets.sandbox.resources import Resource
from booking_assets.tables import contract


class Row(Protocol):
    """One row of a resource."""

    @property
    def identifier(self) -> UUID:
        """What tells it from the others."""

    @property
    def order(self) -> bytes:
        """The identifier's `wire.identifier_order`."""

    @property
    def changed(self) -> int | None:
        """The ticks of its last change."""

    @property
    def json(self) -> bytes:
        """Its JSON as an array's item."""

    def members(self) -> dict[str, Any]:
        """The members that have a value."""


@dataclass(frozen=True, slots=True)
class WrittenRow:
    """A row whose JSON was written once."""

    identifier: UUID
    order: bytes
    changed: int | None
    json: bytes

    def members(self) -> dict[str, Any]:
        """The members that have a value."""
        return decoded(self.json)


@dataclass(frozen=True, slots=True)
class SortItem:
    """One name of a request's `Sort`."""

    member: str
    descending: bool


_ORDER: Callable[[Row], bytes] = attrgetter("order")


def decoded(json: bytes) -> dict[str, Any]:
    """The members of a row's JSON."""
    members: dict[str, Any] = msgspec.json.decode(json)
    return members


class Rows:
    """The rows of one resource and organization, in SQL Server's order of their identifiers."""

    def __init__(self, resource: Resource, rows: Iterable[Row]) -> None:
        self._resource = resource
        self._ordered = sorted(rows, key=_ORDER)
        self._sorted: dict[tuple[SortItem, ...], list[Row]] = {}

    def __len__(self) -> int:
        return len(self._ordered)

    def get(self, identifier: UUID) -> Row | None:
        """The row of that identifier."""
        order = wire.identifier_order(identifier)
        place = bisect_left(self._ordered, order, key=_ORDER)
        found = self._ordered[place : place + 1]
        return found[0] if found and found[0].order == order else None

    def replace(self, old: Iterable[Row], new: Iterable[Row]) -> None:
        """Take rows out and put rows in: O(log n) comparisons each."""
        for row in old:
            del self._ordered[bisect_left(self._ordered, row.order, key=_ORDER)]
        for row in new:
            insort(self._ordered, row, key=_ORDER)
        self._sorted.clear()

    def sorted_by(self, items: Sequence[SortItem]) -> Sequence[Row]:
        """The rows in the order of the items, ties by identifier; kept until a row changes.

        The sequence is only good until the next `replace`.
        """
        identifier = self._resource.identifier
        if not items or (items[0].member == identifier and not items[0].descending):
            return self._ordered
        wanted = tuple(items)
        if wanted not in self._sorted:
            rows = list(self._ordered)
            # Sorting is stable: the last item first, so that the first decides.
            for item in reversed(wanted):
                rows.sort(key=self._sort_key(item.member), reverse=item.descending)
            self._sorted[wanted] = rows
        return self._sorted[wanted]

    def _sort_key(self, member: str) -> Callable[[Row], tuple[bool, Any]]:
        """A key for a member's values; nulls come first, as in SQL Server."""
        if member == self._resource.identifier:
            return lambda row: (True, row.order)
        if member == "LastChangeTime":
            return lambda row: (row.changed is not None, row.changed)
        kind = self._resource.kinds[member]

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
