"""`booking-assets rebuild`: a new warehouse and snapshot from landings and former histories."""

from __future__ import annotations

import sys

import click
import dagster as dg

from booking_assets.cli.configured import INCOMPLETE, configured_settings, open_console
from booking_assets.cli.display import print_failures, print_stored_rows
from booking_assets.definitions import build_definitions
from booking_assets.defs.instance import prepare_dagster_home
from booking_assets.defs.processes import process_lock
from booking_assets.defs.runs import run_derive
from booking_assets.pipeline.connections import open_warehouse
from booking_assets.pipeline.rebuild import rebuild as rebuild_warehouse


@click.command()
def rebuild() -> None:
    """Make a new warehouse and snapshot from the landings; keep the histories."""
    console = open_console()
    settings = configured_settings(console)
    home = prepare_dagster_home(settings)
    rebuilt = rebuild_warehouse(open_warehouse(settings), settings)
    with dg.DagsterInstance.from_config(str(home)) as instance, process_lock(instance) as tags:
        failures = run_derive(build_definitions(settings), instance, tags)
    print_stored_rows(console, settings, rebuilt.organizations)
    if rebuilt.former:
        console.print(f"the former warehouse is kept: {rebuilt.former}")
    if rebuilt.lost:
        console.print(rebuilt.lost, markup=False)
    failures += [f"{slug}: {fault}" for slug, fault in rebuilt.faults.items()]
    print_failures(console, failures)
    sys.exit(INCOMPLETE if failures else 0)
