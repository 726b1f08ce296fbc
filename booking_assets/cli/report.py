"""`booking-assets report`: the HTML report of the published snapshot."""

from __future__ import annotations

import sys
import webbrowser

import click

from booking_assets.cli.configured import configured_settings, open_console, selected_slugs
from booking_assets.cli.errors import INCOMPLETE
from booking_assets.defs.report import written_report


@click.command()
@click.option("--open", "opens", is_flag=True, help="Open it in the browser.")
@click.option(
    "--organization", "-o", metavar="SLUG", help="This organization's page, instead of the index."
)
def report(opens: bool, organization: str | None) -> None:
    """Write the HTML report of the published snapshot, and say where it is."""
    console = open_console()
    settings = configured_settings(console)
    if organization:
        selected_slugs(settings, [organization])
    written = written_report(settings)
    page = written.pages.get(organization) if organization else written.index
    if page is None:
        console.print(
            f"{organization}: it has no page, since the snapshot has no figures of it; why is in"
            f" the index: {written.index}",
            style="red",
            soft_wrap=True,
        )
        sys.exit(INCOMPLETE)
    console.print(f"{page} ({len(written.drawn)} of {len(written.pages)} pages drawn)")
    if opens and not webbrowser.open(page.as_uri()):
        console.print("There is no browser to open it with.", style="yellow")
