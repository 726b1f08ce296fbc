"""Tests of `booking-assets sandbox` as a command of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from booking_assets.cli.main import main
from booking_assets_tests.cli.commands import (
    BROKEN,
    GIVEN,
    sandbox,
)
from booking_assets_tests.commands import shell


@pytest.mark.slow
def test_a_folder_that_the_sandbox_wrote_is_used_from_any_other(tmp_path: Path) -> None:
    where, elsewhere = shell(tmp_path / "served"), shell(tmp_path / "elsewhere")
    with sandbox(where, "--still", "--events", "5", "--write-config", str(where.folder)):
        configuration = str(where.folder / "booking.toml")
        checked = elsewhere.run(
            "booking-assets", "check", variables={"BOOKING_CONFIG": configuration}
        )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.count("verified") == 3
    assert list(elsewhere.folder.iterdir()) == []


def test_a_file_that_holds_no_events_is_refused_with_its_line(folder: Path) -> None:
    (folder / "given").write_text(json.dumps(GIVEN) + '\n{"a": 1}\n', encoding="utf-8")
    refused = CliRunner().invoke(main, ["sandbox", "--data", "given"])
    assert refused.exit_code == 1
    assert "Error: given, line 2: not an event" in refused.output


def test_the_sandbox_leaves_a_configuration_of_others_alone(folder: Path) -> None:
    (folder / "booking.toml").write_text(BROKEN, encoding="utf-8")
    refused = CliRunner().invoke(main, ["sandbox", "--events", "1", "--write-config", "."])
    assert refused.exit_code == 1
    assert "booking.toml exists and is not ours" in refused.output
    assert (folder / "booking.toml").read_text(encoding="utf-8") == BROKEN
