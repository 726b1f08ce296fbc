"""`booking-assets export`: the published tables as Parquet, CSV or Excel files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from booking_assets.cli.configured import configured_settings, open_console, selected_slugs
from booking_assets.pipeline.operations import TABLE_NAMES
from booking_assets.pipeline.operations import export as export_tables


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "file_format",
    type=click.Choice(("parquet", "csv", "xlsx")),
    default="parquet",
    show_default=True,
)
@click.option(
    "--table",
    "tables",
    multiple=True,
    type=click.Choice(TABLE_NAMES),
    metavar="NAME",
    help="Such as marts.capacity_by_event; may be given several times. By default all.",
)
@click.option("--organization", "-o", "organizations", multiple=True, metavar="SLUG")
def export(
    folder: Path,
    file_format: Literal["parquet", "csv", "xlsx"],
    tables: tuple[str, ...],
    organizations: tuple[str, ...],
) -> None:
    """Write the published tables to a new FOLDER, a file for each, whole or not at all.

    In CSV, a text that a spreadsheet would run as a formula gets an apostrophe. All times are UTC.
    """
    console = open_console()
    settings = configured_settings(console)
    slugs = selected_slugs(settings, organizations) if organizations else []
    written = export_tables(settings, folder, file_format, tables, slugs)
    for table, rows in written.items():
        console.print(f"{folder / f'{table}.{file_format}'}: {rows} rows")
