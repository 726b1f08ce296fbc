"""Starts the API of a benchmark, an unchanging sandbox in its own process, and makes work folders.

What the sandbox serves is in `booking_assets.sandbox`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("booking-assets"))
_STARTED = b"Booking API:"
_CONFIGURATION = ("booking.toml", ".env")


@dataclass(frozen=True, order=True)
class Case:
    """About `events` events, shared evenly by `organizations`."""

    events: int
    organizations: int
    page_size: int

    def __str__(self) -> str:
        plural = "s" if self.organizations > 1 else ""
        return f"{self.events:,} events of {self.organizations:,} organization{plural}"


@contextmanager
def serving(case: Case, home: Path) -> Iterator[None]:
    """Serve the case until the block ends; its configuration is in `home` meanwhile."""
    for name in _CONFIGURATION:
        (home / name).unlink(missing_ok=True)
    command = [COMMAND, "sandbox", "--still", "--write-config", str(home)]
    command += ["--organizations", str(case.organizations)]
    command += ["--events", str(case.events // case.organizations)]
    with subprocess.Popen(command, cwd=home, stdout=subprocess.PIPE) as process:
        try:
            _await_start(process)
            _adapt(home / "booking.toml", case.page_size)
            yield
        finally:
            process.terminate()


def _await_start(process: subprocess.Popen[bytes]) -> None:
    if process.stdout is None or not any(line.startswith(_STARTED) for line in process.stdout):
        raise RuntimeError("the sandbox did not start; its message is above")


def _adapt(configuration: Path, page_size: int) -> None:
    """Set the page size and switch registrations off: floor and peer fetch only events."""
    text = configuration.read_text(encoding="utf-8")
    for table, setting in (
        ("[api]\n", f"page_size = {page_size}\n"),
        ("[[organizations]]\n", "registrations = false\n"),
    ):
        text = text.replace(table, table + setting)
    configuration.write_text(text, encoding="utf-8")


@contextmanager
def fresh_folder(home: Path, name: str) -> Iterator[Path]:
    """An empty folder with the configuration, for one run; removed afterwards."""
    folder = home / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for configuration in _CONFIGURATION:
        shutil.copyfile(home / configuration, folder / configuration)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
