"""What commands print: live progress, the rows stored, the failures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from booking_assets.pipeline.results import stored_rows
from booking_assets.settings import Settings


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


def _outcome_line(organization: str, resource: str, rows: int, error: Exception | None) -> Text:
    if error is None:
        return Text.assemble(("stored", "green"), f"   {organization}: {rows} {resource}")
    return Text.assemble(("failed", "red"), f"   {error}")


@contextmanager
def live_progress(console: Console) -> Iterator[Bars | Lines]:
    """Bars on a terminal, plain lines elsewhere."""
    if not console.is_terminal:
        yield Lines(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield Bars(progress)


def print_stored_rows(console: Console, settings: Settings, slugs: Sequence[str]) -> None:
    """The rows of each organization by table, and where they are."""
    counts = stored_rows(settings)
    if not counts:
        return
    table = Table(title="rows stored")
    table.add_column("organization", no_wrap=True)
    for name in counts:
        table.add_column(name, justify="right", overflow="fold")
    for slug in slugs:
        table.add_row(slug, *(str(rows.get(slug, 0)) for rows in counts.values()))
    console.print(table)
    console.print(f"warehouse: {settings.warehouse_path} (for this program alone)")
    console.print(f"snapshot:  {settings.snapshot_path} (for analysts: open this one)")


def print_failures(console: Console, failures: Sequence[str]) -> None:
    """A line for each failure, as long as it is."""
    for failure in failures:
        console.print(failure, style="red", soft_wrap=True)
