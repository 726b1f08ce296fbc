"""The progress of a refresh: one live display in a terminal, plain lines elsewhere.

What it is told is in `pipeline.progress`; what is printed in the end, in `summary`.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from math import ceil
from threading import Lock, Thread

from rich.console import Console
from rich.live import Live
from rich.text import Text

from booking_assets.pipeline.progress import NoProgress, Phase, Progress

SHOWN = 20
"""Organizations that are listed from the start; of more, only those at work."""
FAILURES_SHOWN = 5
ECHO_COLUMNS = 3
"""Left free: a terminal writes ^C at the end of the last line, which must not begin another."""
BAR_COLUMNS, SLUG_COLUMNS, LINE_COLUMNS = 20, 24, 120
FAILED = ("failed", "red")
_OUTCOMES = {
    "complete": ("stored", "green"),
    "access_denied": ("no access", "yellow"),
    "overtaken": ("overtaken", "yellow"),
}
"""A word and a style for each status of `raw.collections` that is no failure."""


@contextmanager
def live_progress(console: Console, slugs: Sequence[str]) -> Iterator[Progress]:
    """The live display in a terminal, plain lines elsewhere.

    Meanwhile, what is logged outside a step and has no handler is dropped: it would be written into
    the display, such as SQLAlchemy's traceback of a Ctrl-C. Dagster's log keeps what a step logs.
    """
    unhandled = logging.NullHandler()
    logging.getLogger().addHandler(unhandled)
    try:
        yield from _progress(console, slugs)
    finally:
        logging.getLogger().removeHandler(unhandled)


def _progress(console: Console, slugs: Sequence[str]) -> Iterator[Progress]:
    can_move = console.file.isatty() and not console.is_dumb_terminal
    if not can_move or os.environ.get("CI"):
        yield Lines(console)
        return
    display = Display(console, slugs)
    with Live(
        get_renderable=display.render,
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as live:

        def redraw() -> None:
            # Ctrl-C, which reaches the main thread, would cut a frame in two.
            thread = Thread(target=live.refresh)
            thread.start()
            thread.join()

        display.redraw = redraw
        redraw()
        yield display


class Lines(NoProgress):
    """A line for each collection that has ended, each wait and each phase; for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._phase = "collect"

    def waiting(self, organization: str, seconds: float, reason: str) -> None:
        """Prints how long it waits, and why."""
        self._print("waiting", "yellow", f"{organization}: {reason}; again in {ceil(seconds)} s")

    def ended(
        self, organization: str, resource: str, status: str, rows: int, reason: str | None
    ) -> None:
        """Prints how it ended; the whole reason and the remedy follow in the summary."""
        what = f"{rows:,} {resource}" if status == "complete" else _why(resource, reason)
        self._print(*_OUTCOMES.get(status, FAILED), f"{organization}: {what}")

    def step(self, phase: Phase, name: str, total: int) -> None:  # noqa: ARG002 - the protocol's
        """Prints each phase once."""
        if phase != self._phase:
            self._phase = phase
            self._print(phase, "", f"{total} {'steps' if total > 1 else 'step'}")

    def _print(self, word: str, style: str, text: str) -> None:
        line = Text.assemble((f"{word:<9}", style), " ", text)
        line.truncate(LINE_COLUMNS)
        self._console.print(line, soft_wrap=True)


def _why(resource: str, reason: str | None) -> str:
    why = (reason or "a newer collection is stored").removeprefix(f"{resource}: ")
    return f"{resource}: {why}"


@dataclass
class _Organization:
    """What an organization is doing: the rows received, what it waits for, how it ended."""

    received: tuple[str, int, int] | None = None
    wait: tuple[float, str] | None = None
    ended: Text = field(default_factory=Text)


class Display:
    """The live display: a bar for the phase, the organizations at work, and the failures."""

    def __init__(
        self,
        console: Console,
        slugs: Sequence[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.redraw: Callable[[], None] = lambda: None
        """Draws the display at once: a step may be shorter than the time between two drawings."""
        self._console = console
        self._clock = clock
        self._started = clock()
        self._lock = Lock()
        self._phase: Phase = "collect" if slugs else "derive"
        self._steps = ["checks"]
        self._total = 1
        self._organizations = {slug: _Organization() for slug in slugs}
        self._failures: deque[Text] = deque(maxlen=FAILURES_SHOWN)

    def received(self, organization: str, resource: str, rows: int, expected: int) -> None:
        """Moves the organization's bar."""
        with self._lock:
            activity = self._organizations[organization]
            activity.received, activity.wait = (resource, rows, max(rows, expected)), None

    def waiting(self, organization: str, seconds: float, reason: str) -> None:
        """Counts down to the next attempt."""
        with self._lock:
            self._organizations[organization].wait = (self._clock() + seconds, reason)

    def ended(
        self, organization: str, resource: str, status: str, rows: int, reason: str | None
    ) -> None:
        """Replaces the organization's bar by how its collections ended."""
        word, style = _OUTCOMES.get(status, FAILED)
        with self._lock:
            activity = self._organizations[organization]
            if status == "complete":
                activity.ended.append(
                    f"{', ' if activity.ended else 'stored '}{rows:,} {resource}", style
                )
            else:
                activity.ended = Text(f"{word} {_why(resource, reason)}", style)
            if (word, style) == FAILED:
                self._failures.append(Text.assemble(f"{organization}: ", activity.ended))

    def step(self, phase: Phase, name: str, total: int) -> None:
        """Moves the bar of the phase."""
        with self._lock:
            if phase != self._phase:
                self._phase, self._steps = phase, []
            if self._steps == ["checks"]:
                self._steps = []
            if name not in self._steps:
                self._steps.append(name)
            self._total = total
        self.redraw()

    def render(self) -> Text:
        """The display at this instant: a line each, none wider than the terminal."""
        with self._lock:
            few = len(self._organizations) <= SHOWN
            lines = [
                self._phase_line(),
                *(() if few else self._failures),
                *(
                    self._organization_line(slug, activity)
                    for slug, activity in self._organizations.items()
                    if few or ((activity.received or activity.wait) and not activity.ended)
                ),
            ]
        overflow = "crop" if self._is_ascii else "ellipsis"
        for line in lines:
            line.truncate(self._console.width - ECHO_COLUMNS, overflow=overflow)
        return Text("\n").join(lines)

    @property
    def _is_ascii(self) -> bool:
        return not self._console.encoding.startswith("utf")

    def _phase_line(self) -> Text:
        if self._phase == "collect":
            done = sum(bool(activity.ended) for activity in self._organizations.values())
            total, of = len(self._organizations), "organizations"
        else:
            done, total, of = len(self._steps) - 1, self._total, self._steps[-1]
        elapsed = timedelta(seconds=int(self._clock() - self._started))
        text = f" {elapsed} {done}/{total} {of}"
        return Text.assemble((f"{self._phase:<8}", "bold"), self._bar(done, total), text)

    def _organization_line(self, slug: str, activity: _Organization) -> Text:
        width = min(SLUG_COLUMNS, max(map(len, self._organizations)))
        name = Text(slug)
        name.truncate(width, overflow="crop", pad=True)
        if activity.ended:
            state = activity.ended.copy()
        elif activity.wait:
            until, reason = activity.wait
            state = Text(f"again in {max(0, ceil(until - self._clock()))} s: {reason}", "yellow")
        elif activity.received:
            resource, rows, expected = activity.received
            state = self._bar(rows, expected).append(f" {rows:,}/{expected:,} {resource}")
        else:
            state = Text("waiting", "dim")
        return Text.assemble("  ", name, " ", state)

    def _bar(self, done: int, total: int) -> Text:
        columns = min(BAR_COLUMNS, self._console.width // 4)
        filled = columns * done // max(total, 1)
        full, rest = ("#", ".") if self._is_ascii else ("\u2501", "\u2500")
        return Text.assemble((full * filled, "green"), (rest * (columns - filled), "dim"))
