"""Reads a request's JSON body as the vendor's ASP.NET binder does.

Each criterion is parsed, so that a malformed value is refused, and then ignored, as in every
release of the vendor's server. What cannot be read raises the vendor's response as a `Refusal`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import msgspec

from booking_assets.sandbox import wire
from booking_assets.sandbox.resources import RESOURCES, Kind, Resource
from booking_assets.sandbox.responses import Refusal, ServerFault, invalid_request

_TYPES: Mapping[Kind | None, Any] = {
    None: dict[str, Any],
    Kind.TEXT: str | int | float | bool,
    Kind.IDENTIFIER: UUID,
    Kind.FLAG: bool,
    Kind.NUMBER: Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)],
    Kind.MEASURE: float,
}
SortItem = tuple[str, bool]
"""One name of a request's `Sort`, and whether it is descending."""

_Members = Mapping[str, tuple[str, Kind | None]]
"""By name in lower case: the proper name and the type; no type for an object."""


@dataclass(frozen=True)
class Query:
    """The `Filter` of a request, with the server's defaults."""

    page: int = 1
    page_size: int = 20
    sort: str = ""
    format: str = "json"

    def slice_of(self, total: int) -> slice:
        """Which of `total` rows belong to the page; all of them where a number is not positive."""
        if self.page <= 0 or self.page_size <= 0:
            return slice(0, total)
        # What is left of the product in unchecked 32-bit arithmetic.
        skip = ((self.page - 1) * self.page_size + 2**31) % 2**32 - 2**31
        if skip < 0:
            raise ServerFault("The offset specified in a OFFSET clause may not be negative.")
        return slice(skip, skip + self.page_size)


def query_of_body(body: bytes, resource: Resource) -> Query:
    """Read a JSON body; names in any case, unknown members ignored."""
    try:
        document = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        errors = {"": [f"The request body must be a JSON object: {error}."]}
        raise Refusal(invalid_request(errors)) from None
    wrong: dict[str, list[str]] = {}
    values = _converted(document, _BODIES[resource], "", wrong)
    if values.get("Filter"):
        values["Filter"] = _converted(values["Filter"], _FILTER, "Filter.", wrong)
    if wrong:
        raise Refusal(invalid_request(wrong))
    asked = values.get("Filter", {})
    if asked is None:
        raise ServerFault("Value cannot be null. (Parameter 'filter')")
    asked = {_FIELDS.get(name): value for name, value in asked.items() if value not in {None, ""}}
    return Query(**{field: value for field, value in asked.items() if field})


def sort_items(text: str, resource: Resource) -> tuple[SortItem, ...]:
    """Read a `Sort`: names in any case, separated by commas, each with `asc` or `desc` after it."""
    items = []
    for item in map(str.strip, text.split(",") if text else ()):
        name, _, direction = item.partition(" ")
        member = _SORTABLE[resource].get(name.lower())
        if member is None or direction.lower() not in {"", "asc", "desc"}:
            entity = f"{resource.noun}Entity"
            raise ServerFault(f"No property or field '{item}' exists in type '{entity}'")
        items.append((member, direction.lower() == "desc"))
    return tuple(items)


def _converted(
    document: Mapping[str, Any], members: _Members, path: str, errors: dict[str, list[str]]
) -> dict[str, Any]:
    """The known members of an object by their proper names; collects what does not convert."""
    values = {}
    for name, value in document.items():
        member, kind = members.get(name.lower(), ("", None))
        try:
            if member:
                values[member] = _convert(kind, value, nullable=member not in _NEVER_NULL)
        except (ValueError, TypeError, msgspec.ValidationError):
            shown = msgspec.json.encode(value).decode()[:80]
            errors[path + member] = [f"Error converting value {shown} for '{path}{member}'."]
    return values


def _convert(kind: Kind | None, value: Any, *, nullable: bool) -> Any:
    if nullable and (value is None or (value == "" and kind not in {Kind.TEXT, None})):
        return None
    if kind is Kind.INSTANT:
        return wire.instant_of(value)
    converted = msgspec.convert(value, _TYPES[kind], strict=False)
    return str(converted) if kind is Kind.TEXT else converted


def _members(kinds: Mapping[str, Kind | None]) -> _Members:
    return {name.lower(): (name, kind) for name, kind in kinds.items()}


_NEVER_NULL = frozenset({"Page", "PageSize"})
_FIELDS = {"Page": "page", "PageSize": "page_size", "Sort": "sort", "Format": "format"}
_FILTER = _members(dict.fromkeys(_FIELDS, Kind.TEXT) | dict.fromkeys(_NEVER_NULL, Kind.NUMBER))
_BODIES: Mapping[Resource, _Members] = {
    resource: _members(
        {"Identifier": Kind.IDENTIFIER, "Filter": None}
        | {name: kind for name, kind in resource.kinds.items() if name not in resource.not_criteria}
    )
    for resource in RESOURCES
}
_SORTABLE: Mapping[Resource, Mapping[str, str]] = {
    resource: {name.lower(): name for name in resource.kinds if name not in resource.not_sortable}
    for resource in RESOURCES
}
