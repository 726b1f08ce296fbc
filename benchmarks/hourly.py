"""A sandbox whose clock stands still but for an hour at each SIGUSR1: collections an hour apart."""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from booking_assets.sandbox.server import serve
from booking_assets.sandbox.tenants import booking_toml, dotenv
from booking_assets.sandbox.world import generated_world

_SEED = 7
_BEGINS_BEFORE = timedelta(days=60)
"""Changes of the future would not be believed."""


@click.command()
@click.option("--organizations", type=int)
@click.option("--events", type=int)
@click.option("--write-config", "folder", type=click.Path(path_type=Path))
def main(organizations: int, events: int, folder: Path) -> None:
    """Serve until SIGTERM."""
    now = datetime.now(UTC) - _BEGINS_BEFORE

    def pass_an_hour(*_: object) -> None:
        nonlocal now
        now += timedelta(hours=1)

    signal.signal(signal.SIGUSR1, pass_an_hour)
    world = generated_world(organizations, events, _SEED, clock=lambda: now)

    def started(base_url: str) -> None:
        (folder / "booking.toml").write_text(booking_toml(base_url, world.tenants), "utf-8")
        (folder / ".env").write_text(dotenv(world.tenants), "utf-8")
        print(f"Booking API: {base_url}", flush=True)

    serve(world, port=0, on_started=started)


if __name__ == "__main__":
    main()
