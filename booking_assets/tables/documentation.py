"""Generates `docs/tables.md` from the contracts. The rules of the marts are in `docs/marts.md`.

Run `python -m booking_assets.tables.documentation > docs/tables.md`.
"""

from __future__ import annotations

import sys

from booking_assets.tables.catalog import TABLES
from booking_assets.tables.contract import Table

_HEAD = """\
# The tables

Made from the contracts in `booking_assets/tables`; the same texts are DuckDB comments and Dagster
column descriptions. Names are snake_case of the API's names. Instants are UTC, in microseconds. The
rules behind the marts: [marts.md](marts.md).
"""


def page() -> str:
    """Every table with its columns, in Markdown."""
    return "\n".join([_HEAD, *(_section(table) for table in TABLES)])


def _section(table: Table) -> str:
    key = ", ".join(f"`{name}`" for name in table.grain) or "none: a log"
    head = f"## `{table.name}`\n\n{table.description} One row: {table.row}. Key: {key}.\n\n"
    lines = [
        f"| `{name}` | {type(c).__name__} | {'' if c.nullable else 'never'} | {c.description} |\n"
        for name, c in table.columns.columns().items()
    ]
    return head + "| column | kind | null | meaning |\n|---|---|---|---|\n" + "".join(lines)


if __name__ == "__main__":
    sys.stdout.write(page())
