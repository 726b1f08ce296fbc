"""The project in a folder of its own, and the sandbox that its booking.toml names; all real."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import polars as pl
import pytest

from booking_assets.api.retry import RetryPolicy
from booking_assets.collect.contracts import EVENT_ROWS, RowContract
from booking_assets.collect.decoding import Decoder
from booking_assets.collect.stats import Mode
from booking_assets.definitions import build_definitions
from booking_assets.defs.runs import RefreshResult, run_refresh
from booking_assets.defs.sandbox import open_configured_api
from booking_assets.pipeline.connections import open_warehouse
from booking_assets.pipeline.derivation import derive_all, publish
from booking_assets.pipeline.progress import NoProgress
from booking_assets.pipeline.results import CollectionResult, RunReport
from booking_assets.sandbox.tenants import Tenant, booking_toml, dotenv, token_variable
from booking_assets.sandbox.world import World, generated_world
from booking_assets.settings import Settings, load_settings
from booking_assets.tables.catalog import RAW_TABLES
from booking_assets.tables.raw import COLLECTIONS, EVENTS, REGISTRATIONS
from booking_assets.transforms.check_rules import unaccounted
from booking_assets.warehouse.warehouse import Warehouse
from booking_assets_tests.commands import SECONDS, Shell
from booking_assets_tests.faults.request_log import LoggedRequest
from booking_assets_tests.faults.server import FaultySandbox
from booking_assets_tests.reliability import collecting

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
QUICK = RetryPolicy(
    timeout_seconds=60, wait_initial_seconds=0.01, wait_max_seconds=0.1, wait_jitter_seconds=0.01
)
"""The client's own policy with shorter waits, for tests that are not about waiting."""

HALF_WRITTEN = ("*.partial*", "*.wal", "*.new", "*.tmp-*", "*.rebuilt*")
PAGES_OF_TEN = "page_size = 10"


def still_world(events: int, organizations: int = 2) -> World:
    """Organizations at rest: the same ones for every number of events."""
    return generated_world(organizations, events, seed=7, clock=lambda: NOON)


@dataclass(frozen=True)
class Installation:
    """A folder with a booking.toml and an .env, and the running sandbox that they name."""

    shell: Shell
    server: FaultySandbox
    tenants: tuple[Tenant, ...]

    @property
    def slugs(self) -> list[str]:
        return [tenant.slug for tenant in self.tenants]

    @property
    def folder(self) -> Path:
        return self.shell.folder

    @property
    def settings(self) -> Settings:
        return load_settings({}, self.folder)

    @property
    def warehouse(self) -> Warehouse:
        return open_warehouse(self.settings)

    @property
    def requests(self) -> tuple[LoggedRequest, ...]:
        return self.server.log.requests()

    def collect(
        self,
        *slugs: str,
        retry: RetryPolicy = QUICK,
        mode: Mode = "full",
        allow_shrink: bool = False,
        tokens: Mapping[str, str] | None = None,
        resource: str = EVENTS.short_name,
    ) -> dict[str, CollectionResult]:
        """Collects and stores in this process, without Dagster.

        Args:
            slugs: which organizations; all by default.
            retry: how long the client goes on.
            mode: read every event, or those that changed.
            allow_shrink: as on the command line.
            tokens: in place of those in the .env.
            resource: of which resource the outcomes are returned, by organization.
        """
        report = self.report(
            *slugs, retry=retry, mode=mode, allow_shrink=allow_shrink, tokens=tokens
        )
        return {one.organization: one for one in report.results if one.resource == resource}

    def report(
        self,
        *slugs: str,
        retry: RetryPolicy = QUICK,
        mode: Mode = "full",
        allow_shrink: bool = False,
        tokens: Mapping[str, str] | None = None,
    ) -> RunReport:
        """The same, with the organizations of which nothing was logged."""
        with self._environment(tokens or {}):
            return collecting.collected(
                self.settings, retry, slugs, mode=mode, allow_shrink=allow_shrink
            )

    def refresh(self, instance: dg.DagsterInstance, *, allow_shrink: bool = False) -> RefreshResult:
        """What `booking-assets refresh` does, in this process."""
        with self._environment({}):
            return run_refresh(
                build_definitions(self.settings),
                self.settings,
                self.slugs,
                NoProgress(),
                mode="full",
                allow_shrink=allow_shrink,
                instance=instance,
                tags={},
            )

    def publish(self) -> None:
        collecting.published(self.settings)

    def collect_derive_and_publish(self) -> None:
        """All that a refresh stores and publishes, in this process and without Dagster."""
        assert not self.report().failed_organizations
        derive_all(self.warehouse, self.settings)
        publish(self.warehouse, self.settings)

    @contextmanager
    def process(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A collection as a process, from the moment at which it begins; killed at the end."""
        with subprocess.Popen(
            [sys.executable, "-m", collecting.__name__, *arguments],
            cwd=self.folder,
            env=self.shell.environment | self._tokens | {"PYTHONPATH": _source()},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == f"{collecting.READY}\n", process.stderr
                yield process
            finally:
                process.kill()

    def ran(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A collection as a process, when it has ended."""
        with self.process(*arguments) as process:
            said, complained = process.communicate(timeout=SECONDS)
        return subprocess.CompletedProcess(arguments, process.returncode, said, complained)

    def stored(self, slug: str, contract: RowContract = EVENT_ROWS) -> pl.DataFrame:
        """An organization's stored rows, without the instant at which they were collected."""
        rows = self.warehouse.read(contract.table)
        return comparable(rows.filter(pl.col("organization") == slug), contract)

    def served(self, slug: str, contract: RowContract = EVENT_ROWS) -> pl.DataFrame:
        """What the API holds of an organization now, asked for as one page."""
        (own,) = [one for one in self.settings.organizations if one.slug == slug]
        with self._environment({}), open_configured_api(self.settings) as connect:
            decoder = Decoder(contract, slug, own.identifier, NOON)
            page = connect(own, contract.resource).collect(1, 10_000, decoder)
            return comparable(page.content.rows, contract)

    def breaches(self) -> list[str]:
        """Where the warehouse breaks a promise that it makes after every run."""
        with self.warehouse.session() as store:
            reconciliation = (
                store.reconciliation(EVENTS),
                store.reconciliation(REGISTRATIONS).drop_nulls("rows_loaded"),
            )
            found = [
                f"{slug}: counted is not stored"
                for one in reconciliation
                for slug in unaccounted(one)
            ]
            found += [f"{slug}: foreign rows" for slug in store.foreign_rows()]
            contracts = ((table, store.contract_breaches(table)) for table in RAW_TABLES)
            found += [f"{table.name}: {broken}" for table, broken in contracts if broken]
        return found

    def half_written(self) -> list[str]:
        """Files and folders that no run may leave behind when it has ended."""
        data = self.settings.warehouse_path.parent
        return sorted(str(path) for pattern in HALF_WRITTEN for path in data.rglob(pattern))

    def log(self, outcome: CollectionResult) -> dict[str, Any]:
        """What a collection wrote to raw.collections."""
        key = [outcome.log_row[name] for name in COLLECTIONS.grain]
        where = " AND ".join(f"{name} = ?" for name in COLLECTIONS.grain)
        (row,) = self.query(f"SELECT * FROM {COLLECTIONS.name} WHERE {where}", key)
        return row

    def query(self, statement: str, values: list[Any] | None = None) -> list[dict[str, Any]]:
        """What the warehouse answers."""
        return asked(self.settings.warehouse_path, statement, values)

    def snapshot(self, statement: str) -> list[dict[str, Any]]:
        """What an analyst reads."""
        return asked(self.settings.snapshot_path.resolve(), statement)

    @property
    def _tokens(self) -> dict[str, str]:
        return {token_variable(tenant.slug): tenant.token for tenant in self.tenants}

    @contextmanager
    def _environment(self, tokens: Mapping[str, str]) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self._tokens.items():
                patch.setenv(name, value)
            for slug, token in tokens.items():
                patch.setenv(token_variable(slug), token)
            yield


@contextmanager
def installed(
    where: Shell,
    world: World,
    *faults: str,
    seed: int = 0,
    api: str = PAGES_OF_TEN,
    sections: str = "",
    registrations: bool = False,
    names: bool = False,
    tenants: tuple[Tenant, ...] = (),
) -> Iterator[Installation]:
    """The project in a folder while the API has these faults; what the folder holds stays.

    Args:
        where: the folder.
        world: what the API holds.
        faults: as on the sandbox's command line.
        seed: which requests are struck.
        api: lines for [api] in booking.toml.
        sections: sections for its end.
        registrations: whether they are collected beside the events.
        names: whether groups and achievements are.
        tenants: the organizations to configure, with their tokens; those of the world by default.
    """
    tenants = tenants or world.tenants
    server = FaultySandbox(world, *faults, seed=seed)
    with server:
        settings = booking_toml(server.base_url, tenants).replace("[api]\n", f"[api]\n{api}\n")
        for switch, is_on in (("registrations", registrations), ("names", names)):
            if not is_on:
                settings = settings.replace("\nslug =", f"\n{switch} = false\nslug =")
        (where.folder / "booking.toml").write_text(f"{settings}\n{sections}\n", encoding="utf-8")
        (where.folder / ".env").write_text(dotenv(tenants), encoding="utf-8")
        yield Installation(where, server, tenants)


Install = Callable[..., Installation]


def held(world: World, slug: str, contract: RowContract = EVENT_ROWS) -> pl.DataFrame:
    """What a world at rest holds of an organization."""
    (tenant,) = [one for one in world.tenants if one.slug == slug]
    (resource,) = [one for one in world.resources if one.name == contract.resource.name]
    body = b",".join(row.json for row in world.rows(tenant, resource))
    decoder = Decoder(contract, slug, tenant.identifier, NOON)
    return comparable(decoder(b"[" + body + b"]").rows, contract)


def comparable(rows: pl.DataFrame, contract: RowContract = EVENT_ROWS) -> pl.DataFrame:
    """Rows in one order, without the instant at which they were collected."""
    return rows.drop("collected_at").sort(contract.column_of[contract.resource.identifier])


def asked(path: Path, statement: str, values: list[Any] | None = None) -> list[dict[str, Any]]:
    """What a DuckDB file answers, row by row."""
    with duckdb.connect(str(path), read_only=True) as con:
        cursor = con.execute(statement, values or [])
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _source() -> str:
    return str(Path(__file__).parents[2])
