"""`booking-assets rebuild`, as its users run it: a warehouse made anew from its landings."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from booking_assets_tests.commands import Shell, shell, unfolded
from booking_assets_tests.reliability.installation import Installation, installed, still_world

WORLD = still_world(30)
KEPT = ("raw.events", "raw.rejected_rows", "raw.registrations", "marts.capacity_by_event")


def _truncate(warehouse: Path) -> None:
    content = warehouse.read_bytes()
    warehouse.write_bytes(content[: len(content) // 3])


def _overwrite_with_noise(warehouse: Path) -> None:
    warehouse.write_bytes(bytes(range(256)) * 1_000)


@pytest.fixture(scope="module")
def refreshed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with rows of every kind, after one complete refresh."""
    where = shell(tmp_path_factory.mktemp("refreshed"))
    with installed(where, WORLD, "bad_rows=all", registrations=True) as site:
        site.collect_derive_and_publish()
        yield site


def copied(site: Installation, where: Path) -> Installation:
    shutil.copytree(site.folder, where / "work", symlinks=True)
    return Installation(Shell(where / "work", site.shell.home), site.server, site.tenants)


def contents(site: Installation) -> dict[str, list[dict[str, Any]]]:
    """What analysts find in the snapshot."""
    return {table: site.snapshot(f"FROM {table} ORDER BY ALL") for table in KEPT}


def test_a_lost_warehouse_is_rebuilt_from_the_landings_alone(
    refreshed: Installation, tmp_path: Path
) -> None:
    """Other damages: `warehouse/test_rebuild.py`, `pipeline/test_rebuild.py`."""
    site = copied(refreshed, tmp_path)
    warehouse = site.settings.warehouse_path
    _truncate(warehouse)
    spoilt = warehouse.read_bytes()

    ended = site.shell.run("booking-assets", "rebuild")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "marts.event_history, marts.event_changes, marts.seat_history begin anew" in unfolded(
        ended.stdout
    )
    assert contents(site) == contents(refreshed)
    assert site.breaches() == []
    assert site.half_written() == []
    former = list(warehouse.parent.glob(f"{warehouse.name}.replaced-*"))
    assert [path.read_bytes() for path in former] == [spoilt]


def test_a_warehouse_that_cannot_be_read_is_named_with_the_command_and_not_touched(
    refreshed: Installation, tmp_path: Path
) -> None:
    site = copied(refreshed, tmp_path)
    _overwrite_with_noise(site.settings.warehouse_path)
    spoilt = site.settings.warehouse_path.read_bytes()
    ended = site.shell.run("booking-assets", "refresh")
    assert ended.returncode == 1
    said = unfolded(ended.stdout + ended.stderr)
    assert "booking-assets rebuild" in said
    assert "Traceback" not in said
    assert site.settings.warehouse_path.read_bytes() == spoilt
    assert contents(site) == contents(refreshed)
