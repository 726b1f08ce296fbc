"""Fixtures: a warehouse in a folder of its own, and a folder for landing files."""

from __future__ import annotations

from pathlib import Path

import pytest

from booking_assets.warehouse.warehouse import Warehouse


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    folder = tmp_path / "data"
    return Warehouse(
        path=folder / "booking.duckdb",
        snapshot=folder / "booking.snapshot.duckdb",
        memory_limit="192MB",
    )


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    folder = tmp_path / "landing"
    folder.mkdir()
    return folder
