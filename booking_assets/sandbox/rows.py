"""An organization's rows of one resource: ordered, counted, looked up, cut into pages."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple, Self
from uuid import UUID

import msgspec

from booking_assets.sandbox import wire
from booking_assets.sandbox.query import Query, SortItem, sort_items
from booking_assets.sandbox.resources import Kind, Resource


class Row(NamedTuple):
    """A row with its JSON (an array's item), time of change (ticks) and `wire.identifier_order`."""

    identifier: str
    order: bytes
    changed: int | None
    json: bytes

    @classmethod
    def of(cls, identifier: UUID, changed: int | None, json: bytes) -> Self:
        """The row of an identifier."""
        return cls(str(identifier), wire.identifier_order(identifier), changed, json)

    @classmethod
    def made(cls, resource: Resource, values: Mapping[str, Any]) -> Self:
        """The row of these members; nulls are left out."""
        changed: wire.Instant | None = values.get("LastChangeTime")
        json = wire.row_of(values, resource.kinds)
        return cls.of(values[resource.identifier], changed and changed.ticks, json)


@dataclass(frozen=True)
class Page:
    """A page of rows, with the numbers that its pagination header gives.

    Pages with equal keys have the same rows.
    """

    rows: Iterable[Row]
    number: int
    size: int
    total: int
    key: Hashable


class ReadyPages:
    """The bodies of the pages that were requested last, up to `limit` bytes altogether."""

    def __init__(self, limit: int) -> None:
        self._bodies: dict[Hashable, bytes] = {}
        self._free = limit

    def body(self, key: Hashable, write: Callable[[], bytes]) -> bytes:
        """The body of that key, written where it is not ready."""
        body = self._bodies.pop(key, None)
        if body is None:
            body = write()
            self._free -= len(body)
        self._bodies[key] = body
        while self._free < 0:
            self._free += len(self._bodies.pop(next(iter(self._bodies))))
        return body


_ORDER: Callable[[Row], bytes] = attrgetter("order")


def members_of(row: Row) -> dict[str, Any]:
    """The members of a row that have a value."""
    return msgspec.json.decode(row.json, type=dict[str, Any])


def raw_members(row: Row) -> dict[str, Any]:
    """The members of a row, each value as its JSON text, so that numbers keep their digits."""
    return msgspec.json.decode(row.json, type=dict[str, msgspec.Raw])


class Rows:
    """The rows of one resource and organization, in SQL Server's order of their identifiers."""

    def __init__(self, resource: Resource, rows: Iterable[Row]) -> None:
        self.resource = resource
        self._ordered = sorted(rows, key=_ORDER)
        self._sorted: dict[tuple[SortItem, ...], list[Row]] = {}
        self._version = object()

    def __iter__(self) -> Iterator[Row]:
        return iter(self._ordered)

    def count(self) -> int:
        """The number of rows."""
        return len(self._ordered)

    def get(self, identifier: UUID) -> Row | None:
        """The row of that identifier."""
        order = wire.identifier_order(identifier)
        place = bisect_left(self._ordered, order, key=_ORDER)
        found = self._ordered[place : place + 1]
        return found[0] if found and found[0].order == order else None

    def page(self, query: Query) -> Page:
        """The page that a request asks for; a `Refusal` where it cannot be made."""
        total = self.count()
        items, wanted = sort_items(query.sort, self.resource), query.slice_of(total)
        is_sorted = not items or items[0] == (self.resource.identifier, False)
        rows = self._part(wanted) if is_sorted else self._sorted_by(items)[wanted]
        key = (self._version, items, wanted.start, wanted.stop)
        return Page(rows, query.page, query.page_size, total, key)

    def _part(self, wanted: slice) -> Iterable[Row]:
        return self._ordered[wanted]

    def _sorted_by(self, items: tuple[SortItem, ...]) -> Sequence[Row]:
        """The rows in the order of the items, ties by identifier; kept with the rows."""
        if items not in self._sorted:
            rows = list(self)
            # Sorting is stable: the last item first, so that the first decides.
            for member, descending in reversed(items):
                rows.sort(key=self._sort_key(member), reverse=descending)
            self._sorted[items] = rows
        return self._sorted[items]

    def _sort_key(self, member: str) -> Callable[[Row], tuple[bool, Any]]:
        """A key for a member's values; nulls come first, as in SQL Server."""
        if member == self.resource.identifier:
            return lambda row: (True, row.order)
        if member == "LastChangeTime":
            return lambda row: (row.changed is not None, row.changed)
        comparable = _COMPARABLE.get(self.resource.kinds[member], lambda value: value)

        def key(row: Row) -> tuple[bool, Any]:
            value = members_of(row).get(member)
            return (value is not None, None if value is None else comparable(value))

        return key


_COMPARABLE: Mapping[Kind, Callable[[Any], Any]] = {
    Kind.IDENTIFIER: lambda value: wire.identifier_order(UUID(value)),
    Kind.INSTANT: lambda value: wire.instant_of(value).ticks,
    Kind.TEXT: lambda value: str(value).casefold(),
}
