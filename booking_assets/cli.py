"""The command `booking-assets`: refresh, ui, check, sandbox, rebuild.

What lives here: arguments, progress, tables of results, exit codes.
What must not: logic; every command is a call into `defs` or `sandbox`.
Read more: `README.md`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import click
import dagster as dg
from dotenv import load_dotenv
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table as RichTable

from booking_assets.definitions import build_definitions
from booking_assets.defs.configuration import effective_settings
from booking_assets.defs.credentials import CredentialReport, credential_reports
from booking_assets.defs.instance import prepare_dagster_home
from booking_assets.defs.rebuild import rebuild as run_rebuild
from booking_assets.defs.refresh import Refreshed, rows_stored
from booking_assets.defs.refresh import refresh as run_refresh
from booking_assets.sandbox.configuration import WRITTEN_BY_SANDBOX, booking_toml, dotenv
from booking_assets.sandbox.faults.registry import fault_table
from booking_assets.sandbox.faults.selection import parse_faults
from booking_assets.sandbox.server import serve
from booking_assets.sandbox.world import generated_world, given_world
from booking_assets.settings import Settings, SettingsError

INCOMPLETE = 1
UNUSABLE = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="booking-assets")
def main() -> None:
    """Count, collect, verify and derive Shift iQ Booking events, organization by organization.

    Without a booking.toml, every command works on a sandbox that it starts and stops.
    """


@main.command()
@click.option(
    "--organization",
    "-o",
    "organizations",
    multiple=True,
    metavar="SLUG",
    help="Refresh this organization only; may be given several times.",
)
@click.option(
    "--allow-shrink",
    is_flag=True,
    help="Store slices that lost more rows than max_shrink allows.",
)
@click.option(
    "--incremental", is_flag=True, help="Read only the events that changed since the last run."
)
def refresh(organizations: tuple[str, ...], allow_shrink: bool, incremental: bool) -> None:
    """Collect, derive and publish once."""
    console = _console()
    settings = _settings(console)
    wanted = _wanted(settings, organizations)
    home = prepare_dagster_home(settings)
    with dg.DagsterInstance.from_config(str(home)) as instance, watching(console) as watcher:
        refreshed = run_refresh(
            lambda progress: build_definitions(settings=settings, progress=progress),
            settings,
            wanted,
            watcher,
            mode="incremental" if incremental else "full",
            allow_shrink=allow_shrink,
            instance=instance,
        )
    _print_stored(console, settings, wanted)
    _print_failures(console, refreshed)
    sys.exit(0 if refreshed.complete else INCOMPLETE)


@main.command()
def rebuild() -> None:
    """Make a new warehouse and snapshot from the landings alone."""
    console = _console()
    settings = _settings(console)
    home = prepare_dagster_home(settings)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        rebuilt = run_rebuild(settings, build_definitions(settings=settings), instance)
    _print_stored(console, settings, list(rebuilt.organizations))
    if rebuilt.former:
        console.print(f"the former warehouse is kept: {rebuilt.former}")
    for failure in rebuilt.failures:
        console.print(f"[red]{escape(failure)}[/]")
    sys.exit(INCOMPLETE if rebuilt.failures else 0)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=3000, show_default=True)
def ui(host: str, port: int) -> None:
    """Open the Dagster UI, with its daemon, on the instance that refresh uses."""
    console = _console()
    settings = _settings(console)
    home = prepare_dagster_home(settings)
    console.print(f"Dagster UI: http://{host}:{port} (state in {home}; stop with Ctrl-C)")
    command = [sys.executable, "-m", "dagster", "dev", "-m", "booking_assets.definitions"]
    os.execv(sys.executable, [*command, "-h", host, "-p", str(port)])  # noqa: S606 - our own program


@main.command()
def check() -> None:
    """Verify the settings, and ask every credential what it answers for."""
    console = _console()
    settings = _settings(console)
    table = RichTable("organization", "identifier", "events", "credential")
    faulty = False
    for report in credential_reports(settings):
        faulty |= report.fault is not None
        table.add_row(
            report.organization,
            report.identifier,
            "?" if report.events is None else str(report.events),
            _credential_line(report),
        )
    console.print(table)
    sys.exit(INCOMPLETE if faulty else 0)


@main.command()
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
    console = _console()
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
                tenants = chosen.tenants(world.tenants)
                (write_config / "booking.toml").write_text(booking_toml(base_url, tenants), "utf-8")
                (write_config / ".env").write_text(dotenv(tenants), "utf-8")
            count = len(world.tenants)
            console.print(f"Booking API: {base_url} ({count} organizations; Ctrl-C stops)")

        serve(world, port=port, on_started=started, faults=chosen)
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def _print_faults(console: Console) -> None:
    table = RichTable("fault", "value", "what it does", title=escape("--fault NAME[=VALUE][@SLUG]"))
    for row in fault_table():
        table.add_row(*map(escape, row))
    console.print(table)


def _require_ours(folder: Path) -> None:
    """Files of our own making may be overwritten; somebody else's are left alone."""
    for path in (folder / "booking.toml", folder / ".env"):
        if path.exists() and not path.read_text(encoding="utf-8").startswith(WRITTEN_BY_SANDBOX):
            raise click.ClickException(f"{path} exists and is not ours; name another folder")


def _credential_line(report: CredentialReport) -> str:
    if report.fault:
        return f"[red]{escape(report.fault)}[/]"
    if report.proven:
        return "[green]answers for it, as a row says[/]"
    return "[yellow]accepted; no row to tell for whom it answers[/]"


def _console() -> Console:
    """The terminal as wide as it is; a log as wide as the widest table, so that nothing is cut."""
    console = Console()
    return console if console.is_terminal else Console(width=200)


def _settings(console: Console) -> Settings:
    """The effective settings; secrets may lie in an `.env` beside them."""
    load_dotenv(Path.cwd() / ".env")
    try:
        settings = effective_settings()
    except SettingsError as error:
        Console(stderr=True).print(f"[red]{escape(str(error))}[/]", soft_wrap=True)
        sys.exit(UNUSABLE)
    load_dotenv(settings.root / ".env")
    if settings.api is None:
        console.print("No booking.toml: using the sandbox, started and stopped for this.")
    return settings


def _wanted(settings: Settings, organizations: tuple[str, ...]) -> list[str]:
    known = [one.slug for one in settings.organizations]
    unknown = sorted(set(organizations) - set(known))
    if unknown:
        raise click.BadParameter(
            f"{', '.join(unknown)}: not in {settings.source}; known: {', '.join(known[:20])}"
        )
    return [slug for slug in known if not organizations or slug in organizations]


class Bars:
    """One bar for each organization at work, and one for all of them; for a terminal."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {}
        self._lock = Lock()

    def received(self, organization: str, resource: str, rows: int, expected: int) -> None:
        """Moves the organization's bar."""
        name = f"{organization} {resource}"
        with self._lock:
            if name not in self._bars:
                self._bars[name] = self._progress.add_task(name, total=expected)
        self._progress.update(self._bars[name], completed=rows, total=max(expected, rows))

    def ended(self, organization: str, resource: str, rows: int, error: Exception | None) -> None:
        """Leaves a line where the bar was."""
        with self._lock:
            bar = self._bars.pop(f"{organization} {resource}", None)
        if bar is not None:
            self._progress.remove_task(bar)
        self._progress.console.print(_outcome_line(organization, resource, rows, error))


class Lines:
    """A line for each organization that has ended; for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def received(self, organization: str, resource: str, rows: int, expected: int) -> None:
        """Says nothing: a log is not a terminal."""

    def ended(self, organization: str, resource: str, rows: int, error: Exception | None) -> None:
        """Prints the outcome."""
        self._console.print(_outcome_line(organization, resource, rows, error))


def _outcome_line(organization: str, resource: str, rows: int, error: Exception | None) -> str:
    if error is None:
        return f"[green]stored[/]   {organization}: {rows} {resource}"
    return f"[red]refused[/]  {escape(str(error))}"


@contextmanager
def watching(console: Console) -> Iterator[Bars | Lines]:
    """Bars on a terminal, plain lines elsewhere."""
    if not console.is_terminal:
        yield Lines(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield Bars(progress)


def _print_stored(console: Console, settings: Settings, wanted: list[str]) -> None:
    """What the warehouse now holds, per organization and table, and where."""
    counts = rows_stored(settings)
    if not counts:
        return
    table = RichTable(title="rows stored")
    table.add_column("organization", no_wrap=True)
    for name in counts:
        table.add_column(name, justify="right", overflow="fold")
    for slug in wanted:
        table.add_row(slug, *(str(rows.get(slug, 0)) for rows in counts.values()))
    console.print(table)
    console.print(f"warehouse: {settings.warehouse_path} (for this program alone)")
    console.print(f"snapshot:  {settings.snapshot_path} (for analysts: open this one)")


def _print_failures(console: Console, refreshed: Refreshed) -> None:
    for (slug, resource), error in refreshed.refused.items():
        console.print(f"[red]{slug}, {resource}: not complete:[/] {escape(str(error))}")
    for failure in refreshed.failures:
        console.print(f"[red]{escape(failure)}[/]")
