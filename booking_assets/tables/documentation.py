"""Generates `docs/tables.md` from the contracts. The rules of the marts are in `docs/marts.md`.

Run `python -m booking_assets.tables.documentation > docs/tables.md`.
"""

from __future__ import annotations

import sys

from booking_assets.tables.catalog import MART_TABLES, TABLES
from booking_assets.tables.contract import State, Table

_HEAD = """\
# The tables

Made from the contracts in `booking_assets/tables`; the same texts are DuckDB comments and Dagster
column descriptions. Names are snake_case of the API's names. Instants are UTC, in microseconds. The
rules behind the marts: [marts.md](marts.md). The words of state columns: [below](#state-columns).
"""
_STATES = """\
## State columns

The word is the first in the list that applies; a null is explained with the column. The same list
is `marts.states`. Text comparisons ignore case and surrounding blanks.
"""


def page() -> str:
    """Every table with its columns, in Markdown."""
    states: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = {}
    for table in MART_TABLES:
        for name, column in table.columns.columns().items():
            if isinstance(column, State):
                states.setdefault((name, (*column.words.items(),)), []).append(table.name)
    return "\n".join(
        [
            _HEAD,
            *(_section(table) for table in TABLES),
            _STATES,
            *(_state(name, words, tables) for (name, words), tables in states.items()),
        ]
    )


def _section(table: Table) -> str:
    key = ", ".join(f"`{name}`" for name in table.grain) or "none: a log"
    head = f"## `{table.name}`\n\n{table.description} One row: {table.row}. Key: {key}.\n\n"
    lines = [
        f"| `{name}` | {type(c).__name__} | {'' if c.nullable else 'never'} | {c.description} |\n"
        for name, c in table.columns.columns().items()
    ]
    return head + "| column | kind | null | meaning |\n|---|---|---|---|\n" + "".join(lines)


def _state(name: str, words: tuple[tuple[str, str], ...], tables: list[str]) -> str:
    head = f"### `{name}`\n\nIn {' and '.join(f'`{table}`' for table in tables)}.\n\n"
    lines = [f"| {order} | `{word}` | {means} |\n" for order, (word, means) in enumerate(words, 1)]
    return head + "| order | word | where |\n|---|---|---|\n" + "".join(lines)


if __name__ == "__main__":
    sys.stdout.write(page())
