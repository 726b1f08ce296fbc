"""Canaries: a token, people's words, and what is private in registrations turn up nowhere else.

Tokens belong in the environment, or files of their own, alone; people's words in events are stored,
and shown nowhere; what is private in registrations is never even decoded.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import duckdb
import pytest
from dotenv import dotenv_values

from booking_assets.sandbox.rows import members_of
from booking_assets.sandbox.world import World, given_world
from booking_assets.tables.contract import Text
from booking_assets.tables.raw import EVENTS, member_name
from booking_assets_tests.commands import Shell, shell
from booking_assets_tests.reliability.installation import (
    Install,
    Installation,
    installed,
    still_world,
)

EVENTS_EACH = 30
UMASK = 0o027
WORDS = "Words that somebody wrote"
PRIVATE = ("CANARY", "ca9a4700")
"""What the sandbox puts into every member of a registration that is private."""
FREE_TEXT = [
    member_name(name)
    for name, column in EVENTS.columns.columns().items()
    if isinstance(column, Text) and column.free
]


@dataclass(frozen=True)
class Told:
    """A refresh by command: what it said, and what it wrote."""

    site: Installation
    ended: CompletedProcess[str]

    @property
    def tokens(self) -> list[str]:
        return [tenant.token for tenant in self.site.tenants]

    @property
    def said(self) -> str:
        return self.ended.stdout + self.ended.stderr

    @property
    def dagster(self) -> list[Path]:
        """The files of Dagster's state: events, runs, compute logs."""
        return files(self.site.folder / ".dagster")

    @property
    def data(self) -> list[Path]:
        """The warehouse, the landings, the snapshots."""
        return files(self.site.settings.warehouse_path.parent)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]


def world_of_words(folder: Path) -> World:
    """Organizations whose events hold a canary in each member that people write."""
    still = still_world(EVENTS_EACH, organizations=3)
    rows = [members_of(row) for one in still.tenants for row in still.rows(one)]
    words = {member: f"{WORDS}: {member}" for member in FREE_TEXT}
    events = folder / "events.ndjson"
    events.write_text("".join(f"{json.dumps(row | words)}\n" for row in rows), encoding="utf-8")
    seats = folder / "seats.csv"
    lines = (
        "event_identifier,seats_taken,waitlisted",
        *(f"{r['EventIdentifier']},2,1" for r in rows),
    )
    seats.write_text("\n".join(lines), encoding="utf-8")
    return given_world(events, registrations=seats)


def as_files(where: Shell) -> dict[str, str]:
    """Make files of an installation's `.env`; gives the variable that names their folder."""
    folder = where.home.with_name(f"{where.home.name}.credentials")
    folder.mkdir()
    dotenv = where.folder / ".env"
    for name, value in dotenv_values(dotenv).items():
        (folder / name).write_text(f"{value}\n", encoding="utf-8")
    dotenv.unlink()
    return {"BOOKING_CREDENTIALS_DIRECTORY": str(folder)}


@pytest.fixture(scope="module", params=["in .env", "in files"])
def told(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Told]:
    """One organization's token is echoed, another's rows are spoilt, the third's are sound."""
    folder = tmp_path_factory.mktemp("words")
    world = world_of_words(folder)
    echoed, spoilt, _ = (tenant.slug for tenant in world.tenants)
    faults = (f"echo_token=400@{echoed}", f"bad_rows=all@{spoilt}", f"unknown_members@{spoilt}")
    where = shell(tmp_path_factory.mktemp("told"))
    with installed(where, world, *faults, registrations=True, names=True) as site:
        variables = as_files(where) if request.param == "in files" else {}
        yield Told(site, where.run("booking-assets", "refresh", variables=variables, umask=UMASK))


def test_the_refresh_met_what_it_should_keep_quiet_about(told: Told) -> None:
    assert told.ended.returncode == 1
    assert "Authorization: Bearer [redacted]" in told.said
    rows = "SELECT count(*) AS rows FROM raw.events WHERE event_title LIKE ?"
    assert told.site.query(rows, [f"{WORDS}%"])[0]["rows"] > EVENTS_EACH
    assert {path.suffix for path in told.dagster} >= {".db", ".yaml"}
    assert told.site.query("SELECT count(*) AS rows FROM raw.registrations")[0]["rows"] > 0


def test_no_token_is_said_or_written(told: Told) -> None:
    for token in told.tokens:
        assert token not in told.said
        holding = [path for path in told.dagster + told.data if token.encode() in path.read_bytes()]
        assert holding == []
        assert values_with(told, token) == []


def test_no_words_of_people_reach_dagster_or_a_log(told: Told) -> None:
    assert WORDS not in told.said
    assert [path for path in told.dagster if WORDS.encode() in path.read_bytes()] == []


def test_what_is_private_in_registrations_is_nowhere(told: Told) -> None:
    for canary in PRIVATE:
        assert canary not in told.said
        holding = [
            path for path in told.dagster + told.data if canary.encode() in path.read_bytes()
        ]
        assert holding == []
        assert values_with(told, canary) == []


def test_only_their_user_can_read_rows_and_nobody_can_write_what_is_published(told: Told) -> None:
    settings = told.site.settings
    published = tuple(
        path.with_name(f"{path.name}.d") for path in (settings.snapshot_path, settings.report_path)
    )
    data = settings.warehouse_path.parent
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in data.rglob("*")}
    wrong = {
        str(path): oct(mode)
        for path, mode in modes.items()
        if not path.is_symlink() and mode != _mode(path, published)
    }
    assert wrong == {}
    assert settings.snapshot_path.is_symlink()


def _mode(path: Path, published: tuple[Path, ...]) -> int:
    if path.name != ".lock" and any(path.is_relative_to(folder) for folder in published):
        return 0o750 if path.is_dir() else 0o440
    return 0o700 if path.is_dir() else 0o600


def values_with(told: Told, canary: str) -> list[str]:
    """Tables and landing files that hold the canary in some value: files may be compressed."""
    settings, found = told.site.settings, []
    with duckdb.connect(str(settings.snapshot_path.resolve()), read_only=True) as con:
        tables = con.execute(
            "SELECT schema_name || '.' || table_name FROM duckdb_tables()"
        ).fetchall()
        sources = [name for (name,) in tables]
        sources += [f"'{path}'" for path in settings.landing_path.rglob("*.parquet")]
        for source in sources:
            held = "SELECT count(*) FROM {} AS held WHERE CAST(held AS VARCHAR) LIKE ?"
            (row,) = con.execute(held.format(source), [f"%{canary}%"]).fetchall()
            found += [source] * row[0]
    return found


@pytest.mark.parametrize("status", [400, 500])
def test_an_echoed_token_is_in_no_error_log_or_reason(
    install: Install, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    caplog.set_level("DEBUG")
    site = install(still_world(10), f"echo_token={status}")
    for slug, outcome in site.collect().items():
        assert outcome.has_failed
        (tenant,) = [one for one in site.tenants if one.slug == slug]
        logged = site.log(outcome)["reason"]
        assert f"HTTP {status}" in logged
        for text in (logged, outcome.message, repr(outcome), repr(site.tenants), caplog.text):
            assert tenant.token not in text
