"""The commands `api`, `export` and `alert`, on the sandbox and on a `booking.toml`."""

from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from booking_assets.cli.main import main
from booking_assets.sandbox.tenants import booking_toml, generated_tenants

SLUG = "river-college"


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("BOOKING_CONFIG", "BOOKING_WAREHOUSE", "BOOKING_SNAPSHOT"):
        monkeypatch.delenv(name, raising=False)


def ran(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def assert_is_a_count(result: Result) -> None:
    """The output is a count of the sandbox's events, some of which come and go."""
    (row,) = json.loads(result.stdout)
    assert abs(row.pop("count") - 400) < 40
    assert row == {}


def test_an_answer_as_json_is_all_of_the_output() -> None:
    result = ran("api", "count", "-o", SLUG, "--format", "json")
    assert_is_a_count(result)
    assert "using the sandbox" in result.stderr


def test_one_event_is_found_by_search_and_shown_by_retrieve() -> None:
    found = ran("api", "search", "-o", SLUG, "--page-size", "1", "--format", "csv")
    (row,) = csv.DictReader(StringIO(found.stdout))
    shown = ran("api", "retrieve", row["event_identifier"], "-o", SLUG).stdout
    fields = [line.split()[0] for line in shown.splitlines() if line.strip()]
    assert row["event_identifier"] in shown
    assert {"event_number", "event_scheduled_start"} < {*fields}


def test_an_answer_is_written_to_a_file(tmp_path: Path) -> None:
    for number, file_format in enumerate(("table", "json", "csv")):
        out = tmp_path / f"answer-{number}"
        command = ("api", "collect", "-o", SLUG, "--format", file_format, "--out", str(out))
        assert ran(*command).stdout == ""
        assert "event_identifier" in out.read_text(encoding="utf-8")


def test_a_filter_that_the_server_ignores_is_said_beside_the_answer() -> None:
    result = ran("api", "count", "-o", SLUG, "--filter", "EventType=Exam", "--format", "json")
    assert_is_a_count(result)
    assert "ignore the filter EventType" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("count", "x"), "count takes no IDENTIFIER"),
        (("retrieve",), "retrieve takes an IDENTIFIER"),
        (("download",), "download takes --out FILE"),
        (("count", "--filter", "Colour=red"), "'Colour' is no member of events"),
        (("count", "-o", "nobody"), "nobody: not in the sandbox"),
        (("retrieve", "7"), "the identifier is not a UUID"),
    ],
)
def test_an_operation_that_cannot_be_asked_so_is_refused(
    arguments: tuple[str, ...], said: str
) -> None:
    result = ran("api", arguments[0], "-o", SLUG, *arguments[1:])
    assert result.exit_code != 0
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_an_export_before_the_first_refresh_names_the_command(tmp_path: Path) -> None:
    result = ran("export", "out")
    assert result.exit_code == 1
    assert "run `booking-assets refresh`" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_test_of_alerts_needs_somebody_to_tell() -> None:
    result = ran("alert", "--test")
    assert result.exit_code == 1
    assert "set url_env under [alerts]" in result.stderr


def test_a_test_of_alerts_names_the_variable_and_never_its_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = booking_toml("http://127.0.0.1:1", generated_tenants(1, 7))
    (tmp_path / "booking.toml").write_text(f'{settings}\n[alerts]\nurl_env = ["ALERTS"]\n')
    monkeypatch.setenv("ALERTS", "json://127.0.0.1:1/hunter2")
    result = ran("alert", "--test")
    assert result.exit_code == 1
    assert "sent to 0 of 1" in result.stdout
    assert "URL 1 of ALERTS" in result.stdout
    assert "hunter2" not in result.output
