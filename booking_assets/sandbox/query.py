"""What a request asks: a JSON body or a query string, read as the vendor's binder reads it.

What lives here: `Query`, and the criteria: each is parsed, so a malformed one is refused, and then
ignored, as in every release of the vendor's server.
What must not: answering (`application`, `answers`).
Read more: https://learn.microsoft.com/en-us/aspnet/core/mvc/models/model-binding
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from booking_assets.sandbox import wire
from booking_assets.sandbox.resources import EVENTS, REGISTRATIONS, Resource
from booking_assets.sandbox.rows import SortItem
from booking_assets.tables import contract

_INT32 = range(-(2**31), 2**31)
_Value = TypeVar("_Value")
_Members = Mapping[str, tuple[str, Callable[[Any], Any]]]


class InvalidRequestError(Exception):
    """A body or a query string that does not bind; `errors` lists the messages by member."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__(errors)
        self.errors = errors


class ServerFaultError(Exception):
    """What makes the vendor's server fail with a 500; the message is its exception's."""


@dataclass(frozen=True)
class Query:
    """The `Filter` of a request, with the server's defaults."""

    page: int = 1
    page_size: int = 20
    sort: str = ""
    includes: str = ""
    format: str = "json"

    def slice_of(self, total: int) -> slice:
        """Which of `total` rows belong to the page; all of them where a number is not positive.

        Raises:
            ServerFaultError: The rows to skip overflow 32 bits and come out negative.
        """
        if self.page <= 0 or self.page_size <= 0:
            return slice(0, total)
        skip = _wrapped((self.page - 1) * self.page_size)
        if skip < 0:
            raise ServerFaultError(
                "The offset specified in a OFFSET clause may not be negative.",
            )
        return slice(skip, skip + self.page_size)


def query_of_body(body: bytes, resource: Resource = EVENTS) -> Query:
    """Read a JSON body; names in any case, unknown members ignored.

    Raises:
        InvalidRequestError: The body is empty, no JSON object, or a value does not convert.
        ServerFaultError: `Filter` is null.
    """
    if not body.strip():
        raise InvalidRequestError({"": ["A non-empty request body is required."]})
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequestError({"": [f"Invalid JSON: {error}."]}) from None
    if not isinstance(document, dict):
        raise InvalidRequestError({"": ["The request body must be a JSON object."]})
    return _bound(document, resource)


def query_of_parameters(
    parameters: Iterable[tuple[str, str]], resource: Resource = EVENTS
) -> Query:
    """Read a query string, where `Filter.Page=2` stands for a member of a member.

    Raises:
        InvalidRequestError: A value does not convert.
    """
    document: dict[str, Any] = {}
    for name, value in parameters:
        outer, _, inner = name.lower().partition(".")
        if inner:
            document.setdefault(outer, {})[inner] = value
        elif outer not in _NESTED:
            document[outer] = value
    return _bound(document, resource)


def sort_items(text: str, resource: Resource = EVENTS) -> tuple[SortItem, ...]:
    """Read a `Sort`: names in any case, each with `asc` or `desc` after one blank, by commas.

    Raises:
        ServerFaultError: A name is unknown or missing.
    """
    if not text:
        return ()
    return tuple(_sort_item(item.strip(), resource) for item in text.split(","))


def _sort_item(item: str, resource: Resource) -> SortItem:
    name, _, direction = item.partition(" ")
    member = _SORTABLE[resource].get(name.lower())
    if member is None or direction.lower() not in {"", "asc", "desc"}:
        entity = f"{resource.noun}Entity"
        raise ServerFaultError(f"No property or field '{item}' exists in type '{entity}'")
    return SortItem(member, descending=direction.lower() == "desc")


def _bound(document: Mapping[str, Any], resource: Resource) -> Query:
    errors: dict[str, list[str]] = {}
    values = _converted(document, _BODIES[resource], "", errors)
    nested = {
        name: _converted(values[name], members, f"{name}.", errors)
        for name, members in _MEMBERS_OF.items()
        if isinstance(values.get(name), dict)
    }
    if errors:
        raise InvalidRequestError(errors)
    if "Filter" in values and values["Filter"] is None:
        raise ServerFaultError("Value cannot be null. (Parameter 'filter')")
    filter_ = nested.get("Filter", {})
    return Query(
        page=filter_.get("Page", Query.page),
        page_size=filter_.get("PageSize", Query.page_size),
        sort=filter_.get("Sort") or Query.sort,
        includes=filter_.get("Includes") or Query.includes,
        format=filter_.get("Format") or Query.format,
    )


def _converted(
    document: Mapping[str, Any],
    members: _Members,
    path: str,
    errors: dict[str, list[str]],
) -> dict[str, Any]:
    """The known members of an object by their proper names; what does not convert is noted."""
    values = {}
    for name, value in document.items():
        member, convert = members.get(name.lower(), (name, None))
        if convert is None:
            continue
        try:
            values[member] = convert(value)
        except (ValueError, TypeError, LookupError, AttributeError):
            errors[path + member] = [
                f"Error converting value {_shown(value)} for '{path}{member}'."
            ]
    return values


def _shown(value: Any) -> str:
    return msgspec.json.encode(value).decode()[:80]


def _wrapped(number: int) -> int:
    """What is left of a number in unchecked 32-bit arithmetic."""
    return (number + 2**31) % 2**32 - 2**31


def _nullable(convert: Callable[[Any], _Value]) -> Callable[[Any], _Value | None]:
    return lambda value: None if value is None or value == "" else convert(value)


def _identifier(value: Any) -> UUID:
    return UUID(value)


def _instant(value: Any) -> wire.Instant:
    return wire.instant_of(value)


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}[value.strip().lower()]


def _number(value: Any) -> int:
    if isinstance(value, bool | float):
        raise TypeError(value)
    number = int(value)
    if number not in _INT32:
        raise ValueError(value)
    return number


def _measure(value: Any) -> float:
    return float(value)


def _text(value: Any) -> str | None:
    if isinstance(value, dict | list):
        raise TypeError(value)
    return None if value is None else str(value)


def _object(value: Any) -> dict[str, Any] | None:
    if value is not None and not isinstance(value, dict):
        raise TypeError(value)
    return value


_CONVERT: dict[type, Callable[[Any], Any]] = {
    contract.Identifier: _nullable(_identifier),
    contract.Flag: _nullable(_flag),
    contract.Number: _nullable(_number),
    contract.Measure: _nullable(_measure),
    contract.Instant: _nullable(_instant),
    contract.Text: _text,
}


def _members(converters: Mapping[str, Callable[[Any], Any]]) -> _Members:
    return {name.lower(): (name, convert) for name, convert in converters.items()}


_MEMBERS_OF: dict[str, _Members] = {
    "Filter": _members(
        {
            "Page": _number,
            "PageSize": _number,
            "Sort": _text,
            "Excludes": _text,
            "Includes": _text,
            "Format": _text,
        }
    ),
    "Origin": _members(
        {
            "When": _nullable(_instant),
            "Organization": _nullable(_identifier),
            "User": _nullable(_identifier),
            "Proxy": _nullable(_identifier),
            "Description": _text,
            "Reason": _text,
            "Source": _text,
        }
    ),
}
_NESTED = frozenset({"filter", "origin", "texts"})


def _body(resource: Resource) -> _Members:
    criteria = {
        member: _CONVERT[kind]
        for member, kind in resource.kinds.items()
        if member not in resource.not_criteria
    }
    outer = {"Filter": _object, "Origin": _object, "Texts": _object}
    return _members({"Identifier": _nullable(_identifier), **outer, **criteria})


_BODIES: Mapping[Resource, _Members] = {
    resource: _body(resource) for resource in (EVENTS, REGISTRATIONS)
}
_SORTABLE: Mapping[Resource, Mapping[str, str]] = {
    resource: {
        member.lower(): member for member in resource.kinds if member not in resource.not_sortable
    }
    for resource in (EVENTS, REGISTRATIONS)
}
