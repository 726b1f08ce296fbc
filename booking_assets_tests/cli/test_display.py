"""Tests of the live display of a refresh: what is drawn in each state, by a clock of their own."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys

import pytest
from rich.console import Console

from booking_assets.cli.display import Display, live_progress


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def display(clock: Clock) -> Display:
    return Display(Console(file=io.StringIO(), width=80), ["acme", "globex"], clock)


def drawn(display: Display) -> list[str]:
    return display.render().plain.split("\n")


def test_an_organization_waits_is_collected_and_stored(display: Display, clock: Clock) -> None:
    assert drawn(display)[1:] == ["  acme   waiting", "  globex waiting"]
    display.received("acme", "events", 3, 6)
    clock.now = 61.5
    half, empty = "━" * 10 + "─" * 10, "─" * 20
    assert drawn(display)[:2] == [
        f"collect {empty} 0:01:01 0/2 organizations",
        f"  acme   {half} 3/6 events",
    ]
    display.ended("acme", "events", "complete", 6, None)
    display.ended("acme", "registrations", "complete", 1234, None)
    assert drawn(display)[:2] == [
        f"collect {half} 0:01:01 1/2 organizations",
        "  acme   stored 6 events, 1,234 registrations",
    ]


def test_a_wait_is_counted_down_until_rows_come(display: Display, clock: Clock) -> None:
    display.waiting("acme", 2.5, "HTTP 503")
    assert drawn(display)[1] == "  acme   again in 3 s: HTTP 503"
    clock.now = 2.0
    assert drawn(display)[1] == "  acme   again in 1 s: HTTP 503"
    display.received("acme", "events", 6, 6)
    assert drawn(display)[1].endswith(" 6/6 events")


def test_a_failure_replaces_what_was_stored(display: Display) -> None:
    display.ended("acme", "events", "complete", 6, None)
    display.ended("acme", "registrations", "failed", 0, "registrations: HTTP 401")
    assert drawn(display)[1] == "  acme   failed registrations: HTTP 401"


@pytest.mark.parametrize(("terminal", "ci"), [("dumb", ""), ("xterm", "true")])
def test_where_the_cursor_cannot_move_progress_is_plain_lines(
    terminal: str, ci: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", terminal)
    monkeypatch.setenv("CI", ci)
    master, slave = pty.openpty()
    with os.fdopen(slave, "w", encoding="utf-8") as file:
        with live_progress(Console(file=file), ["acme"]) as progress:
            progress.ended("acme", "events", "complete", 1234, None)
            progress.step("publish", "snapshot", 1)
        written = b""
        while written.count(b"\n") < 2:
            written += os.read(master, 4096)
    os.close(master)
    assert not re.search(rb"\x1b\[[0-9;?]*[^0-9;?m]", written)
    said = re.sub(rb"\x1b\[[0-9;]*m", b"", written).decode().splitlines()
    assert said == ["stored    acme: 1,234 events", "publish   1 step"]


def test_what_is_logged_without_a_handler_is_not_written_into_the_display() -> None:
    code = """
import logging, sys
from rich.console import Console
from booking_assets.cli.display import live_progress
with live_progress(Console(), []):
    logging.getLogger("sqlalchemy.pool").error("while it is drawn")
logging.getLogger("sqlalchemy.pool").error("afterwards")
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stderr == "afterwards\n"


def test_each_step_is_drawn_at_once(display: Display) -> None:
    lines: list[str] = []
    display.redraw = lambda: lines.append(drawn(display)[0])
    display.step("derive", "capacity_by_event", 2)
    display.step("derive", "event_history", 2)
    assert [line.split()[0] for line in lines] == ["derive", "derive"]
    assert [line.split(maxsplit=3)[3] for line in lines] == [
        "0/2 capacity_by_event",
        "1/2 event_history",
    ]
