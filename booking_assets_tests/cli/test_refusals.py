"""Tests of what commands refuse before anything is started, in one sentence."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from booking_assets.cli.main import COMMANDS, main
from booking_assets_tests.cli.commands import (
    BROKEN,
    SLUGS,
    VALID,
)
from booking_assets_tests.commands import unfolded


def test_an_organization_that_is_not_known_is_named_with_those_that_are(folder: Path) -> None:
    refused = CliRunner().invoke(main, ["refresh", "-o", "acme", "-o", SLUGS[0]])
    assert refused.exit_code == 2
    assert f"acme: not in the sandbox; known: {', '.join(SLUGS)}" in unfolded(refused.output)
    assert list(folder.iterdir()) == []


UNREADABLE = {
    "a byte order mark that is UTF-16": ("A=\u00e9".encode("utf-16"), "save it as UTF-8"),
    "latin-1": ("A=\u00e9".encode("latin-1"), "save it as UTF-8"),
}


@pytest.mark.parametrize(("content", "remedy"), UNREADABLE.values(), ids=UNREADABLE)
def test_secrets_that_cannot_be_read_are_one_sentence(
    folder: Path, content: bytes, remedy: str
) -> None:
    (folder / ".env").write_bytes(content)
    refused = CliRunner().invoke(main, ["check"])
    assert refused.exit_code == 2
    assert remedy in refused.output
    assert "Traceback" not in refused.output


@pytest.mark.parametrize("cron", ["99 * * * *", "0 0 31 2 *", "* * * * 9"])
def test_a_cron_text_that_only_dagster_refuses_is_named_by_its_key(folder: Path, cron: str) -> None:
    (folder / "booking.toml").write_text(
        f'{VALID}[schedules]\nhourly = "{cron}"\n', encoding="utf-8"
    )
    refused = CliRunner().invoke(main, ["refresh"])
    assert refused.exit_code == 2
    assert "schedules.hourly: Dagster refuses this cron text" in unfolded(refused.output)


def test_a_fault_in_the_file_of_names_is_named_before_anything_is_started(folder: Path) -> None:
    (folder / "booking.toml").write_text(f'{VALID}[names]\ncsv = "names.csv"\n', encoding="utf-8")
    (folder / "names.csv").write_text("kind,identifier,name\nvenue,bad,B\n", encoding="utf-8")
    refused = CliRunner().invoke(main, ["refresh"])
    assert refused.exit_code == 2
    assert "names.csv cannot be used: - line 2: the identifier is no" in unfolded(refused.output)
    assert {path.name for path in folder.iterdir()} == {"booking.toml", "names.csv"}


def test_a_port_that_is_taken_is_named_before_anything_is_started(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = str(listening.getsockname()[1])
        refused = CliRunner().invoke(main, ["ui", "--port", port])
    assert refused.exit_code == 1
    assert f"127.0.0.1:{port} cannot be used" in refused.output
    assert list(folder.iterdir()) == []


def test_every_fault_of_the_configuration_is_named_at_once(folder: Path) -> None:
    (folder / "booking.toml").write_text(BROKEN, encoding="utf-8")
    refused = CliRunner().invoke(main, ["refresh"])
    assert refused.exit_code == 2
    said = unfolded(refused.output)
    assert "booking.toml cannot be used" in said
    for fault in ("api.base_url: ", "api.page_size: ", "organizations.0: "):
        assert fault in said
    assert "Traceback" not in said
    # It ended by its own exit, and by no error that a person would see as a traceback.
    assert isinstance(refused.exception, SystemExit)
    assert [path.name for path in folder.iterdir()] == ["booking.toml"]


def test_the_commands_explain_themselves() -> None:
    told = CliRunner().invoke(main, ["--help"])
    assert told.exit_code == 0
    listed = unfolded(told.output)
    for command, summary in COMMANDS.items():
        assert f"{command} {summary}" in listed
        explained = CliRunner().invoke(main, [command, "-h"])
        assert explained.exit_code == 0
        assert summary in unfolded(explained.output)
    assert re.search(r"\d+\.\d+\.\d+", CliRunner().invoke(main, ["--version"]).output)


def test_secrets_in_a_folder_are_one_sentence(folder: Path) -> None:
    (folder / ".env").mkdir()
    refused = CliRunner().invoke(main, ["check"])
    assert refused.exit_code == 2
    assert ".env cannot be used" in refused.output
    assert "it is a folder" in refused.output
