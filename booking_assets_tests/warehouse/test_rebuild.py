"""`Warehouse.rebuild`: a new warehouse from loads; the former file is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from booking_assets.tables.raw import COLLECTIONS, EVENTS
from booking_assets.warehouse.errors import SliceLoadFailed, WarehouseUnreadable
from booking_assets.warehouse.warehouse import Warehouse
from booking_assets_tests.warehouse.slice_loads import collection, events, slice_load


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def _overwrite(path: Path) -> None:
    path.write_bytes(b"\xa5" * 50_000)


@pytest.mark.parametrize("damage", [Path.unlink, _truncate, _overwrite])
def test_a_damaged_warehouse_is_replaced_and_the_former_file_is_kept(
    warehouse: Warehouse, landing: Path, damage: Callable[[Path], None]
) -> None:
    newest = slice_load(landing, "acme", events("acme", [1, 2], round_=1), round_=1)
    warehouse.store([slice_load(landing, "acme", events("acme", [1, 2, 3]))])
    damage(warehouse.path)
    left = warehouse.path.read_bytes() if warehouse.path.exists() else None

    aside, lost = warehouse.rebuild([newest], collection("acme", 0, 3))

    assert warehouse.read(EVENTS).height == 2
    assert sorted(warehouse.read(COLLECTIONS)["run_id"]) == ["run 0", "run 1"]
    assert (aside.read_bytes() if aside else None) == left
    assert str(warehouse.path) in (lost or "")
    assert not list(warehouse.path.parent.glob("*.rebuilt*"))


def test_a_damaged_warehouse_is_never_overwritten_by_a_store(
    warehouse: Warehouse, landing: Path
) -> None:
    warehouse.store([slice_load(landing, "acme", events("acme", [1]))])
    _overwrite(warehouse.path)
    before = warehouse.path.read_bytes()
    with pytest.raises(WarehouseUnreadable, match="booking-assets rebuild"):
        warehouse.store([slice_load(landing, "acme", events("acme", [1], round_=1), round_=1)])
    assert warehouse.path.read_bytes() == before


def test_a_landing_of_another_organization_leaves_the_former_warehouse(
    warehouse: Warehouse, landing: Path
) -> None:
    warehouse.store([slice_load(landing, "acme", events("acme", [1, 2, 3]))])
    foreign = slice_load(landing, "acme", events("globex", [4], round_=1), round_=1)
    with pytest.raises(SliceLoadFailed, match="acme"):
        warehouse.rebuild([foreign], collection("acme", 0, 3))
    assert warehouse.read(EVENTS).height == 3
    assert not list(warehouse.path.parent.glob("*.rebuilt*"))
