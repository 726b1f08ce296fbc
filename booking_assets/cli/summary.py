"""Prints the summary of a command: a table for people, or one JSON object for machines.

The figures and the status of each organization are made in `pipeline.summary`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import click
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from booking_assets.cli.display import SHOWN
from booking_assets.pipeline.summary import OrganizationSummary, Summary

_STYLES = {"complete": "green", "overtaken": "yellow"}
_UNITS = ((timedelta(days=1), "days"), (timedelta(hours=1), "h"))
_HEADINGS = (
    *("organization", "events", "regis-\ntrations", "rejected"),
    *("seats taken\n/ offered", "exam\nlate", "packages\nfailed", "status"),
)


def print_summary(console: Console, summary: Summary, *, verbose: bool = False) -> None:
    """The figures of the organizations, the paths, and the reason and remedy of each failure."""
    everyone = summary.organizations
    shown = everyone if len(everyone) <= SHOWN else summary.remarkable
    if summary.snapshot:
        _print_figures(console, shown, summary.total)
    if more := len(everyone) - len(shown):
        console.print(f"{more} {'more are' if shown else 'organizations, all'} complete")
    if verbose:
        _print_rows(console, everyone)
    published = f"{summary.snapshot} (for analysts)"
    # As they are, so that paths can be copied.
    console.print(f"warehouse: {summary.warehouse} (for this program alone)", soft_wrap=True)
    console.print(f"snapshot:  {published if summary.snapshot else 'none yet'}", soft_wrap=True)
    if summary.report:
        console.print(
            f"report:    {summary.report} (for people: open in a browser)", soft_wrap=True
        )
    for sentences, style in ((summary.notes, "yellow"), (summary.failures, "red")):
        for sentence in sentences:
            console.print(sentence, style=style, soft_wrap=not console.is_terminal)


def print_json(summary: Summary) -> None:
    """The summary as one JSON object on stdout."""
    click.echo(json.dumps(summary.as_dict(), indent=2, default=datetime.isoformat))


def print_round(name: str, mode: str, parts: Sequence[Sequence[str]]) -> None:
    """A submitted round as one JSON object on stdout; a run's part is as in its Dagster tag."""
    runs = [
        {"part": f"{number}/{len(parts)}", "organizations": [*part]}
        for number, part in enumerate(parts, 1)
    ]
    click.echo(json.dumps({"round": name, "mode": mode, "runs": runs}, indent=2))


def _print_figures(
    console: Console, organizations: Sequence[OrganizationSummary], total: OrganizationSummary
) -> None:
    table = Table(box=None, pad_edge=False, collapse_padding=True, header_style="bold")
    table.add_column(_HEADINGS[0], min_width=len(_HEADINGS[0]), overflow="fold")
    for heading in _HEADINGS[1:-1]:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column(_HEADINGS[-1], no_wrap=True)
    rows = [*map(_cells, organizations), [*_cells(total)[:-1], total.status]]
    styles = [*(_STYLES.get(row.status, "red") for row in organizations), "bold"]
    for (*figures, status), style in zip(rows, styles, strict=True):
        table.add_row(*figures, Text(status, style))
    natural = Measurement.get(console, console.options.update(max_width=1000), table).maximum
    foldable = max(len(name) for name, *_ in rows) - len(_HEADINGS[0])
    if natural - max(foldable, 0) <= console.width:
        console.print(table)
        return
    for name, events, registrations, rejected, seats, late, failed, status in rows:
        rows_stored = f"{events} events, {registrations} registrations, {rejected} rejected"
        packages = f"{late} exam packages late, {failed} failed"
        state = status.replace("\n", " ")
        console.print(f"{name}: {rows_stored}, {seats} seats taken, {packages}: {state}")


def _cells(row: OrganizationSummary) -> list[str]:
    seats = "-"
    if row.seats_taken is not None and row.seats_offered is not None:
        seats = f"{row.seats_taken:,}/{row.seats_offered:,}"
    figures = (row.events, row.registrations, row.rejected)
    packages = (row.packages_late, row.packages_failed)
    status = row.status
    if status not in _STYLES:
        status += f",\n{_age(row.as_of)}"
    return [row.organization, *map(_number, figures), seats, *map(_number, packages), status]


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _age(as_of: datetime | None) -> str:
    """How old the stored rows are."""
    if as_of is None:
        return "no data"
    age = max(datetime.now(UTC) - as_of, timedelta())
    for unit, name in _UNITS:
        if age >= 2 * unit:
            return f"{age // unit} {name} old"
    return f"{age // timedelta(minutes=1)} min old"


def _print_rows(console: Console, organizations: Sequence[OrganizationSummary]) -> None:
    """The rows of each organization in the snapshot, by table."""
    table = Table("organization", "table", box=None, pad_edge=False, header_style="bold")
    table.add_column("rows", justify="right")
    for organization in organizations:
        for name, rows in organization.rows.items():
            table.add_row(organization.organization, name, f"{rows:,}")
    console.print(table)
