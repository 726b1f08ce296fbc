"""Which tests are slow, and how many examples of a law a run without them tries.

Fixtures are in the conftest of each folder.
"""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
from hypothesis import settings

TESTS = Path(__file__).parent
SLOW = (
    "api/test_bounds.py",
    "cli/test_terminal.py",
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
# A bound on the time of an example would measure how busy the machine is.
settings.register_profile("whole", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=10)


def pytest_xdist_auto_num_workers() -> int:
    """Three workers for two cores: many tests wait for a server, a lock or a process."""
    return max(2, (os.cpu_count() or 1) * 3 // 2)


def pytest_configure(config: pytest.Config) -> None:
    """Try fewer examples where the slow tests are left out."""
    settings.load_profile("quick" if config.option.markexpr == "not slow" else "whole")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of slow folders and files, before pytest selects by marks."""
    slow = [TESTS / name for name in SLOW]
    missing = [path for path in slow if not path.exists()]
    if missing:
        raise pytest.UsageError(f"conftest.SLOW names what does not exist: {missing}")
    for item in items:
        if any(item.path.is_relative_to(path) for path in slow):
            item.add_marker("slow")


def pytest_collection_finish() -> None:
    """Leave what is imported out of every later search for garbage: it stays until the end."""
    gc.collect()
    gc.freeze()
