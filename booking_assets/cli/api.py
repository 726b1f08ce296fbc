"""`booking-assets api`: one operation of the API for one organization."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from booking_assets.cli.configured import configured_settings, open_console, selected_slugs
from booking_assets.defs.sandbox import open_configured_api
from booking_assets.pipeline.credentials import QUICK
from booking_assets.pipeline.operations import RESOURCES, Answer, Operations, as_text, write

OPERATIONS = ("count", "search", "collect", "retrieve", "exists", "download")
NARROW = 4
"""Columns up to which rows are shown as a table; wider rows one below the other."""


@click.command()
@click.argument("operation", type=click.Choice(OPERATIONS))
@click.argument("identifier", required=False)
@click.option("--organization", "-o", required=True, metavar="SLUG", help="Whose rows.")
@click.option("--resource", type=click.Choice(RESOURCES), default=RESOURCES[0], show_default=True)
@click.option(
    "--format",
    "file_format",
    type=click.Choice(("table", "json", "csv")),
    help="By default a table; json for a download, which the server writes itself.",
)
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="NAME=VALUE",
    help="Send a criterion; most servers ignore it, which is said.",
)
@click.option("--page", default=1, show_default=True, type=click.IntRange(1))
@click.option("--page-size", default=20, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--sort", metavar="NAMES", help='Such as "LastChangeTime desc,EventIdentifier".')
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write here; needed to download."
)
def api(
    operation: str,
    identifier: str | None,
    organization: str,
    resource: str,
    file_format: Literal["table", "json", "csv"] | None,
    filters: tuple[str, ...],
    page: int,
    page_size: int,
    sort: str | None,
    out: Path | None,
) -> None:
    """Ask the API for rows of one organization, by one of its operations.

    retrieve and exists take the row's IDENTIFIER. Nothing is stored.
    """
    takes_identifier = operation in {"retrieve", "exists"}
    if takes_identifier != (identifier is not None):
        raise click.UsageError(f"{operation} takes {'an' if takes_identifier else 'no'} IDENTIFIER")
    notes = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
    settings = configured_settings(notes)
    selected_slugs(settings, [organization])
    chosen = next(own for own in settings.organizations if own.slug == organization)
    with open_configured_api(settings, QUICK) as connect:
        asked = Operations.open(connect, chosen, resource, filters)
        if operation == "download":
            if out is None or file_format == "table":
                raise click.UsageError("download takes --out FILE, and --format json or csv")
            answer = asked.download(out, file_format or "json")
            out, file_format = None, "table"
        else:
            answer = asked.ask(operation, identifier or "", page, page_size, sort)
    for note in answer.notes:
        notes.print(note, style="yellow")
    text = _text(answer, file_format or "table")
    click.echo(text, nl=False) if out is None else write(out, text)


def _text(answer: Answer, file_format: Literal["table", "json", "csv"]) -> str:
    if file_format != "table":
        return as_text(answer.rows, file_format)
    console = open_console()
    with console.capture() as shown:
        for table in _tables(answer):
            console.print(table)
    return shown.get()


def _tables(answer: Answer) -> list[Table]:
    rows = answer.rows.to_dicts()
    if answer.rows.width <= NARROW:
        table = Table(*answer.rows.columns)
        for row in rows:
            table.add_row(*map(_cell, row.values()))
        return [table]
    records = []
    for row in rows:
        record = Table.grid(padding=(0, 2))
        for name, value in row.items():
            if value is not None:
                record.add_row(name, _cell(value))
        records.append(record)
    return records


def _cell(value: object) -> Text:
    """A value without control characters, which a terminal would obey."""
    return Text("".join(c if c.isprintable() else " " for c in str(value)), overflow="fold")
