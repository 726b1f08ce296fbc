"""Tests of the command `booking-assets` as a process in a folder: output, exit code, snapshot."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import dagster as dg
import duckdb
import pytest
from click.testing import CliRunner
from rich.console import Console

from booking_assets.cli.display import live_progress
from booking_assets.cli.main import COMMANDS, main
from booking_assets.definitions import build_definitions
from booking_assets.sandbox.configuration import token_variable
from booking_assets.tables.catalog import TABLES
from booking_assets_tests.commands import SECONDS, Shell, shell, unfolded

SLUGS = ("harbour-trades", "northern-health", "river-college")
SNAPSHOT = "sandbox/booking.snapshot.duckdb"


@dataclass(frozen=True)
class Ran:
    """A command that has ended, and the shell that ran it."""

    shell: Shell
    process: CompletedProcess[str]

    @property
    def exit_code(self) -> int:
        return self.process.returncode

    @property
    def said(self) -> str:
        return unfolded(self.process.stdout + self.process.stderr)

    def snapshot(self, query: str) -> list[tuple[Any, ...]]:
        return snapshot(self.shell, query)


def ran(where: Shell, *arguments: str) -> Ran:
    return Ran(where, where.run("booking-assets", *arguments))


def snapshot(where: Shell, query: str) -> list[tuple[Any, ...]]:
    """Query the snapshot through its symlink, as an analyst does."""
    configured = (where.folder / "booking.toml").exists()
    path = where.folder / ("data/booking.snapshot.duckdb" if configured else SNAPSHOT)
    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute(query).fetchall()


def counts(where: Shell, table: str) -> dict[str, int]:
    return dict(snapshot(where, f"SELECT organization, count(*) FROM {table} GROUP BY ALL"))


@contextmanager
def sandbox(where: Shell, *arguments: str) -> Iterator[None]:
    """Run `booking-assets sandbox`, and stop it at the end."""
    with where.started("booking-assets", "sandbox", *arguments) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert "Booking API: http://127.0.0.1:" in first, first
        yield
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=SECONDS)
        assert (process.returncode, rest) == (0, "")


# Without any configuration.


@pytest.fixture(scope="module")
def refreshed(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """`booking-assets refresh` in an empty folder."""
    return ran(shell(tmp_path_factory.mktemp("unconfigured")), "refresh")


def test_a_refresh_in_an_empty_folder_takes_the_sandbox_all_the_way(refreshed: Ran) -> None:
    assert refreshed.exit_code == 0, refreshed.said
    assert refreshed.process.stderr == ""
    assert "No booking.toml: using the sandbox, started and stopped for this." in refreshed.said
    events = counts(refreshed.shell, "raw.events")
    assert events.keys() == set(SLUGS)
    for slug, rows in events.items():
        assert f"stored {slug}: {rows} events" in refreshed.said


def test_what_is_printed_is_what_the_snapshot_holds(refreshed: Ran) -> None:
    printed = {}
    for line in refreshed.process.stdout.splitlines():
        name, *cells = [cell.strip() for cell in line.strip("│").split("│")]
        if name in SLUGS:
            printed[name] = [int(cell) for cell in cells]
    owned = [table for table in TABLES if "organization" in table.column_names]
    held = [counts(refreshed.shell, table.name) for table in owned]
    assert printed == {slug: [rows.get(slug, 0) for rows in held] for slug in SLUGS}
    assert str(refreshed.shell.folder / SNAPSHOT) in refreshed.said


def test_the_snapshot_has_a_capacity_table_whose_sums_are_its_events(refreshed: Ran) -> None:
    assert refreshed.snapshot(
        "SELECT sum(events + events_cancelled) FROM marts.capacity_utilization"
    ) == (refreshed.snapshot("SELECT count(*) FROM raw.events"))


def test_a_refresh_leaves_its_data_and_its_state_in_its_folder_alone(refreshed: Ran) -> None:
    assert {path.name for path in refreshed.shell.folder.iterdir()} == {"sandbox", ".dagster"}
    assert list(refreshed.shell.home.iterdir()) == []
    assert not refreshed.shell.network_log.exists()
    assert (refreshed.shell.folder / SNAPSHOT).is_symlink()


def test_dagster_in_a_checkout_shows_the_runs_of_a_refresh_and_each_check_once(
    refreshed: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Path(__file__).parents[1]
    shutil.copy(project / "dagster.yaml", tmp_path)
    # The checkout's file names the folder of its state relative to the working directory.
    monkeypatch.chdir(refreshed.shell.folder)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        runs = instance.get_runs()
        checked = [
            evaluation.asset_check_key
            for run in runs
            for entry in instance.all_logs(run.run_id, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
            if (evaluation := entry.asset_check_evaluation)
        ]
    assert {run.job_name for run in runs} == {"collect", "derive"}
    every_check = build_definitions().resolve_asset_graph().asset_check_keys
    assert sorted(map(str, checked)) == sorted(map(str, every_check))
    assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}


# What cannot be done is said before anything is done.


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, for what fails before anything is started."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BOOKING_CONFIG", raising=False)
    return tmp_path


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


def test_a_port_that_is_taken_is_named_before_anything_is_started(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = str(listening.getsockname()[1])
        refused = CliRunner().invoke(main, ["ui", "--port", port])
    assert refused.exit_code == 1
    assert f"127.0.0.1:{port} cannot be used" in refused.output
    assert list(folder.iterdir()) == []


VALID = """
[api]
base_url = "http://127.0.0.1:9"

[[organizations]]
slug = "acme"
identifier = "123e4567-e89b-12d3-a456-426614174000"
token_env = "BOOKING_TOKEN_ACME"

"""
BROKEN = """
[api]
base_url = "no address"
page_size = 0

[[organizations]]
slug = "acme"
identifier = "123e4567-e89b-12d3-a456-426614174000"
"""


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


# Against a configured API that serves given events: what changes between two refreshes is known.

ACME, BETA, GAMMA = (
    "123e4567-e89b-12d3-a456-426614174000",
    "9f8e7d6c-5b4a-4321-8fed-cba987654321",
    "c0ffee00-0000-4000-8000-000000000001",
)


def slug(organization: str) -> str:
    """The slug that the sandbox gives to the organization of given events."""
    return f"organization-{organization[:8]}"


def event(organization: str, number: int, title: str = "as planned") -> dict[str, Any]:
    return {
        "EventIdentifier": f"00000000-0000-4000-8000-{number:012}",
        "OrganizationIdentifier": organization,
        "EventTitle": title,
        "EventType": "Class",
        "EventScheduledStart": "2026-05-04T09:00:00-06:00",
        "CapacityMaximum": 10 + number,
        "LastChangeTime": "2026-03-01T12:00:00.1234567+00:00",
    }


MORNING = [event(ACME, 10), event(BETA, 20), *(event(GAMMA, number) for number in range(6))]
EVENING = [*MORNING[:2], event(GAMMA, 0), event(GAMMA, 1, "moved"), event(GAMMA, 7)]


@contextmanager
def serving(where: Shell, events: list[dict[str, Any]]) -> Iterator[None]:
    """Run a sandbox with these events, and write its configuration to the folder."""
    given = where.home.with_name("events.ndjson")
    given.write_text("".join(f"{json.dumps(one)}\n" for one in events), encoding="utf-8")
    with sandbox(where, "--data", str(given), "--write-config", str(where.folder)):
        yield


@dataclass(frozen=True)
class Day:
    """A folder that is refreshed twice.

    In the morning the first organization's token is missing. In the evening it is there, the third
    organization has other events, and only these two are asked for.
    """

    checked: Ran
    morning: Ran
    in_the_morning: dict[str, int]
    evening: Ran


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    where = shell(tmp_path_factory.mktemp("configured"))
    dotenv = where.folder / ".env"
    with serving(where, MORNING):
        lines = dotenv.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if not line.startswith(token_variable(slug(ACME)))]
        dotenv.write_text("".join(kept), encoding="utf-8")
        checked = ran(where, "check")
        morning = ran(where, "refresh")
        in_the_morning = counts(where, "marts.capacity_by_event")
    with serving(where, EVENING):
        # More than half of an organization's events are gone: that needs a person's word.
        asked = ("-o", slug(ACME), "--organization", slug(GAMMA), "--allow-shrink")
        evening = ran(where, "refresh", *asked)
    return Day(checked, morning, in_the_morning, evening)


@pytest.mark.slow
def test_an_organization_without_a_token_is_named_with_the_remedy(day: Day) -> None:
    assert day.morning.exit_code == 1
    (told,) = re.findall(f"{slug(ACME)}, events: (.*)", day.morning.said)
    assert f"the environment variable {token_variable(slug(ACME))} is unset or blank" in told
    assert "Set the variable" in told
    assert "Traceback" not in day.morning.said
    assert "No booking.toml" not in day.morning.said


@pytest.mark.slow
def test_the_other_organizations_are_stored_derived_and_published(day: Day) -> None:
    assert day.in_the_morning == {slug(BETA): 1, slug(GAMMA): 6}


@pytest.mark.slow
def test_check_names_the_credential_that_is_missing(day: Day) -> None:
    assert day.checked.exit_code == 1
    assert token_variable(slug(ACME)) in day.checked.said
    assert day.checked.process.stdout.count("verified") == 2


@pytest.mark.slow
def test_the_next_refresh_completes_what_was_mended(day: Day) -> None:
    assert day.evening.exit_code == 0, day.evening.said
    statuses = dict(
        day.evening.snapshot(
            f"""
            SELECT started_at, coalesce(reason, status) FROM raw.collections
            WHERE organization = '{slug(ACME)}' AND resource = 'events' ORDER BY started_at
            """
        )
    )
    refused, complete = statuses.values()
    assert token_variable(slug(ACME)) in refused
    assert complete == "complete"


@pytest.mark.slow
def test_only_the_organizations_asked_for_are_refreshed(day: Day) -> None:
    collections = day.evening.snapshot(
        """
        SELECT organization, count(*) FROM raw.collections
        WHERE resource = 'events' GROUP BY organization
        """
    )
    assert dict(collections) == {slug(ACME): 2, slug(BETA): 1, slug(GAMMA): 2}
    assert slug(BETA) not in day.evening.said


@pytest.mark.slow
def test_the_snapshot_has_the_other_organizations_as_before(day: Day) -> None:
    in_the_evening = counts(day.evening.shell, "marts.capacity_by_event")
    assert in_the_evening == {slug(ACME): 1, slug(BETA): 1, slug(GAMMA): 3}


@pytest.mark.slow
def test_the_next_refresh_sees_what_is_new_changed_or_gone(day: Day) -> None:
    titles = f"""
        SELECT right(event_identifier::VARCHAR, 1), event_title
        FROM raw.events WHERE organization = '{slug(GAMMA)}'
    """
    assert dict(day.evening.snapshot(titles)) == {
        "0": "as planned",
        "1": "moved",
        "7": "as planned",
    }
    seats = f"""
        SELECT sum(capacity_maximum) FROM marts.capacity_by_event
        WHERE organization = '{slug(GAMMA)}'
    """
    assert day.evening.snapshot(seats) == [(10 + 11 + 17,)]


@pytest.mark.slow
def test_no_token_is_printed(day: Day) -> None:
    dotenv = (day.evening.shell.folder / ".env").read_text(encoding="utf-8")
    tokens = re.findall(r"^BOOKING_TOKEN_\w+=(.+)$", dotenv, re.MULTILINE)
    assert len(tokens) == 3
    for one in (day.checked, day.morning, day.evening):
        assert [token for token in tokens if token in one.said] == []


# The sandbox as a command of its own.


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
    (folder / "given").write_text(json.dumps(MORNING[0]) + '\n{"a": 1}\n', encoding="utf-8")
    refused = CliRunner().invoke(main, ["sandbox", "--data", "given"])
    assert refused.exit_code == 1
    assert "Error: given, line 2: not an event" in refused.output


def test_the_sandbox_leaves_a_configuration_of_others_alone(folder: Path) -> None:
    (folder / "booking.toml").write_text(BROKEN, encoding="utf-8")
    refused = CliRunner().invoke(main, ["sandbox", "--events", "1", "--write-config", "."])
    assert refused.exit_code == 1
    assert "booking.toml exists and is not ours" in refused.output
    assert (folder / "booking.toml").read_text(encoding="utf-8") == BROKEN


# On a terminal.


def test_a_terminal_shows_a_bar_for_each_organization_and_then_its_outcome() -> None:
    terminal = Console(file=StringIO(), force_terminal=True, color_system=None, width=80)
    with live_progress(terminal) as watcher:
        watcher.received("acme", "events", 500, 2000)
        watcher.received("beta", "events", 10, 10)
        watcher.ended("beta", "events", 10, None)
        watcher.ended("acme", "events", 0, ValueError("acme: [not] complete"))
    assert isinstance(terminal.file, StringIO)
    shown = terminal.file.getvalue()
    assert "500/2000" in shown
    assert "beta: 10 events" in shown
    assert "acme: [not] complete" in shown


# Ctrl-C.


@pytest.mark.slow
def test_an_interrupted_refresh_says_what_is_stored_and_ends_at_once(tmp_path: Path) -> None:
    where = shell(tmp_path)
    arguments = ("--events", "40", "--fault", "latency=2", "--write-config", str(where.folder))
    with (
        sandbox(where, *arguments),
        where.started("booking-assets", "refresh") as process,
    ):
        landing = where.folder / "data/booking.landing"
        deadline = time.monotonic() + SECONDS
        while not list(landing.glob("*/.partial-*")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert said == "Interrupted: nothing stored; nothing was published. Run it again.\n"
    assert not (where.folder / "data/booking.snapshot.duckdb").exists()
