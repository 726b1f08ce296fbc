"""An installation without Dagster: a sandbox at rest, and settings that a test may change."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import pytest

from booking_assets.api.authentication import Token
from booking_assets.api.retry import RetryPolicy
from booking_assets.pipeline.collector import Collector
from booking_assets.pipeline.connections import open_api, open_warehouse
from booking_assets.pipeline.derivation import derive_all, publish
from booking_assets.pipeline.progress import NoProgress, Progress
from booking_assets.pipeline.refresh import refresh
from booking_assets.pipeline.results import RunReport
from booking_assets.sandbox.faults.registry import parse_faults
from booking_assets.sandbox.server import SandboxServer
from booking_assets.sandbox.tenants import Tenant
from booking_assets.sandbox.world import World, generated_world
from booking_assets.settings import Api, Names, Organization, Settings
from booking_assets.warehouse.warehouse import Warehouse

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVENTS_EACH = 20
QUICK = RetryPolicy(attempts=2, wait_initial_seconds=0.01, wait_jitter_seconds=0.01)


def still_world(events: int = EVENTS_EACH) -> World:
    """Two organizations at rest: the same ones for every number of events."""
    return generated_world(2, events, seed=7, clock=lambda: NOON)


@dataclass
class Place:
    """A folder with a warehouse, and the organizations that its settings name."""

    root: Path
    tenants: tuple[Tenant, ...]
    organizations: tuple[Organization, ...]
    names: Names = field(default_factory=Names)

    @property
    def settings(self) -> Settings:
        return Settings(
            root=self.root,
            source="the test",
            api=Api(base_url="http://127.0.0.1:1", page_size=50),
            organizations=self.organizations,
            names=self.names,
            warehouse_path=self.root / "booking.duckdb",
            snapshot_path=self.root / "booking.snapshot.duckdb",
        )

    @property
    def warehouse(self) -> Warehouse:
        return open_warehouse(self.settings)

    @contextmanager
    def collector(
        self, *faults: str, world: World | None = None, progress: Progress | None = None
    ) -> Iterator[Collector]:
        """A collector against a sandbox of this world, with these faults."""
        tokens = {tenant.identifier: Token(tenant.token) for tenant in self.tenants}
        with (
            SandboxServer(world or still_world(), faults=parse_faults(faults, 0)) as server,
            open_api(server.base_url, 30, lambda one: tokens[one.identifier], QUICK) as connect,
        ):
            yield Collector(
                connect=connect,
                warehouse=self.warehouse,
                settings=self.settings,
                progress=progress or NoProgress(),
                clock=lambda: datetime.now(UTC),
            )

    def refresh(
        self, *faults: str, slugs: Sequence[str] = (), world: World | None = None, **kwargs: Any
    ) -> RunReport:
        with self.collector(*faults, world=world) as collector:
            return refresh(collector, slugs, **kwargs)

    def collect(
        self, *faults: str, slugs: Sequence[str] = (), world: World | None = None
    ) -> RunReport:
        """Collect and load: a third of a refresh, where no mart is looked at."""
        with self.collector(*faults, world=world) as collector:
            return collector.collect(slugs or self.settings.slugs, uuid4().hex)

    def derive(self) -> None:
        """Derive and publish: two thirds of a refresh, where the API has nothing new."""
        derive_all(self.warehouse, self.settings)
        publish(self.warehouse, self.settings)

    def configure(self, former: str, **changes: Any) -> None:
        """Change an organization in the settings."""
        self.organizations = tuple(
            one.model_copy(update=changes) if one.slug == former else one
            for one in self.organizations
        )

    def ask(self, query: str, *, snapshot: bool = True) -> list[tuple[Any, ...]]:
        """The answer of the snapshot, or of the warehouse."""
        settings = self.settings
        path = settings.snapshot_path.resolve() if snapshot else settings.warehouse_path
        with duckdb.connect(str(path), read_only=True) as con:
            return con.execute(query).fetchall()

    def change(self, statement: str) -> None:
        """Change the warehouse by hand."""
        with duckdb.connect(str(self.settings.warehouse_path)) as con:
            con.execute(statement)

    def published(self) -> dict[str, int]:
        """The events of each organization in the snapshot's marts."""
        query = "SELECT organization, count(*) FROM marts.capacity_by_event GROUP BY ALL"
        return dict(self.ask(query))


def new_place(root: Path) -> Place:
    """A place in an empty folder."""
    tenants = still_world().tenants
    organizations = tuple(
        Organization(slug=one.slug, identifier=one.identifier, token_env="UNUSED")
        for one in tenants
    )
    return Place(root, tenants, organizations)


def copied(root: Path, folder: Path) -> Place:
    """A copy of a place in an empty folder: it costs a hundredth of a refresh."""
    shutil.copytree(root, folder, symlinks=True, dirs_exist_ok=True)
    return new_place(folder)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return new_place(tmp_path)


@pytest.fixture(scope="session")
def refreshed_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a place that was refreshed once."""
    root = tmp_path_factory.mktemp("refreshed")
    assert new_place(root).refresh().failed_organizations == ()
    return root


@pytest.fixture
def refreshed(place: Place, refreshed_root: Path) -> None:
    """Makes the place one that was refreshed."""
    copied(refreshed_root, place.root)
