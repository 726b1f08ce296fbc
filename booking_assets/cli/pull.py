"""`booking-assets pull`: the newest published snapshot, from the object store to this machine."""

from __future__ import annotations

from pathlib import Path
from time import sleep

import click

from booking_assets.cli.configured import configured_settings, load_secrets, open_console
from booking_assets.defs.report import written_report
from booking_assets.pipeline.errors import EXPLAINED
from booking_assets.pipeline.object_snapshots import open_url, pull_snapshot

_FAILURES: tuple[type[Exception], ...] = (*EXPLAINED, OSError)


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--from", "url", metavar="URL", help="The store; by default that of booking.toml.")
@click.option("--watch", is_flag=True, help="Go on, and pull each new version, until stopped.")
@click.option("--report", "reports", is_flag=True, help="Write the report of each version too.")
@click.option(
    "--every",
    metavar="SECONDS",
    type=click.FloatRange(min=1),
    default=60,
    show_default=True,
    help="How often --watch looks.",
)
def pull(path: Path | None, url: str | None, watch: bool, reports: bool, every: float) -> None:
    """Bring the newest published snapshot from the object store to this machine.

    It comes to PATH, by default where booking.toml has it. With --from and PATH, no booking.toml is
    needed, but for the report.
    """
    console = open_console()
    settings = None
    if not (path and url) or reports:
        settings = configured_settings(console)
        path = (path or settings.snapshot_path).absolute()
        settings = settings.model_copy(update={"snapshot_path": path})
        url = url or (settings.storage.located(settings.root) if settings.storage else None)
        if url is None:
            raise click.ClickException(f"{settings.source} has no [storage]: name a URL by --from")
    else:
        load_secrets(Path(".env"))
    while True:
        try:
            version = pull_snapshot(open_url(url), path.absolute())
            if version or not watch:
                done = f"pulled {version}" if version else "is the newest version"
                console.print(f"{path}: {done}", soft_wrap=True)
                if settings and reports:
                    console.print(str(written_report(settings).index), soft_wrap=True)
        except _FAILURES as error:
            if not watch:
                raise
            console.print(str(error), style="red", soft_wrap=True)
        if not watch:
            return
        sleep(every)
