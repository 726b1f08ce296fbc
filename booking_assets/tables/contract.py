"""What a table contract is made of: the closed set of column kinds, and `Table`.

What lives here: one column kind for each type that the warehouse stores, and the record that ties a
dataframely schema to a table's name, grain and meaning.
What must not: any particular table (`raw`, `marts`), DuckDB's type names (`warehouse.ddl`).
Read more: https://dataframely.readthedocs.io/latest/sites/api/schema/
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import dataframely as dy
import polars as pl

UUID_PATTERN = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"


class Identifier(dy.String):
    """A UUID: 36 characters of text in frames, which have no such type; `UUID` in the warehouse."""

    def __init__(self, description: str, *, nullable: bool = True) -> None:
        super().__init__(description=description, nullable=nullable, regex=UUID_PATTERN)


class Text(dy.String):
    """Text of any length, kept as received.

    `free` text is written by people, and may be personal: it is stored, but shown nowhere else.
    """

    def __init__(self, description: str, *, nullable: bool = True, free: bool = False) -> None:
        super().__init__(description=description, nullable=nullable)
        self.free = free


class Json(dy.String):
    """One JSON value as text."""

    def __init__(self, description: str, *, nullable: bool = True) -> None:
        super().__init__(description=description, nullable=nullable)


class Flag(dy.Bool):
    """True, false, or null where the API said neither."""

    def __init__(self, description: str, *, nullable: bool = True) -> None:
        super().__init__(description=description, nullable=nullable)


class Number(dy.Int32):
    """A small whole number, 32 bits as in the API."""

    def __init__(self, description: str, *, nullable: bool = True) -> None:
        super().__init__(description=description, nullable=nullable)


class Count(dy.Int64):
    """How many there are of something, 64 bits."""

    def __init__(self, description: str, *, nullable: bool = True) -> None:
        super().__init__(description=description, nullable=nullable)


class Measure(dy.Float64):
    """A quantity or a ratio; its unit is in the description."""

    def __init__(self, description: str, *, nullable: bool = True) -> None:
        super().__init__(description=description, nullable=nullable)


class Instant(dy.Datetime):
    """A point in time, microseconds, UTC: the only form in which times travel and are stored."""

    def __init__(self, description: str, *, nullable: bool = True) -> None:
        super().__init__(
            description=description, nullable=nullable, time_unit="us", time_zone="UTC"
        )


class Day(dy.Date):
    """A calendar day, without a time or a zone."""

    def __init__(self, description: str, *, nullable: bool = True) -> None:
        super().__init__(description=description, nullable=nullable)


def copy_column(schema: type[dy.Schema], name: str) -> Any:
    """The column `name` of another schema, to be carried over unchanged in type and meaning."""
    return copy.copy(schema.columns()[name])


@dataclass(frozen=True)
class Table:
    """A stored table: `name` as `schema.table`, what one row stands for, and its columns.

    `grain` names the columns that tell the rows apart: no two rows agree in all of them, where two
    nulls agree (a null venue is a group of its own). A log without a key has none.
    """

    name: str
    columns: type[dy.Schema]
    row: str
    description: str
    grain: tuple[str, ...]

    @property
    def schema(self) -> str:
        """The DuckDB schema, which is also the Dagster group: `raw` or `marts`."""
        return self.name.partition(".")[0]

    @property
    def short_name(self) -> str:
        """The table's name within its schema."""
        return self.name.partition(".")[2]

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns in their stored order."""
        return tuple(self.columns.columns())

    @property
    def dtypes(self) -> dict[str, pl.DataType]:
        """The polars type of each column, in order: what a frame of this table must have."""
        return {name: column.dtype for name, column in self.columns.columns().items()}

    @property
    def meanings(self) -> dict[str, str]:
        """What each column means, with its unit: comments and documentation are made from it."""
        return {name: column.description or "" for name, column in self.columns.columns().items()}

    @property
    def required(self) -> tuple[str, ...]:
        """The columns that are never null."""
        return tuple(name for name, column in self.columns.columns().items() if not column.nullable)

    def empty(self) -> pl.DataFrame:
        """A frame of this table with no rows."""
        return pl.DataFrame(schema=self.dtypes)
