"""Rarer faults of the data: pages not as asked for, other releases, rows that move without end."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from http import HTTPStatus
from random import Random
from typing import Any
from uuid import UUID

from starlette.responses import Response

from booking_assets.sandbox import wire
from booking_assets.sandbox.faults.contract import (
    FLAG,
    FaultContext,
    FaultRequest,
    Forward,
    Handler,
    Value,
    of_rows,
    one_of,
    switch,
)
from booking_assets.sandbox.faults.data import (
    DIFFERENCE,
    PAGES,
    rewritten,
)
from booking_assets.sandbox.faults.registry import tenant_called
from booking_assets.sandbox.query import Query
from booking_assets.sandbox.resources import (
    ACHIEVEMENTS,
    EVENTS,
    GROUPS,
    REGISTRATIONS,
    Resource,
)
from booking_assets.sandbox.rows import Page, Row, Rows, raw_members
from booking_assets.sandbox.tenants import Tenant
from booking_assets_tests.faults.availability import authorized_by, with_body

SIZE = Value("ROWS", "ROWS is a whole number above 0", int, lambda rows: rows > 0)
EVERY = Value("PAGES", "PAGES is a whole number above 0", int, lambda pages: pages > 0)
SLUG = Value("SLUG", "SLUG is an organization of the sandbox", str, bool)

LATER_NAMES: Mapping[str, str] = {
    member: member.removesuffix("entifier")
    for resource in (EVENTS, GROUPS, ACHIEVEMENTS)
    for member in resource.kinds
    if member.endswith("Identifier")
}
"""The names of era C, by those of era A."""

LATER_PREFIX = "/api"
"""What era C puts before `/booking`."""

# One of each type that JSON knows; a row has one of them, by its identifier.
_UNDOCUMENTED: tuple[tuple[str, Any], ...] = (
    ("SandboxText", "Grüße, 世界 \U0001f30d"),
    ("SandboxNumber", 2**60),
    ("SandboxFraction", -1.5e300),
    ("SandboxFlag", True),
    ("SandboxNull", None),
    ("SandboxList", [1, "two", None, {"three": 3}]),
    ("SandboxObject", {"EventTitle": {"en": "text"}, "deep": [[[]]]}),
)
_DATE_TIME = re.compile(
    rb'"(?P<whole>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?P<fraction>\.\d{1,7})?(?P<offset>[+-]\d\d:\d\d)"'
)
_FAR_EAST = 14 * 60


class RowsView(Rows):
    """Other rows under the same methods: a fault overrides the one that it changes."""

    def __init__(self, rows: Rows) -> None:
        self.resource = rows.resource
        self._rows = rows

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def count(self) -> int:
        return self._rows.count()

    def get(self, identifier: UUID) -> Row | None:
        return self._rows.get(identifier)

    def page(self, query: Query) -> Page:
        return self._rows.page(query)


class EachRow(RowsView):
    """Rows that are sent otherwise than the server has them."""

    def __init__(self, rows: Rows, change: Callable[[Row], Row]) -> None:
        super().__init__(rows)
        self._change = change

    def __iter__(self) -> Iterator[Row]:
        return map(self._change, super().__iter__())

    def get(self, identifier: UUID) -> Row | None:
        row = super().get(identifier)
        return None if row is None else self._change(row)

    def page(self, query: Query) -> Page:
        page = super().page(query)
        return replace(page, rows=[self._change(row) for row in page.rows])


class Recut(RowsView):
    """Pages cut from all rows in another way: `cut` gets them and what was asked for."""

    def __init__(self, rows: Rows, cut: Callable[[list[Row], slice], list[Row]]) -> None:
        super().__init__(rows)
        self._cut = cut

    def page(self, query: Query) -> Page:
        page = super().page(query)
        everything = list(super().page(replace(query, page=0)).rows)
        return replace(page, rows=self._cut(everything, query.slice_of(page.total)))


def _capped(most: int, *, silently: bool) -> Handler:
    class Capped(RowsView):
        def page(self, query: Query) -> Page:
            if 0 < query.page_size <= most:
                return super().page(query)
            page = super().page(replace(query, page=max(query.page, 1), page_size=most))
            return replace(page, size=query.page_size) if silently else page

    return of_rows(lambda rows, _: Capped(rows))


@switch(SIZE)
def cap_page_size(most: int, context: FaultContext) -> Handler:
    """Pages hold at most so many rows, and the header says so."""
    return _capped(most, silently=False)


@switch(SIZE)
def cap_page_size_silently(most: int, context: FaultContext) -> Handler:
    """Pages hold at most so many rows, and the header repeats what was asked for."""
    return _capped(most, silently=True)


@switch(DIFFERENCE)
def header_off(difference: int, context: FaultContext) -> Handler:
    """The header's TotalCount is so much too high, or too low where negative."""

    class Off(RowsView):
        def page(self, query: Query) -> Page:
            page = super().page(query)
            return replace(page, total=max(page.total + difference, 0))

    return of_rows(lambda rows, _: Off(rows))


@switch(one_of("ERA", "B", "C"), everywhere=True)
def era(letter: str, context: FaultContext) -> Handler:
    """Names of release B or C; C has short names, but of registrations, below the prefix /api."""
    names = LATER_NAMES if letter == "C" else {}

    def change(row: Row) -> Row:
        members = raw_members(row)
        members.pop("ExamScoreWarnings", None)
        renamed = {names.get(name, name): value for name, value in members.items()}
        return row._replace(json=wire.row_json(renamed))

    rows_of_era = of_rows(
        lambda rows, _: rows if rows.resource is REGISTRATIONS else EachRow(rows, change)
    )

    async def handle(request: FaultRequest, forward: Forward) -> Response:
        if letter == "C":
            before, prefix, rest = request.scope["path"].partition(LATER_PREFIX)
            if not prefix:
                return Response(None, HTTPStatus.NOT_FOUND)
            request = replace(request, scope={**request.scope, "path": before + rest})
        response = await rows_of_era(request, forward)
        resource = request.resource
        if letter == "B" or resource in (None, REGISTRATIONS) or request.operation != "search":
            return response
        old = resource.identifier
        new = f'"{LATER_NAMES[old]}"'.encode()
        return with_body(response, bytes(response.body).replace(f'"{old}"'.encode(), new))

    return handle


@switch(FLAG)
def unknown_members(value: str, context: FaultContext) -> Handler:
    """Each row has a member that no release documents, of one of JSON's types."""

    def change(row: Row) -> Row:
        name, unknown = _UNDOCUMENTED[UUID(row.identifier).int % len(_UNDOCUMENTED)]
        return rewritten(row, {name: unknown})

    return of_rows(lambda rows, _: EachRow(rows, change))


def _at_offset(found: re.Match[bytes], offset: int) -> bytes:
    instant = wire.instant_of(found[0].decode().strip('"'))
    return f'"{wire.date_time(wire.Instant(instant.ticks, offset))}"'.encode()


def _with_fraction(found: re.Match[bytes], fraction: bytes) -> bytes:
    return b'"' + found["whole"] + fraction + found["offset"] + b'"'


_FORMS: Mapping[str, Callable[[re.Match[bytes]], bytes]] = {
    "utc": lambda found: _at_offset(found, 0),
    "far": lambda found: _at_offset(found, _FAR_EAST),
    "zulu": lambda found: _at_offset(found, 0).replace(b'+00:00"', b'Z"'),
    "seven_digits": lambda found: _with_fraction(found, (found["fraction"] or b".").ljust(8, b"0")),
    "nine_digits": lambda found: _with_fraction(found, (found["fraction"] or b".").ljust(10, b"0")),
    "no_digits": lambda found: _with_fraction(found, b""),
    "no_offset": lambda found: b'"' + found["whole"] + (found["fraction"] or b"") + b'"',
}


@switch(one_of("FORM", *_FORMS))
def date_times(form: str, context: FaultContext) -> Handler:
    """Date-times in another form: far is +14:00; no_digits and no_offset lose something."""

    def change(row: Row) -> Row:
        return row._replace(json=_DATE_TIME.sub(_FORMS[form], row.json))

    return of_rows(lambda rows, _: EachRow(rows, change))


def _shifted(by: int) -> Handler:
    def cut(rows: list[Row], part: slice) -> list[Row]:
        late = by if part.start > 0 else 0
        return rows[max(part.start + late, 0) : max(part.stop + late, 0)]

    return of_rows(lambda rows, _: Recut(rows, cut))


@switch(SIZE)
def repeat_rows(rows: int, context: FaultContext) -> Handler:
    """Every page after the first begins so many rows early; the last rows never come."""
    return _shifted(-rows)


@switch(SIZE)
def skip_rows(rows: int, context: FaultContext) -> Handler:
    """Every page after the first begins so many rows late."""
    return _shifted(rows)


@switch(FLAG)
def unsorted(value: str, context: FaultContext) -> Handler:
    """The sort is ignored: each page is cut from another order."""

    def change(rows: Rows, request: FaultRequest) -> Rows:
        chance = Random(f"{context.seed}/{context.fault}/{request.collected}")
        return Recut(rows, lambda own, part: chance.sample(own, len(own))[part])

    return of_rows(change)


def _changed_at(row: Row, moment: int) -> Row:
    """The row with that moment (ticks) as its last change."""
    text = wire.date_time(wire.Instant(moment, 0))
    return rewritten(row, {"LastChangeTime": text})._replace(changed=moment)


def _copied(row: Row, resource: Resource, number: int) -> Row:
    # The server's order compares the last bytes first: zeros come before every random identifier.
    own = UUID(row.identifier).bytes[:4] + number.to_bytes(4, "big")
    identifier = UUID(bytes=own + bytes(8))
    copy = rewritten(row, {resource.identifier: identifier})
    return Row.of(identifier, copy.changed, copy.json)


def _inserting(inserted: Callable[[int], int], context: FaultContext) -> Handler:
    """Insert copies of the first row, as many as follow from the number of pages asked for."""
    moments: dict[tuple[Tenant | None, Resource, int], int] = {}

    def change(rows: Rows, request: FaultRequest) -> Rows:
        numbers = range(inserted(request.collected))
        first = next(iter(rows), None)
        if first is None or not numbers:
            return rows
        new = []
        for number in numbers:
            # The moment at which the row was first seen.
            key = (request.tenant, rows.resource, number)
            moment = moments.setdefault(key, wire.ticks_of(context.world.now()))
            new.append(_changed_at(_copied(first, rows.resource, number), moment))
        return Rows(rows.resource, [*new, *rows])

    return of_rows(change)


@switch(PAGES)
def insert_between(pages: int, context: FaultContext) -> Handler:
    """After so many pages a row is inserted before all others."""
    return _inserting(lambda collected: int(collected >= pages), context)


@switch(EVERY)
def insert_every(pages: int, context: FaultContext) -> Handler:
    """Another row is inserted after every so many pages, without end."""
    return _inserting(lambda collected: collected // pages, context)


@switch(PAGES)
def change_between(pages: int, context: FaultContext) -> Handler:
    """After so many pages the first and the last row are changed."""
    moments: dict[tuple[Tenant | None, Resource], int] = {}

    def change(rows: Rows, request: FaultRequest) -> Rows:
        own = list(rows)
        if request.collected < pages or not own:
            return rows
        moment = moments.setdefault(
            (request.tenant, rows.resource), wire.ticks_of(context.world.now())
        )
        for place in (0, -1):
            changed = rewritten(own[place], {"LastChangeType": "SandboxChanged"})
            own[place] = _changed_at(changed, moment)
        return Rows(rows.resource, own)

    return of_rows(change)


@switch(SLUG)
def foreign_token(slug: str, context: FaultContext) -> Handler:
    """The token answers for organization SLUG, against its claim."""
    other = tenant_called(slug, context.world, context.fault)

    async def handle(request: FaultRequest, forward: Forward) -> Response:
        # Somebody without a token stays somebody without a token.
        return await forward(authorized_by(request, other.token) if request.tenant else request)

    return handle
