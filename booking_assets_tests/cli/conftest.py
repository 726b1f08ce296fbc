"""An empty working directory for commands that fail before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, for what fails before anything is started."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BOOKING_CONFIG", raising=False)
    return tmp_path
