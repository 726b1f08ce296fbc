"""What a page is made of: tiles, sections, tables and charts. How they look is in `templates`.

A value of None is an unknown figure, and is shown as `unknown`; what does not apply is a text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import groupby
from operator import itemgetter

LISTED = 50
"""Rows of a list that a page shows at most: with 1 MB, it can be sent by e-mail."""


@dataclass(frozen=True)
class Column:
    """A column of a table: its heading, and how its values are shown, by default as text.

    The kinds are those of `templates`: number, percent, month, day, instant, bar, curve.
    """

    label: str
    kind: str


def columns(*headings: str) -> list[Column]:
    """Columns from `Heading` or `Heading:kind`."""
    parts = (heading.partition(":") for heading in headings)
    return [Column(label, kind or "text") for label, _, kind in parts]


@dataclass(frozen=True)
class Table:
    """A table; `total` is the number of rows where only the first are shown."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[object]]
    empty: str = "None."
    total: int | None = None
    is_behind: bool = False
    """Whether it is behind a disclosure, such as the table of a chart."""

    @property
    def hidden_rows(self) -> int:
        """The number of rows that are not shown."""
        return max((self.total or 0) - len(self.rows), 0)


def listed(
    caption: str,
    columns: Sequence[Column],
    rows: Sequence[Sequence[object]],
    total: int | None = None,
) -> Table:
    """A table of the first rows of a list, of `total` rows where the others are not given."""
    return Table(caption, columns, rows[:LISTED], total=len(rows) if total is None else total)


@dataclass(frozen=True)
class Bar:
    """A month of a bar chart: a ratio, None where it is unknown or there is nothing to measure."""

    month: date
    ratio: float | None
    is_unknown: bool = False
    is_open: bool = False
    """Whether the month has not ended: its figure still moves."""


@dataclass(frozen=True)
class BarChart:
    """A ratio by month."""

    title: str
    summary: str
    bars: Sequence[Bar]

    @cached_property
    def top(self) -> float:
        """The top of the scale: 1, or the next multiple of a quarter."""
        return max([1.0, *(math.ceil((bar.ratio or 0) * 4) / 4 for bar in self.bars)])

    def y(self, ratio: float) -> float:
        """The height of a ratio in the drawing, from its top."""
        return 8 + 104 * (1 - ratio / self.top)


@dataclass(frozen=True)
class HeatMap:
    """Hours of the day by weekday: a table whose cells are shaded."""

    caption: str
    hours: Sequence[int]
    cells: Sequence[Sequence[float]]
    """By hour, then by weekday, from Monday."""

    def shade(self, value: float) -> int:
        """The shade of a cell, from 0 (nothing) to 5."""
        return math.ceil(5 * round(value, 1) / round(self._most, 1)) if value else 0

    @cached_property
    def _most(self) -> float:
        return max(max(row) for row in self.cells)


@dataclass(frozen=True)
class Section:
    """A chapter of a page; `as_of` says what its figures are as of."""

    name: str
    title: str
    lead: str
    as_of: str
    blocks: Sequence[Table | BarChart | HeatMap | str] = ()

    @property
    def groups(self) -> list[tuple[str, list[Table | BarChart | HeatMap | str]]]:
        """The blocks by where they stand: charts side by side, rankings in pairs, else below."""
        kinds = [(self._kind(block), block) for block in self.blocks]
        return [(kind, [b for _, b in pairs]) for kind, pairs in groupby(kinds, key=itemgetter(0))]

    @property
    def has_bars(self) -> bool:
        """Whether the bars of months need a key."""
        return any(isinstance(block, BarChart) for block in self.blocks)

    def _kind(self, block: object) -> str:
        if isinstance(block, BarChart):
            return "charts"
        is_pair = isinstance(block, Table) and any(c.kind == "bar" for c in block.columns)
        return "pairs" if is_pair else "plain"


@dataclass(frozen=True)
class Tile:
    """A key figure: a number, a ratio or a text; None where it is unknown."""

    label: str
    value: float | str | None
    detail: str
    section: str
    is_alert: bool = False


@dataclass(frozen=True)
class Curve:
    """Seats taken over time, as steps: (days from as_of, seats); None ends a known stretch."""

    steps: Sequence[tuple[float, int | None]]
    maximum: int | None


@dataclass(frozen=True)
class Page:
    """An organization's page, and the figures that the index shows of it, None where unknown."""

    label: str
    slug: str
    as_of: str
    problem: Mapping[str, str | None] | None
    tiles: Sequence[Tile]
    sections: Sequence[Section]
    summary: Mapping[str, float | str | None]
