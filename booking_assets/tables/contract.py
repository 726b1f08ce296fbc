"""What a table contract is made of: column kinds, `Schema` and `Table`.

The tables are in `raw`, `names`, `capacity` and `marts`; DuckDB's type names: `warehouse.ddl`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from types import MappingProxyType
from typing import ClassVar

import polars as pl

UUID_PATTERN = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"


@dataclass(frozen=True)
class Column:
    """A column: what it means, with its unit, and whether it may be null. Its kind is its class."""

    description: str
    nullable: bool = True
    dtype: ClassVar[pl.DataType]


class Identifier(Column):
    """A UUID: 36 characters of text in frames, which have no such type; `UUID` in the warehouse."""

    dtype = pl.String()


@dataclass(frozen=True)
class Text(Column):
    """Text of any length, kept as received.

    `free` text is written by people, and may be personal: it is stored, but shown nowhere else.
    """

    free: bool = False
    dtype: ClassVar[pl.DataType] = pl.String()


@dataclass(frozen=True)
class State(Text):
    """One of some words, each with its meaning; the description lists them."""

    words: Mapping[str, str] = field(kw_only=True)

    def __post_init__(self) -> None:
        """Add the words to the description."""
        listed = f"{self.description} One of: {', '.join(self.words)}."
        object.__setattr__(self, "description", listed)


class Json(Column):
    """One JSON value as text."""

    dtype = pl.String()


class Flag(Column):
    """True, false, or null where the API sent neither."""

    dtype = pl.Boolean()


class Number(Column):
    """A small whole number, 32 bits as in the API."""

    dtype = pl.Int32()


class Count(Column):
    """A number of things, 64 bits."""

    dtype = pl.Int64()


class Measure(Column):
    """A quantity or a ratio; its unit is in the description."""

    dtype = pl.Float64()


class Instant(Column):
    """A point in time, microseconds, UTC: the only form in which times are passed and stored."""

    dtype = pl.Datetime("us", "UTC")


class Day(Column):
    """A calendar day, without a time or a zone."""

    dtype = pl.Date()


class Schema:
    """The columns of a table: class attributes, in order; a subclass adds columns at the end.

    The docstring is the table's description, in DuckDB's comments, Dagster and the docs.
    """

    @classmethod
    @cache
    def columns(cls) -> Mapping[str, Column]:
        """The columns by name, in their stored order."""
        return MappingProxyType(
            {
                name: column
                for base in reversed(cls.__mro__)
                for name, column in vars(base).items()
                if isinstance(column, Column)
            }
        )


@dataclass(frozen=True)
class Table:
    """A stored table: `name` as `schema.table`, what one row stands for, and its columns.

    `grain` names the columns that identify a row; two nulls are equal (a null venue is a group of
    its own). A log without a key has none.
    """

    name: str
    columns: type[Schema]
    row: str
    grain: tuple[str, ...]

    @property
    def description(self) -> str:
        """The docstring of `columns`."""
        return self.columns.__doc__ or ""

    @property
    def schema(self) -> str:
        """The DuckDB schema, which is also the Dagster group: `raw` or `marts`."""
        return self.name.partition(".")[0]

    @property
    def short_name(self) -> str:
        """The table's name within its schema."""
        return self.name.partition(".")[2]

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        """The columns in their stored order."""
        return tuple(self.columns.columns())

    @cached_property
    def dtypes(self) -> dict[str, pl.DataType]:
        """The polars type of each column, in order."""
        return {name: column.dtype for name, column in self.columns.columns().items()}

    @property
    def meanings(self) -> dict[str, str]:
        """The description of each column: DuckDB's comments and the docs are made from it."""
        return {name: column.description for name, column in self.columns.columns().items()}

    @property
    def required(self) -> tuple[str, ...]:
        """The columns that are never null."""
        return tuple(name for name, column in self.columns.columns().items() if not column.nullable)

    def empty(self) -> pl.DataFrame:
        """A frame of this table with no rows."""
        return self._empty.clone()

    @cached_property
    def _empty(self) -> pl.DataFrame:
        return pl.DataFrame(schema=self.dtypes)


@dataclass(frozen=True)
class History(Table):
    """A table of versions of another table's rows, extended and never derived again.

    Its columns are those of `source` that it keeps, `valid_from`, `valid_to`, and `change` where a
    deletion is a row as well. `instant` names the column of `source` that says when a row was seen;
    where that is null, the row is unknown and has no version. `changes` is the table to which each
    changed column is appended, but those of `not_in_changes`: they change with every other one.
    """

    source: Table
    instant: str
    changes: Table | None = None
    not_in_changes: tuple[str, ...] = ()

    @property
    def members(self) -> tuple[str, ...]:
        """The columns whose values make a version."""
        others = {"valid_from", "valid_to", "change", self.instant}
        return tuple(name for name in self.column_names if name not in others)

    @property
    def members_in_changes(self) -> tuple[str, ...]:
        """The members whose changes are appended to `changes`."""
        return tuple(name for name in self.members if name not in self.not_in_changes)
