"""Faults of the data: wrong counts, bad rows, rows that move or belong to another organization.

The HTTP responses are valid; failures of the server are in `availability`.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

import msgspec
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
from booking_assets.sandbox.resources import ACHIEVEMENTS, EVENTS, GROUPS, REGISTRATIONS, Resource
from booking_assets.sandbox.rows import Row, Rows, raw_members
from booking_assets.sandbox.tenants import Tenant

# msgspec copies raw text as it is, also text that is no JSON.
_BAD_VALUES: dict[str, tuple[str, Any]] = {
    "not_uuid": ("identifier", "not-a-uuid"),
    "null_identifier": ("identifier", None),
    "text_in_number": ("number", "twelve"),
    "too_large": ("number", 2**40),
    "fraction": ("number", 1.5),
    "nan": ("number", msgspec.Raw(b"NaN")),
    "impossible_date": ("instant", "2026-02-30T10:00:00-07:00"),
    "text_in_date": ("instant", "soon"),
    "object_in_text": ("text", {"en": ["text"]}),
    "invalid_utf8": ("text", msgspec.Raw(b'"\xff\xfe\x80"')),
}
_TARGETS: dict[Resource, tuple[str, str, str]] = {
    EVENTS: ("CapacityMaximum", "EventTitle", "EventScheduledStart"),
    REGISTRATIONS: ("RegistrationSequence", "ApprovalStatus", "LastChangeTime"),
    GROUPS: ("GroupCapacity", "GroupCode", "LastChangeTime"),
    ACHIEVEMENTS: ("ExpirationLifetimeQuantity", "AchievementTitle", "ExpirationFixedDate"),
}
"""A number, a text and an instant of each resource's rows."""
BAD_ROWS = (*_BAD_VALUES, "no_identifier", "duplicate_members", "not_object")
"""Every kind of bad row, in the order in which `bad_rows=all` sends them."""

DIFFERENCE = Value("DIFFERENCE", "DIFFERENCE is a whole number, not 0", int, bool)
PAGES = Value("PAGES", "PAGES is a whole number from 0", int, lambda pages: pages >= 0)
ROWS = Value("ROWS", "ROWS is a whole number from 0", int, lambda rows: rows >= 0)


@switch(DIFFERENCE)
def count_off(difference: int, _: FaultContext) -> Handler:
    """The count is so much too high, or too low where negative."""

    async def handle(request: FaultRequest, forward: Forward) -> Response:
        response = await forward(request)
        if request.operation == "count" and response.status_code == 200:  # noqa: PLR2004
            count = msgspec.json.decode(bytes(response.body))["Count"]
            wrong = wire.json_text({"Count": max(count + difference, 0)})
            return Response(wrong, media_type=response.headers["content-type"])
        return response

    return handle


@switch(FLAG)
def no_header(value: str, _: FaultContext) -> Handler:  # noqa: ARG001 - a flag has none
    """Pages come without X-Query-Pagination."""

    async def handle(request: FaultRequest, forward: Forward) -> Response:
        response = await forward(request)
        del response.headers["X-Query-Pagination"]
        return response

    return handle


@switch(one_of("KIND", "all", *BAD_ROWS))
def bad_rows(kind: str, _: FaultContext) -> Handler:
    """Three rows that cannot be typed, or one of each kind; all others are good."""
    kinds = BAD_ROWS if kind == "all" else (kind,) * 3

    def change(rows: Rows, request: FaultRequest) -> Rows:
        if request.operation != "collect":
            return rows
        own = list(rows)
        for place, name in zip(range(1, len(own), 2), kinds, strict=False):
            own[place] = own[place]._replace(json=_broken(name, own[place], rows.resource))
        return Rows(rows.resource, own)

    return of_rows(change)


@switch(PAGES)
def delete_between(pages: int, _: FaultContext) -> Handler:
    """After so many pages the first row is deleted."""
    return of_rows(
        lambda rows, request: Rows(rows.resource, list(rows)[int(request.collected >= pages) :])
    )


@switch(ROWS)
def rebuild(rows: int, _: FaultContext) -> Handler:
    """The read model is being rebuilt: it has only so many rows, with status 200."""
    return of_rows(lambda table, _: Rows(table.resource, list(table)[:rows]))


@switch(FLAG)
def foreign_row(value: str, _: FaultContext) -> Handler:  # noqa: ARG001 - a flag has none
    """One row among the pages belongs to another organization."""

    def change(rows: Rows, request: FaultRequest) -> Rows:
        own = list(rows)
        if own and request.tenant is not None:
            owner = stranger_to(request.tenant)
            own[len(own) // 2] = rewritten(own[len(own) // 2], {"OrganizationIdentifier": owner})
        return Rows(rows.resource, own)

    return of_rows(change)


def stranger_to(tenant: Tenant) -> UUID:
    """An organization that the sandbox does not have, another for each tenant."""
    return uuid5(tenant.identifier, "stranger")


def rewritten(row: Row, values: dict[str, Any]) -> Row:
    """The row with other values."""
    return row._replace(json=wire.row_json(raw_members(row) | values))


def _broken(kind: str, row: Row, resource: Resource) -> bytes:
    members = raw_members(row)
    targets = dict(zip(("number", "text", "instant"), _TARGETS[resource], strict=True))
    # A later release has short names.
    short = resource.identifier.removesuffix("entifier")
    targets["identifier"] = short if short in members else resource.identifier
    if kind == "not_object":
        return msgspec.json.encode([members[targets["identifier"]]])
    if kind == "duplicate_members":
        once = msgspec.json.encode(members | {targets["number"]: 1})
        return once[:-1] + f',"{targets["number"]}":2}}'.encode()
    if kind == "no_identifier":
        del members[targets["identifier"]]
    else:
        target, value = _BAD_VALUES[kind]
        members[targets[target]] = value
    return msgspec.json.encode(members)
