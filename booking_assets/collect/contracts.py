"""`RowContract`: the members of a resource's rows, their JSON types and aliases, and their table.

They are derived from the table's columns (`tables`); `decoding` and `rows` apply them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import msgspec
import polars as pl

from booking_assets.api import wire
from booking_assets.tables.contract import Column, Flag, Identifier, Instant, Measure, Number, Table
from booking_assets.tables.raw import (
    ACHIEVEMENTS,
    EVENT_MEMBERS,
    EVENTS,
    GROUPS,
    REGISTRATIONS,
    member_name,
)

_INT32 = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
_JSON_TYPES: Mapping[type[Column], Any] = {Flag: bool, Number: _INT32, Measure: float}


@dataclass(frozen=True, eq=False)
class RowContract:
    """The members of a row of `resource`, and the raw table that stores them.

    `members` are the columns that are members of the API's model, in its order.
    """

    resource: wire.Resource
    table: Table
    members: Mapping[str, Column]

    @property
    def is_closed(self) -> bool:
        """Whether members beyond the contract are never read: the table has no column `extra`."""
        return "extra" not in self.table.column_names

    @cached_property
    def column_of(self) -> dict[str, str]:
        """The column of each member, by the reference's name."""
        return {member_name(column): column for column in self.members}

    @property
    def identifier_column(self) -> str:
        """The column of the row's identifier."""
        return self.column_of[self.resource.identifier]

    @cached_property
    def aliases(self) -> dict[str, str]:
        """Other names of members: `EventId` -> `EventIdentifier`."""
        return {alias: name for alias, name in wire.ALIASES.items() if name in self.column_of}

    @cached_property
    def member_of(self) -> dict[str, str]:
        """The member of each name, its own name and its aliases."""
        return {name: name for name in self.column_of} | self.aliases

    @cached_property
    def types(self) -> dict[str, Any]:
        """The JSON type of each name, null included."""
        return {
            name: _JSON_TYPES.get(type(self.members[self.column_of[member]]), str) | None
            for name, member in self.member_of.items()
        }

    @cached_property
    def wire_dtypes(self) -> dict[str, pl.DataType]:
        """The polars type of each column as it arrives: instants are still text."""
        return {
            name: pl.String() if name in self.instants else column.dtype
            for name, column in self.members.items()
        }

    @cached_property
    def identifiers(self) -> list[str]:
        """The columns of UUIDs."""
        return [name for name, column in self.members.items() if isinstance(column, Identifier)]

    @cached_property
    def instants(self) -> list[str]:
        """The columns of points in time."""
        return [name for name, column in self.members.items() if isinstance(column, Instant)]

    @cached_property
    def required(self) -> list[str]:
        """The member columns that are never null."""
        return [name for name, column in self.members.items() if not column.nullable]


_EVENT_COLUMNS = EVENTS.columns.columns()
_NOT_SENT = {"organization", "collected_at"}


def _allow_list(resource: wire.Resource, table: Table) -> RowContract:
    """The contract of rows of which the table's columns alone are decoded."""
    columns = table.columns.columns()
    members = {name: column for name, column in columns.items() if name not in _NOT_SENT}
    # Not stored, but every row must name its owner.
    owner = {"organization_identifier": _EVENT_COLUMNS["organization_identifier"]}
    return RowContract(resource, table, owner | members)


EVENT_ROWS = RowContract(
    wire.EVENTS, EVENTS, members={name: _EVENT_COLUMNS[name] for name in EVENT_MEMBERS}
)
REGISTRATION_ROWS = _allow_list(wire.REGISTRATIONS, REGISTRATIONS)
GROUP_ROWS = _allow_list(wire.GROUPS, GROUPS)
ACHIEVEMENT_ROWS = _allow_list(wire.ACHIEVEMENTS, ACHIEVEMENTS)
