"""Starts the API of a case, an unchanging sandbox in its own process, and makes scratch folders.

What the sandbox serves is in `booking_assets.sandbox`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import environment

COMMAND = str(Path(sys.executable).with_name("booking-assets"))
STILL = (COMMAND, "sandbox", "--still")
_STARTED = b"Booking API:"
_CONFIGURATION = ("booking.toml", ".env")
_WRITTEN = re.compile(r"(\d+)x(\d+)(\+?)")


@dataclass(frozen=True)
class Case:
    """Organizations with so many events each, with registrations or without."""

    organizations: int
    events: int
    registrations: bool

    @classmethod
    def parse(cls, text: str) -> Case:
        """`3x400+`: 3 organizations of 400 events, with registrations; without the `+`, none."""
        found = _WRITTEN.fullmatch(text)
        if not found:
            raise ValueError(f"{text} is not ORGANIZATIONSxEVENTS[+], such as 3x400+")
        return cls(int(found[1]), int(found[2]), bool(found[3]))

    @property
    def text(self) -> str:
        """What `parse` reads."""
        return f"{self.organizations}x{self.events}{'+' * self.registrations}"

    def __str__(self) -> str:
        seats = "with" if self.registrations else "without"
        return f"{self.organizations:,} x {self.events:,} events, {seats} registrations"


@dataclass(frozen=True)
class Server:
    """A sandbox that runs: its process, and the folder with its `booking.toml` and `.env`."""

    process: int
    home: Path

    @property
    def base_url(self) -> str:
        """The base URL in `booking.toml`."""
        text = (self.home / "booking.toml").read_text(encoding="utf-8")
        return text.partition('base_url = "')[2].partition('"')[0]

    @contextmanager
    def fresh_folder(self, base_url: str = "") -> Iterator[Path]:
        """An empty folder with the configuration, for one run; removed afterwards."""
        folder = self.home / "run"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name in _CONFIGURATION:
            text = (self.home / name).read_text(encoding="utf-8")
            (folder / name).write_text(text.replace(self.base_url, base_url or self.base_url))
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


@contextmanager
def serving(
    case: Case, home: Path, page_size: int, program: Sequence[str] = STILL
) -> Iterator[Server]:
    """Serve the case until the block ends; its configuration is in `home` meanwhile."""
    home.mkdir(parents=True, exist_ok=True)
    for name in _CONFIGURATION:
        (home / name).unlink(missing_ok=True)
    command = [*program, "--write-config", str(home)]
    command += ["--organizations", str(case.organizations), "--events", str(case.events)]
    with subprocess.Popen(command, cwd=home, env=environment(), stdout=subprocess.PIPE) as process:
        try:
            if process.stdout is None or not any(
                line.startswith(_STARTED) for line in process.stdout
            ):
                raise RuntimeError("the sandbox did not start; its message is above")
            _adapt(home / "booking.toml", case, page_size)
            yield Server(process.pid, home)
        finally:
            process.terminate()


def _adapt(configuration: Path, case: Case, page_size: int) -> None:
    text = configuration.read_text(encoding="utf-8")
    text = text.replace("[api]\n", f"[api]\npage_size = {page_size}\n")
    if not case.registrations:
        table = "[[organizations]]\n"
        text = text.replace(table, f"{table}registrations = false\n")
    configuration.write_text(text, encoding="utf-8")
