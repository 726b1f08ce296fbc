"""Tests of `booking_assets.__main__`: garbage collection, stderr, native Windows."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

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


# `refresh` is in `cli/test_unconfigured.py`, which runs it anyway.
@pytest.mark.parametrize("arguments", ["--version", "--help", "check"])
def test_a_command_that_succeeds_writes_nothing_to_stderr(tmp_path: Path, arguments: str) -> None:
    ended = shell(tmp_path).run("booking-assets", arguments)
    assert (ended.returncode, ended.stderr) == (0, "")


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
