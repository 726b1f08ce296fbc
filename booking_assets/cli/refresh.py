"""`booking-assets refresh`: collect, derive and publish once."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import Literal

import click
import dagster as dg

from booking_assets.cli.configured import configured_settings, open_console, selected_slugs
from booking_assets.cli.display import live_progress
from booking_assets.cli.errors import INCOMPLETE
from booking_assets.cli.summary import print_json, print_round, print_summary
from booking_assets.definitions import build_definitions
from booking_assets.defs.instance import prepare_dagster_home
from booking_assets.defs.processes import process_lock
from booking_assets.defs.rounds import round_parts, submit_round
from booking_assets.defs.runs import run_refresh
from booking_assets.pipeline.names import name_overrides
from booking_assets.pipeline.progress import SILENT
from booking_assets.pipeline.summary import summarize


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
@click.option(
    "--submit",
    is_flag=True,
    help="Leave it to Dagster's daemon, as runs of [schedules] organizations_a_run each.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else, to stdout."
)
@click.option(
    "--verbose",
    "-v",
    is_flag=True,
    help="Print the rows by table too; with --json, progress to stderr.",
)
def refresh(
    organizations: tuple[str, ...],
    allow_shrink: bool,
    incremental: bool,
    submit: bool,
    as_json: bool,
    verbose: bool,
) -> None:
    """Collect, derive and publish once."""
    console = open_console(sys.stderr if as_json else sys.stdout)
    settings = configured_settings(console)
    name_overrides(settings)
    slugs = selected_slugs(settings, organizations)
    home = prepare_dagster_home(settings)
    mode: Literal["full", "incremental"] = "incremental" if incremental else "full"
    if submit:
        with dg.DagsterInstance.from_config(str(home)) as instance:
            name = submit_round(
                instance, mode, slugs if organizations else (), allow_shrink=allow_shrink
            )
        if as_json:
            print_round(name, mode, round_parts(settings, slugs))
        else:
            console.print(
                f"Submitted {name}: the daemon requests its runs within seconds, where the sensor"
                " `rounds` is on ([schedules] enabled = true)."
            )
        return
    definitions = build_definitions(settings)
    is_silent = as_json and not verbose
    with (
        dg.DagsterInstance.from_config(str(home)) as instance,
        process_lock(instance) as tags,
        nullcontext(SILENT) if is_silent else live_progress(console, slugs) as progress,
    ):
        refreshed = run_refresh(
            definitions,
            settings,
            slugs,
            progress,
            mode=mode,
            allow_shrink=allow_shrink,
            instance=instance,
            tags=tags,
        )
    summary = summarize(
        settings,
        slugs,
        report=refreshed.report,
        failures=refreshed.failures,
        notes=refreshed.notes,
    )
    if as_json:
        print_json(summary)
    else:
        print_summary(console, summary, verbose=verbose)
    sys.exit(0 if refreshed.is_complete else INCOMPLETE)
