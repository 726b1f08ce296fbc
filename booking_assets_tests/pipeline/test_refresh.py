"""A whole refresh as a library: no Dagster is imported, and nothing of its result differs."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from booking_assets.pipeline.progress import NoProgress
from booking_assets.pipeline.refresh import refresh
from booking_assets.sandbox.server import SandboxServer
from booking_assets.sandbox.world import generated_world
from booking_assets_tests.commands import SECONDS
from booking_assets_tests.pipeline.conftest import EVENTS_EACH, Place, still_world

REFRESH = """
import sys
from datetime import UTC, datetime
from pathlib import Path

from booking_assets.api.authentication import Token
from booking_assets.pipeline.progress import NoProgress
from booking_assets.pipeline.collector import Collector
from booking_assets.pipeline.connections import open_api, open_warehouse
from booking_assets.pipeline.refresh import refresh
from booking_assets.settings import Api, Organization, Settings

base_url, token, identifier = sys.argv[1:]
settings = Settings(
    root=Path.cwd(),
    source="the test",
    api=Api(base_url=base_url),
    organizations=(Organization(slug="acme", identifier=identifier, token_env="UNUSED"),),
    warehouse_path=Path.cwd() / "booking.duckdb",
    snapshot_path=Path.cwd() / "booking.snapshot.duckdb",
)
with open_api(base_url, 60, lambda _: Token(token)) as connect:
    collector = Collector(
        connect=connect,
        warehouse=open_warehouse(settings),
        settings=settings,
        progress=NoProgress(),
        clock=lambda: datetime.now(UTC),
    )
    report = refresh(collector)
assert report.failed_organizations == (), report
assert len(report.complete) == 4
assert settings.snapshot_path.is_symlink()
imported = {name.partition(".")[0] for name in sys.modules}
print(sorted(imported & {"dagster", "starlette", "uvicorn"}))
"""


def test_an_organization_is_collected_derived_and_published_without_dagster(tmp_path: Path) -> None:
    world = generated_world(1, 20, seed=7)
    (tenant,) = world.tenants
    with SandboxServer(world) as server:
        arguments = (server.base_url, tenant.token, str(tenant.identifier))
        ended = subprocess.run(
            [sys.executable, "-c", REFRESH, *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    assert ended.stderr == ""
    assert ended.stdout == "[]\n"


def test_the_command_that_collects_is_imported_without_dagster() -> None:
    script = "import sys, booking_assets.cli.refresh; print('dagster' in sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "False"


class Arriving(NoProgress):
    """Says when the first page has arrived."""

    def __init__(self) -> None:
        self.first_page = threading.Event()

    def received(self, organization: str, resource: str, rows: int, expected: int) -> None:
        self.first_page.set()


def test_collections_that_began_before_their_run_are_loaded_by_it(place: Place) -> None:
    slugs, arriving = place.settings.slugs, Arriving()
    with (
        place.collector(progress=arriving) as collector,
        collector.begin(slugs, "run", mode="full", allow_shrink=False) as under_way,
    ):
        assert arriving.first_page.wait(timeout=SECONDS)
        assert not place.settings.warehouse_path.exists()
        report = replace(collector, under_way=under_way).collect(slugs, "run")
    assert report.failed_organizations == ()
    assert {one.log_row["run_id"] for one in report.complete} == {"run"}
    assert place.warehouse.newest_sequences() == dict.fromkeys(slugs, 1)


def test_collections_that_no_run_loads_end_and_are_collected_again_by_the_next(
    place: Place,
) -> None:
    slugs, arriving = place.settings.slugs, Arriving()
    with (
        place.collector("latency=0.02", progress=arriving) as collector,
        collector.begin(slugs, "run", mode="full", allow_shrink=False),
    ):
        assert arriving.first_page.wait(timeout=SECONDS)
    assert not place.settings.warehouse_path.exists()
    assert list(place.settings.landing_path.glob("*/.partial-*")) == []
    assert place.collect().failed_organizations == ()
    assert place.warehouse.newest_sequences() == dict.fromkeys(slugs, 2)


class Overtaking(NoProgress):
    """Runs another refresh, whole, when the first page of this one has arrived."""

    def __init__(self, other: Callable[[], object]) -> None:
        self._others = [other]

    def received(self, organization: str, resource: str, rows: int, expected: int) -> None:
        if self._others:
            self._others.pop()()


@pytest.mark.slow
@pytest.mark.parametrize("change", [-3, 5])
def test_a_collection_that_was_overtaken_replaces_nothing_and_is_no_failure(
    place: Place, change: int
) -> None:
    now = still_world(EVENTS_EACH + change)
    progress = Overtaking(lambda: place.refresh(world=now))
    with place.collector(progress=progress) as collector:
        report = refresh(collector)
    assert report.failed_organizations == ()
    assert {one.status for one in report.results} <= {"complete", "overtaken"}
    assert "overtaken" in {one.status for one in report.results}
    assert place.published() == dict.fromkeys(place.settings.slugs, EVENTS_EACH + change)
    assert any("A newer collection is stored" in note for note in report.notes)
    current = "SELECT bool_and(is_current) FROM marts.organization_freshness"
    assert place.ask(current) == [(True,)]
