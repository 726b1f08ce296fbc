"""`booking-assets sandbox`: a stand-in Booking API on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from booking_assets.cli.configured import open_console
from booking_assets.sandbox.faults.registry import fault_table, parse_faults
from booking_assets.sandbox.server import serve
from booking_assets.sandbox.tenants import WRITTEN_BY_SANDBOX, booking_toml, dotenv
from booking_assets.sandbox.world import generated_world, given_world


@click.command()
@click.option("--port", default=0, show_default="a free one", help="Port on 127.0.0.1.")
@click.option("--organizations", default=3, show_default=True, help="Organizations to make up.")
@click.option("--events", default=400, show_default=True, help="Events an organization.")
@click.option("--seed", default=7, show_default=True, help="The same seed makes the same events.")
@click.option("--still", is_flag=True, help="Nothing is inserted, changed or deleted.")
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Serve these events (a JSON object a line, gzip or not) instead of made-up ones.",
)
@click.option(
    "--registrations",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="With --data: make registrations by this CSV or parquet (event_identifier, seats_taken, "
    "waitlisted).",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME[=VALUE][@SLUG]",
    help="Rehearse a bad day; may be given several times. --faults lists them.",
)
@click.option(
    "--faults", "list_faults", is_flag=True, is_eager=True, help="List the faults and exit."
)
@click.option(
    "--write-config",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write a booking.toml and an .env there, with which this project reads the sandbox.",
)
def sandbox(
    port: int,
    organizations: int,
    events: int,
    seed: int,
    still: bool,
    data: Path | None,
    registrations: Path | None,
    faults: tuple[str, ...],
    list_faults: bool,
    write_config: Path | None,
) -> None:
    """Serve a stand-in Booking API on this machine until stopped."""
    console = open_console()
    if list_faults:
        _print_faults(console)
        return
    if write_config:
        _require_ours(write_config)
    try:
        chosen = parse_faults(faults, seed)
        world = (
            given_world(data, registrations=registrations)
            if data
            else generated_world(organizations, events, seed, still=still)
        )

        def started(base_url: str) -> None:
            if write_config:
                tenants = world.tenants
                _write(write_config / "booking.toml", booking_toml(base_url, tenants))
                _write(write_config / ".env", dotenv(tenants))
            count = len(world.tenants)
            console.print(f"Booking API: {base_url} ({count} organizations; Ctrl-C stops)")

        serve(world, port=port, on_started=started, faults=chosen)
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def _print_faults(console: Console) -> None:
    table = Table("fault", "value", "what it does", title="--fault NAME[=VALUE][@SLUG]")
    for row in fault_table():
        table.add_row(*row)
    console.print(table)


def _require_ours(folder: Path) -> None:
    """Files of our own making may be overwritten; somebody else's are left alone."""
    for path in (folder / "booking.toml", folder / ".env"):
        is_ours = path.is_file() and path.read_text("utf-8").startswith(WRITTEN_BY_SANDBOX)
        if path.is_symlink() or (path.exists() and not is_ours):
            raise click.ClickException(f"{path} exists and is not ours; name another folder")


def _write(path: Path, text: str) -> None:
    """Write a file that only its user can read, and never through a link."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
