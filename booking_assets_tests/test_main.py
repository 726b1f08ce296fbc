"""Tests of `booking_assets.__main__`: garbage collection, stderr, native Windows."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest

from booking_assets_tests.cli.commands import SILENT_API
from booking_assets_tests.commands import SECONDS, shell


def python(*arguments: str) -> str:
    ended = subprocess.run(
        [sys.executable, *arguments], check=True, capture_output=True, text=True, timeout=SECONDS
    )
    return ended.stdout


def test_the_package_runs_as_a_module() -> None:
    assert version("booking-assets") in python("-m", "booking_assets", "--version")


def test_the_garbage_collector_works_for_a_command_but_seldom() -> None:
    program = """
import gc
from booking_assets import __main__
from booking_assets.cli import main as cli

def command():
    print(gc.isenabled(), gc.get_threshold()[0], gc.get_freeze_count())

cli.main = command
__main__.main()
"""
    # Frozen objects are never freed: DuckDB 2.0.0 reports its own as leaked, in 47 lines.
    assert python("-c", program).split() == ["True", "100000", "0"]


def test_a_command_ends_with_its_code_its_output_and_its_handlers_and_frees_nothing() -> None:
    program = """
import atexit, sys
from booking_assets import __main__
from booking_assets.cli import main as cli

class Held:
    def __del__(self):
        print("freed")

held = Held()

def command():
    atexit.register(print, "handler")
    print("output " * 100_000)
    sys.exit(3)

cli.main = command
__main__.main()
"""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert (ended.returncode, ended.stderr) == (3, "")
    assert ended.stdout.split() == ["output"] * 100_000 + ["handler"]


# `refresh` is in `cli/test_unconfigured.py`, which runs it anyway.
@pytest.mark.parametrize("arguments", ["--version", "--help", "check"])
def test_a_command_that_succeeds_writes_nothing_to_stderr(tmp_path: Path, arguments: str) -> None:
    ended = shell(tmp_path).run("booking-assets", arguments)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_command_whose_output_is_closed_does_its_work() -> None:
    script = 'exec "$0" -m booking_assets sandbox --faults <&- >&- 2>&-'
    subprocess.run(["sh", "-c", script, sys.executable], check=True, timeout=SECONDS)


def test_sqlalchemy_writes_no_traceback_of_a_connection_that_ctrl_c_closed() -> None:
    program = """
import logging, sys
from booking_assets.cli.main import receive_signals

sys.stderr = sys.stdout
receive_signals()
logging.getLogger("sqlalchemy.pool.impl.NullPool").error("Exception closing connection")
"""
    assert python("-c", program) == ""


# Signals.


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_within_an_import_is_handled_once_the_module_is_whole(
    tmp_path: Path, name: str
) -> None:
    signaled = f"import os, signal; os.kill(os.getpid(), signal.{name}); is_whole = True"
    (tmp_path / "signaled.py").write_text(signaled, encoding="utf-8")
    program = f"""
import signal, sys
from booking_assets.cli.main import imported, receive_signals

sys.path.insert(0, {str(tmp_path)!r})
receive_signals()
try:
    imported("signaled")
except KeyboardInterrupt:
    print(sys.modules["signaled"].is_whole)
for number in (signal.SIGINT, signal.SIGTERM):
    print(signal.getsignal(number) is signal.default_int_handler)
"""
    assert python("-c", program).split() == ["True"] * 3


# While a command waits for an answer.

STOPS = {
    "systemd": [signal.SIGTERM],
    "a closed terminal": [signal.SIGHUP],
    "Ctrl-C twice": [signal.SIGINT, signal.SIGINT],
}


@pytest.mark.parametrize("signals", STOPS.values(), ids=STOPS)
def test_a_signal_ends_a_command_with_one_sentence(
    tmp_path: Path, signals: list[signal.Signals]
) -> None:
    where = shell(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        (where.folder / "booking.toml").write_text(SILENT_API.format(port=port), encoding="utf-8")
        with (
            where.started("booking-assets", "check") as process,
            # Which is not answered: the command waits.
            listening.accept()[0],
        ):
            for number in signals:
                process.send_signal(number)
                time.sleep(0.1)
            said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert re.fullmatch(r"(acme: .*\n)*Interrupted: .* Run it again\.\n", said), said


# Native Windows, as far as an import can tell.

WINDOWS = "import sys\nsys.platform = 'win32'\nsys.modules['fcntl'] = None\n"
REMEDY = "booking-assets does not run on native Windows, which has no POSIX file locks: install WSL"


@pytest.fixture
def windows(tmp_path: Path) -> dict[str, str]:
    """Variables that make Python report Windows as its platform."""
    (tmp_path / "sitecustomize.py").write_text(WINDOWS, encoding="utf-8")
    return {"PYTHONPATH": str(tmp_path)}


@pytest.mark.parametrize("command", [["booking-assets"], ["python", "-m", "booking_assets"]])
def test_on_windows_every_command_ends_with_one_sentence_that_names_the_remedy(
    tmp_path: Path, windows: dict[str, str], command: list[str]
) -> None:
    for arguments in (["--help"], ["refresh"]):
        ended = shell(tmp_path / arguments[0]).run(*command, *arguments, variables=windows)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr.startswith(REMEDY)
        assert ended.stderr.count("\n") == 1


def test_on_windows_dagster_reads_the_same_sentence_as_an_import_error(
    tmp_path: Path, windows: dict[str, str]
) -> None:
    ended = shell(tmp_path).run(
        "python", "-c", "import booking_assets.definitions", variables=windows
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith(f"ImportError: {REMEDY}")
