"""An installation: settings, the sandbox that they name, and a Dagster instance, all real."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from threading import Thread
from typing import Any

import dagster as dg
import duckdb
import pytest

from booking_assets.definitions import build_definitions
from booking_assets.defs.instance import HOME_VARIABLE, prepare_dagster_home
from booking_assets.defs.partitions import range_tags
from booking_assets.pipeline.connections import open_warehouse
from booking_assets.sandbox.server import SandboxServer
from booking_assets.sandbox.tenants import Tenant, token_variable
from booking_assets.sandbox.world import World, generated_world
from booking_assets.settings import Api, Organization, Settings
from booking_assets.tables.contract import Table
from booking_assets.tables.raw import COLLECTIONS
from booking_assets.warehouse.warehouse import Warehouse
from booking_assets_tests.defs.receiver import Receiver

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVENTS_EACH = 30


def world(events: int = EVENTS_EACH) -> World:
    """Three organizations at rest; the same ones for any number of events."""
    return generated_world(3, events, seed=7, clock=lambda: NOON)


@dataclass(frozen=True)
class Site:
    """One installation of the project."""

    settings: Settings
    instance: dg.DagsterInstance
    tenants: tuple[Tenant, ...]

    @property
    def slugs(self) -> list[str]:
        return [one.slug for one in self.settings.organizations]

    @cached_property
    def definitions(self) -> dg.Definitions:
        """Built once, as in a process of Dagster: each run of the same job takes less."""
        return build_definitions(settings=self.settings)

    @property
    def warehouse(self) -> Warehouse:
        return open_warehouse(self.settings)

    def run(
        self,
        job: str,
        slugs: Sequence[str] = (),
        config: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        console: str = "CRITICAL",
    ) -> dg.ExecuteInProcessResult:
        """Runs a job in this process, over the partitions from the first slug to the last.

        Of its log, the console gets what has at least this level: to write all takes time.
        """
        ranged = range_tags(slugs[0], slugs[-1]) if slugs else {}
        loggers = {"loggers": {"console": {"config": {"log_level": console}}}}
        return self.definitions.resolve_job_def(job).execute_in_process(
            run_config={**(config or {}), **loggers},
            instance=self.instance,
            tags=ranged | dict(tags or {}),
            raise_on_error=False,
        )

    def log(self, run_id: str, resource: str = "events") -> dict[str, dict[str, Any]]:
        """What a run wrote to raw.collections about a resource, by organization."""
        rows = self.warehouse.read(COLLECTIONS).filter(run_id=run_id, resource=resource)
        return {row["organization"]: row for row in rows.to_dicts()}

    def by_hand(self, statement: str) -> None:
        """What a person might do to the warehouse behind our back."""
        with duckdb.connect(str(self.settings.warehouse_path)) as con:
            con.execute(statement)

    def asked(self, query: str) -> list[tuple[Any, ...]]:
        """The warehouse's answer."""
        with duckdb.connect(str(self.settings.warehouse_path), read_only=True) as con:
            return con.execute(query).fetchall()

    def stored_rows(self, table: Table) -> dict[str, int]:
        return dict(self.warehouse.row_counts(table))

    @contextmanager
    def serving(self, events: int) -> Iterator[Site]:
        """The same installation while the API holds another number of events."""
        with SandboxServer(world(events)) as server:
            yield replace(self, settings=pointed_at(self.settings, server.base_url))


def pointed_at(settings: Settings, base_url: str) -> Settings:
    return settings.model_copy(update={"api": Api(base_url=base_url, page_size=50)})


def materialized(result: dg.ExecuteInProcessResult) -> set[tuple[str, str | None]]:
    """Asset and partition of each materialization of a run."""
    events = (
        event.step_materialization_data for event in result.get_asset_materialization_events()
    )
    return {
        (data.materialization.asset_key.to_user_string(), data.materialization.partition)
        for data in events
    }


@pytest.fixture(scope="module")
def environment() -> Iterator[pytest.MonkeyPatch]:
    """The environment, as it was after the module."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def new_site(
    tmp_path_factory: pytest.TempPathFactory, environment: pytest.MonkeyPatch
) -> Iterator[Callable[..., Site]]:
    """Makes installations that share one sandbox; each has its own files and instance.

    A durable one keeps Dagster's state on disk as users do; else it is in memory, which takes half
    the time.
    """
    with ExitStack() as stack:
        server = stack.enter_context(SandboxServer(world()))
        tenants = server.world.tenants
        for tenant in tenants:
            environment.setenv(token_variable(tenant.slug), tenant.token)

        def make(*, durable: bool = False) -> Site:
            root = tmp_path_factory.mktemp("site")
            settings = Settings(
                root=root,
                source="the test",
                api=None,
                organizations=tuple(
                    Organization(
                        slug=tenant.slug,
                        identifier=tenant.identifier,
                        token_env=token_variable(tenant.slug),
                    )
                    for tenant in tenants
                ),
                warehouse_path=root / "booking.duckdb",
                snapshot_path=root / "booking.snapshot.duckdb",
            )
            environment.setenv(HOME_VARIABLE, "")
            instance = stack.enter_context(
                dg.DagsterInstance.from_config(str(prepare_dagster_home(settings)))
                if durable
                else dg.DagsterInstance.ephemeral()
            )
            return Site(pointed_at(settings, server.base_url), instance, tenants)

        yield make


@pytest.fixture
def durable_site(new_site: Callable[..., Site]) -> Site:
    return new_site(durable=True)


@pytest.fixture
def site(new_site: Callable[..., Site]) -> Site:
    return new_site()


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with Receiver() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("ALERTS", server.url)
        yield server
        server.shutdown()
        thread.join()
