"""Runs a command in a pseudo-terminal, and emulates the screen that a person sees."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pyte

from booking_assets_tests.commands import SCRIPTS, SECONDS, Shell


@dataclass
class Terminal:
    """A command in a terminal of some columns and lines; `frames` are the screens that it drew."""

    process: subprocess.Popen[bytes]
    master: int
    screen: pyte.HistoryScreen
    stream: pyte.ByteStream
    frames: list[str] = field(default_factory=list)
    written: bytes = b""

    def shown(self) -> str:
        """All that the terminal shows now, what scrolled away included, without blank lines."""
        columns = range(self.screen.columns)
        history = ["".join(line[x].data for x in columns) for line in self.screen.history.top]
        lines = [line.rstrip() for line in (*history, *self.screen.display)]
        return "\n".join(line for line in lines if line)

    def _read(self, seconds: float) -> bool:
        """Draw what the command wrote; whether it may write more."""
        ready, _, _ = select.select([self.master], [], [], seconds)
        if not ready:
            return True
        written = b""
        with suppress(OSError):  # Linux: the command closed the terminal
            written = os.read(self.master, 65536)
        self.written += written
        # Read late, several frames come together: each begins with an erased line.
        for part in re.split(rb"(?=\r\x1b\[2K)", written):
            self.stream.feed(part)
            if part and (not self.frames or self.frames[-1] != self.shown()):
                self.frames.append(self.shown())
        return bool(written)

    def until(self, wanted: Callable[[str], object]) -> None:
        """Wait for a frame."""
        deadline, looked_at = time.monotonic() + SECONDS, 0
        while not any(map(wanted, self.frames[looked_at:])):
            looked_at = len(self.frames)
            assert self._read(0.05), self.shown()
            assert time.monotonic() < deadline, self.shown()

    def interrupt(self) -> float:
        """Press Ctrl-C, wait for the end, and return the seconds that it took."""
        pressed = time.monotonic()
        os.write(self.master, b"\x03")
        self.end()
        return time.monotonic() - pressed

    def end(self) -> int:
        """Wait for the end of the command; its exit code."""
        while self._read(SECONDS):
            pass
        return self.process.wait(SECONDS)


@contextmanager
def terminal(
    where: Shell,
    *arguments: str,
    columns: int = 80,
    lines: int = 24,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Terminal]:
    """Start an installed script in a pseudo-terminal; at the end, kill it and its children."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    screen = pyte.HistoryScreen(columns, lines, history=10_000)
    process = subprocess.Popen(
        [SCRIPTS / arguments[0], *arguments[1:]],
        cwd=where.folder,
        env={**where.environment, "TERM": "xterm-256color", "LANG": "C.UTF-8", **(variables or {})},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        # Ctrl-C reaches its group.
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
    )
    os.close(slave)
    try:
        yield Terminal(process, master, screen, pyte.ByteStream(screen))
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(master)
