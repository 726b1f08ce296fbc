"""`booking-assets forget`: remove an organization from all that is stored."""

from __future__ import annotations

import re
import sys

import click

from booking_assets.cli.configured import configured_settings, open_console
from booking_assets.cli.errors import INCOMPLETE
from booking_assets.defs.report import written_report
from booking_assets.pipeline.connections import open_warehouse
from booking_assets.pipeline.errors import EXPLAINED
from booking_assets.pipeline.rebuild import forget as forget_organization
from booking_assets.settings import SLUG


@click.command()
@click.argument("slug")
@click.option("--yes", is_flag=True, help="Do not ask.")
def forget(slug: str, yes: bool) -> None:
    """Remove an organization's rows, history, landings, report page and versions."""
    if not re.fullmatch(SLUG, slug):
        raise click.BadParameter(f"{slug!r} is no slug of an organization")
    console = open_console()
    settings = configured_settings(console)
    if not yes:
        click.confirm(f"Remove all that is stored of {slug}? It cannot be undone", abort=True)
    removed = forget_organization(open_warehouse(settings), settings, slug)
    if settings.snapshot_path.exists() and settings.report_path.exists():
        try:
            written_report(settings, keep=1)
        except EXPLAINED as error:
            raise click.ClickException(
                f"{slug}: removed, but its page is still in {settings.report_path}.d. {error}"
            ) from error
    for table, rows in removed.items():
        console.print(f"{table}: {rows:,} removed")
    if not removed:
        console.print(f"nothing is stored of {slug}")
        sys.exit(INCOMPLETE)
    if slug in settings.slugs:
        console.print(f"{slug} is still in {settings.source}: the next refresh collects it again")
