"""How a resource's rows look on the wire, derived from the table that keeps them.

What lives here: for each resource its table, its members, their JSON types and other spellings.
What must not: decoding (`decoding`, `rows`), column meanings (`tables`).
Read more: https://jcristharif.com/msgspec/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, TypedDict

import dataframely as dy
import msgspec
import polars as pl

from booking_assets.api.wire import ALIASES, Resource
from booking_assets.api.wire import EVENTS as EVENTS_RESOURCE
from booking_assets.tables.contract import Flag, Identifier, Instant, Measure, Number, Table
from booking_assets.tables.raw import EVENT_MEMBERS, EVENTS, member_name

_INT32 = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
_JSON_TYPES: Mapping[type[dy.Column], Any] = {Flag: bool, Number: _INT32, Measure: float}


@dataclass(frozen=True)
class RowContract:
    """What a row of `resource` may hold, and where it is kept.

    Args:
        resource: the API's resource.
        table: the raw table of its rows.
        members: the columns that are members of the API's model, in its order.
    """

    resource: Resource
    table: Table
    members: Mapping[str, dy.Column]

    @cached_property
    def column_of(self) -> dict[str, str]:
        """The column of each member, by the reference's spelling."""
        return {member_name(column): column for column in self.members}

    @cached_property
    def spellings(self) -> dict[str, str]:
        """Other spellings of members: `EventId` -> `EventIdentifier`."""
        return {alias: name for alias, name in ALIASES.items() if name in self.column_of}

    @cached_property
    def types(self) -> dict[str, Any]:
        """The JSON type of each member, null included, under every spelling."""
        types = {
            member: _JSON_TYPES.get(type(self.members[column]), str) | None
            for member, column in self.column_of.items()
        }
        return types | {alias: types[name] for alias, name in self.spellings.items()}

    @cached_property
    def wire_dtypes(self) -> dict[str, pl.DataType]:
        """The polars type of each member as it arrives: instants are still text."""
        return {
            member: pl.String() if column in self.instants else self.members[column].dtype
            for member, column in self.column_of.items()
        }

    @cached_property
    def row_type(self) -> Any:
        """The type that msgspec decodes a row to: a dict with the members that are present."""
        return TypedDict(self.table.columns.__name__, self.types, total=False)  # type: ignore[operator]  # made from the contract

    @cached_property
    def identifiers(self) -> list[str]:
        """The columns that hold UUIDs."""
        return [name for name, column in self.members.items() if isinstance(column, Identifier)]

    @cached_property
    def instants(self) -> list[str]:
        """The columns that hold points in time."""
        return [name for name, column in self.members.items() if isinstance(column, Instant)]

    @cached_property
    def offsets(self) -> list[str]:
        """The instants of which the table also keeps the offset that the API wrote."""
        return [
            name for name in self.instants if f"{name}_offset_minutes" in self.table.column_names
        ]

    @cached_property
    def required(self) -> list[str]:
        """The member columns without which a row has no identity."""
        return [name for name, column in self.members.items() if not column.nullable]

    @cached_property
    def keeps_unknown(self) -> bool:
        """Whether members that the contract does not know are kept, in `extra`."""
        return "extra" in self.table.column_names


_EVENT_COLUMNS = EVENTS.columns.columns()

EVENT_ROWS = RowContract(
    resource=EVENTS_RESOURCE,
    table=EVENTS,
    members={name: _EVENT_COLUMNS[name] for name in EVENT_MEMBERS},
)
