"""`booking-assets refresh`: collect, derive and publish once."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from typing import Any
from uuid import uuid4

import click

from booking_assets.cli.configured import configured_settings, open_console, selected_slugs
from booking_assets.cli.display import live_progress
from booking_assets.cli.errors import INCOMPLETE
from booking_assets.cli.main import imported
from booking_assets.cli.summary import print_json, print_round, print_summary
from booking_assets.defs.instance import prepare_dagster_home
from booking_assets.defs.sandbox import open_collector
from booking_assets.pipeline.collector import Collector
from booking_assets.pipeline.connections import open_warehouse
from booking_assets.pipeline.names import name_overrides
from booking_assets.pipeline.progress import SILENT, Progress
from booking_assets.pipeline.summary import interruption, snapshot_version, summarize
from booking_assets.settings import Settings

_logger = logging.getLogger(__name__)

_RUNS = "booking_assets.cli.runs"
"""Imports Dagster."""


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
    options = {"mode": "incremental" if incremental else "full", "allow_shrink": allow_shrink}
    if submit:
        runs = imported(_RUNS)
        name = runs.submit(home, slugs if organizations else (), **options)
        if as_json:
            print_round(name, str(options["mode"]), runs.round_parts(settings, slugs))
        else:
            console.print(
                f"Submitted {name}: the daemon requests its runs within seconds, where the sensor"
                " `rounds` is on ([schedules] enabled = true)."
            )
        return
    is_silent = as_json and not verbose
    with (
        nullcontext(SILENT) if is_silent else live_progress(console, slugs) as progress,
        _begun(settings, slugs, progress, options) as begun,
    ):
        refreshed = imported(_RUNS).refresh(home, settings, slugs, progress, **options, begun=begun)
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


@contextmanager
def _begun(
    settings: Settings, slugs: Sequence[str], progress: Progress, options: Mapping[str, Any]
) -> Iterator[Collector | None]:
    """Begin to collect all organizations, before Dagster is imported; None where that must wait.

    Of some organizations, there may be several runs; with `[storage]`, landings are loaded first.
    Where the warehouse cannot be read, the run says so.

    Raises:
        KeyboardInterrupt: a person ended it; the message says what is stored and published.
    """
    if settings.storage or {*slugs} != {*settings.slugs}:
        yield None
        return
    # Whoever has the warehouse is waited for by the run.
    warehouse = replace(open_warehouse(settings), busy_timeout_seconds=0)
    run_id, former_version = str(uuid4()), snapshot_version(settings)
    try:
        with ExitStack() as stack:
            begun = None
            try:
                collector = stack.enter_context(open_collector(settings, warehouse, progress))
                collecting = collector.begin(slugs, run_id, **options)
                under_way = stack.enter_context(collecting)
                begun = replace(collector, warehouse=open_warehouse(settings), under_way=under_way)
            except Exception as error:  # noqa: BLE001 - the run meets it again, and records it
                _logger.debug("collecting begins with its run: %s", error)
            yield begun
    except KeyboardInterrupt as error:
        # Without words: before its run, or again while the run found them.
        said = str(error) or interruption(settings, slugs, [run_id], former_version)
        raise KeyboardInterrupt(said) from None
