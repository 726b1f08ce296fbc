"""`booking-assets refresh`: collect, derive and publish once."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click
import dagster as dg

from booking_assets.cli.configured import (
    INCOMPLETE,
    configured_settings,
    open_console,
    selected_slugs,
)
from booking_assets.cli.display import live_progress, print_failures, print_stored_rows
from booking_assets.definitions import build_definitions
from booking_assets.defs.instance import prepare_dagster_home
from booking_assets.defs.processes import process_lock
from booking_assets.defs.runs import retention_failure, run_refresh
from booking_assets.pipeline.results import RunReport


@click.command()
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
    console = open_console()
    settings = configured_settings(console)
    slugs = selected_slugs(settings, organizations)
    home = prepare_dagster_home(settings)
    with (
        dg.DagsterInstance.from_config(str(home)) as instance,
        process_lock(instance) as tags,
        live_progress(console) as progress,
    ):
        refreshed = run_refresh(
            build_definitions(settings),
            settings,
            slugs,
            progress,
            mode="incremental" if incremental else "full",
            allow_shrink=allow_shrink,
            instance=instance,
            tags=tags,
        )
        failure = [] if refreshed.is_interrupted else retention_failure(instance, settings)
    if refreshed.is_interrupted:
        raise KeyboardInterrupt(_interruption(refreshed.report, slugs))
    print_stored_rows(console, settings, slugs)
    print_failures(console, [*refreshed.report.explanations, *refreshed.failures, *failure])
    sys.exit(0 if refreshed.is_complete else INCOMPLETE)


def _interruption(report: RunReport, slugs: Sequence[str]) -> str:
    """What a refresh that a person ended has stored and has not."""
    stored = sorted({one.organization for one in report.complete})
    others = [slug for slug in slugs if slug not in stored]
    was_stored = f"{', '.join(stored)} stored" if stored else "nothing stored"
    was_not = f", {', '.join(others)} not" if stored and others else ""
    return f"Interrupted: {was_stored}{was_not}; nothing was published. Run it again."
