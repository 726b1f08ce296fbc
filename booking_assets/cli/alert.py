"""`booking-assets alert`: whether alerts arrive."""

from __future__ import annotations

import sys

import click

from booking_assets.cli.configured import configured_settings, open_console
from booking_assets.cli.errors import INCOMPLETE
from booking_assets.defs.alerts import send
from booking_assets.pipeline.alerts import Alert

TEST = Alert("Booking assets: a test", "This is where alerts arrive.", is_failure=False)


@click.command()
@click.option("--test", is_flag=True, required=True, help="Send a message to everybody.")
def alert(test: bool) -> None:  # noqa: ARG001 - required
    """Send a test message to those whom booking.toml names under [alerts]."""
    console = open_console()
    settings = configured_settings(console)
    if not settings.alerts.url_env:
        raise click.ClickException(
            f"{settings.source} names nobody: set url_env under [alerts] to the environment"
            " variables that hold apprise URLs"
        )
    sent, faults = send(settings.alerts, TEST)
    console.print(f"sent to {sent} of {sent + len(faults)}")
    for fault in faults:
        console.print(fault, style="red", soft_wrap=True)
    sys.exit(INCOMPLETE if faults else 0)
