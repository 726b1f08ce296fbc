"""Promises of the way into the command line."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version


def python(*arguments: str) -> str:
    ended = subprocess.run(
        [sys.executable, *arguments], check=True, capture_output=True, text=True, timeout=60
    )
    return ended.stdout


def test_the_package_runs_as_a_module() -> None:
    assert version("booking-assets") in python("-m", "booking_assets", "--version")


def test_the_garbage_collector_works_for_a_command_and_leaves_what_was_imported_alone() -> None:
    program = """
import gc, sys
from booking_assets import __main__, cli

def command():
    print(gc.isenabled(), gc.get_freeze_count() > len(sys.modules))

cli.main = command
__main__.main()
"""
    assert python("-c", program).split() == ["True", "True"]
