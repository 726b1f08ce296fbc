"""Commands of this project as processes, and the snapshot that they leave."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from subprocess import CompletedProcess
from typing import Any

import duckdb

from booking_assets.sandbox.faults.registry import parse_faults
from booking_assets.sandbox.server import SandboxServer
from booking_assets.sandbox.tenants import booking_toml, dotenv
from booking_assets.sandbox.world import generated_world
from booking_assets_tests.commands import SECONDS, Shell, unfolded

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


@contextmanager
def serving(where: Shell, *faults: str, organizations: int = 3, events: int = 6) -> Iterator[None]:
    """What `sandbox --still --write-config` serves and writes, without a process of its own."""
    world = generated_world(organizations, events, seed=7, still=True)
    with SandboxServer(world, faults=parse_faults(faults, 0)) as server:
        toml = booking_toml(server.base_url, world.tenants)
        (where.folder / "booking.toml").write_text(toml, encoding="utf-8")
        (where.folder / ".env").write_text(dotenv(world.tenants), encoding="utf-8")
        yield


VALID = """
[api]
base_url = "http://127.0.0.1:9"

[[organizations]]
slug = "acme"
identifier = "123e4567-e89b-12d3-a456-426614174000"
token_env = "BOOKING_TOKEN_ACME"

"""
SILENT_API = """
[api]
base_url = "http://127.0.0.1:{port}"

[[organizations]]
slug = "acme"
identifier = "123e4567-e89b-12d3-a456-426614174000"
token_env = "PATH"
"""
"""Settings for a port that takes connections and answers none."""
BROKEN = """
[api]
base_url = "no address"
page_size = 0

[[organizations]]
slug = "acme"
identifier = "123e4567-e89b-12d3-a456-426614174000"
"""
GIVEN = {
    "EventIdentifier": "00000000-0000-4000-8000-000000000010",
    "OrganizationIdentifier": "123e4567-e89b-12d3-a456-426614174000",
}
"""An event, as in a file of given events."""
