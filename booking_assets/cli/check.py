"""`booking-assets check`: the settings, and what each credential answers for."""

from __future__ import annotations

import sys

import click
from rich.table import Table
from rich.text import Text

from booking_assets.cli.configured import configured_settings, open_console
from booking_assets.cli.errors import INCOMPLETE
from booking_assets.defs.sandbox import open_configured_api
from booking_assets.pipeline.credentials import (
    QUICK,
    TIMEOUT_SECONDS,
    CredentialReport,
    credential_reports,
)
from booking_assets.pipeline.landings import open_storage
from booking_assets.pipeline.loads import CONTRACTS, UNKNOWN_WITHOUT
from booking_assets.pipeline.names import name_overrides


@click.command()
def check() -> None:
    """Verify the settings, and ask every credential what it answers for."""
    console = open_console()
    settings = configured_settings(console)
    name_overrides(settings)
    table = Table("organization", "identifier", *CONTRACTS, "credential")
    faulty = False
    with open_configured_api(settings, QUICK, TIMEOUT_SECONDS) as connect:
        for report in credential_reports(settings, connect):
            faulty |= report.fault is not None
            table.add_row(
                report.organization,
                report.identifier,
                *(_number(report, resource) for resource in CONTRACTS),
                _credential_line(report),
            )
    console.print(table)
    if objects := open_storage(settings):
        objects.list_folder("none")
        console.print(f"object store: {objects.url} answers")
    sys.exit(INCOMPLETE if faulty else 0)


def _number(report: CredentialReport, resource: str) -> str:
    if resource not in report.counts:
        return "not wanted"
    count = report.counts[resource]
    return "?" if count is None else str(count)


def _credential_line(report: CredentialReport) -> Text:
    if report.fault:
        return Text(report.fault, "red")
    line = (
        Text("verified: rows belong to this organization", "green")
        if report.is_verified
        else Text("accepted; without rows, its organization cannot be verified", "yellow")
    )
    for resource, fault in report.faults.items():
        line.append(f"; {UNKNOWN_WITHOUT[resource]} are unknown: {fault}", "yellow")
    return line
