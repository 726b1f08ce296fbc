"""Which tests are slow, and how many examples of a law a run without them tries.

Fixtures are in the conftest of each folder.
"""

from __future__ import annotations

import gc
import os
import signal
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

from booking_assets.__main__ import GARBAGE_COLLECTION_THRESHOLD

TESTS = Path(__file__).parent
SLOW = (
    "api/test_bounds.py",
    "cli/test_terminal.py",
    "cli/test_unconfigured.py",
    "collect/test_decoding_laws.py",
    "collect/test_incremental.py",
    "collect/test_incremental_bases.py",
    "collect/test_incremental_laws.py",
    "collect/test_incremental_servers.py",
    "collect/test_moving_rows.py",
    "defs/test_alerts.py",
    "defs/test_derive.py",
    "defs/test_object_store.py",
    "defs/test_processes.py",
    "defs/test_report.py",
    "defs/test_retention.py",
    "defs/test_sensors.py",
    "defs/test_storage.py",
    "pipeline/test_analysts.py",
    "pipeline/test_histories.py",
    "pipeline/test_history_laws.py",
    "pipeline/test_name_overrides.py",
    "pipeline/test_names.py",
    "pipeline/test_organizations.py",
    "pipeline/test_publishing.py",
    "pipeline/test_rebuild.py",
    "pipeline/test_seats.py",
    "reliability",
    "report/test_writing.py",
    "sandbox/faults",
    "storage/test_landings.py",
    "storage/test_machines.py",
    "storage/test_snapshots.py",
    "test_webserver.py",
    "warehouse/test_order.py",
    "warehouse/test_organizations.py",
    "warehouse/test_other_users.py",
    "warehouse/test_processes.py",
    "warehouse/test_retention.py",
    "warehouse/test_sessions.py",
)
"""Folders and files of tests that start processes, or collect, store or refresh again and again.

Of other files, the single slow tests carry the mark themselves.
"""
LONGEST = (
    *("test_webserver.py", "storage/test_landings.py", "cli/test_terminal.py"),
    *("defs/test_alerts.py", "reliability/test_weather.py", "reliability/test_kills.py"),
    *("pipeline/test_names.py", "pipeline/test_history_laws.py", "pipeline/test_histories.py"),
    "reliability/test_readers.py",
    *("pipeline/test_rebuild.py", "reliability/test_moving_data.py", "storage/test_machines.py"),
    *("pipeline/test_organizations.py", "defs/test_storage.py", "storage/test_objects.py"),
    *("collect/test_incremental_laws.py", "defs/test_collect.py", "defs/test_loading.py"),
    *("storage/test_snapshots.py", "pipeline/test_marts.py", "collect/test_incremental_servers.py"),
    *("transforms/test_room_laws.py", "test_main.py", "transforms/test_history.py"),
    *("test_cli_tools.py", "sandbox/test_registrations.py", "transforms/test_laws.py"),
)
"""Files that take longest, in the order in which they begin: short ones end with the last of them.

With `--dist=loadfile`, a worker that has ended a file takes the next one.
"""
# A bound on the time of an example would measure how busy the machine is.
settings.register_profile("whole", deadline=None, max_examples=40)
settings.register_profile("quick", deadline=None, max_examples=10)
settings.register_profile("thorough", deadline=None, max_examples=1_000)


def pytest_xdist_auto_num_workers() -> int:
    """Three workers for two cores: many tests wait for a server, a lock or a process."""
    return max(2, (os.cpu_count() or 1) * 3 // 2)


def pytest_configure(config: pytest.Config) -> None:
    """Try fewer examples where the slow tests are left out, unless a profile is asked for.

    Tests that run in the background, or by nohup, ignore signals, as would the commands that they
    start; those get a signal's default where it has a handler here.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    # As seldom as a command, also while tests are imported: of 3.2 s of CPU, that was one.
    gc.set_threshold(GARBAGE_COLLECTION_THRESHOLD)
    if not config.option.hypothesis_profile:
        settings.load_profile("quick" if config.option.markexpr == "not slow" else "whole")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of slow folders and files, before pytest selects by marks; longest first."""
    slow, longest = ([TESTS / name for name in names] for names in (SLOW, LONGEST))
    missing = [path for path in (*slow, *longest) if not path.exists()]
    if missing:
        raise pytest.UsageError(f"conftest.py names what does not exist: {missing}")
    is_slow = cache(lambda file: any(file.is_relative_to(path) for path in slow))
    for item in items:
        if is_slow(item.path):
            item.add_marker("slow")
    begins = {path: number for number, path in enumerate(longest)}
    items.sort(key=lambda item: (begins.get(item.path, len(longest)), not is_slow(item.path)))


def pytest_collection_finish() -> None:
    """Leave what is imported out of every search for garbage."""
    gc.collect()
    gc.freeze()
