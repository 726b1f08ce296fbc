"""`booking-assets rebuild`: a new warehouse and snapshot from landings and former histories."""

from __future__ import annotations

import sys

import click
import dagster as dg

from booking_assets.cli.configured import configured_settings, open_console
from booking_assets.cli.display import live_progress
from booking_assets.cli.errors import INCOMPLETE
from booking_assets.cli.summary import print_summary
from booking_assets.definitions import build_definitions
from booking_assets.defs.instance import prepare_dagster_home
from booking_assets.defs.processes import process_lock
from booking_assets.defs.runs import run_derive
from booking_assets.pipeline.connections import open_warehouse
from booking_assets.pipeline.rebuild import rebuild as rebuild_warehouse
from booking_assets.pipeline.summary import summarize


@click.command()
def rebuild() -> None:
    """Make a new warehouse and snapshot from the landings; keep the histories."""
    console = open_console()
    settings = configured_settings(console)
    home = prepare_dagster_home(settings)
    definitions = build_definitions(settings)
    try:
        rebuilt = rebuild_warehouse(open_warehouse(settings), settings)
    except KeyboardInterrupt:
        state = "the warehouse is as before, and nothing was published"
        raise KeyboardInterrupt(f"Interrupted: {state}. Run it again.") from None
    with (
        dg.DagsterInstance.from_config(str(home)) as instance,
        process_lock(instance) as tags,
        live_progress(console, ()) as progress,
    ):
        failures = run_derive(definitions, settings, instance, tags, progress)
    failures += [f"{slug}: {fault}" for slug, fault in rebuilt.faults.items()]
    notes = [f"the former warehouse is kept: {rebuilt.former}"] if rebuilt.former else []
    notes += [rebuilt.lost] if rebuilt.lost else []
    summary = summarize(settings, rebuilt.organizations, failures=failures, notes=notes)
    print_summary(console, summary)
    sys.exit(0 if summary.is_complete else INCOMPLETE)
