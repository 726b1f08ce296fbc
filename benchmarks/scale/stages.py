"""The programs that `storing` measures, each in a folder with a `booking.toml`; they print JSON.

`python -m benchmarks.scale.stages STAGE`. `make` gets the case too, and makes landings: one
organization's are collected from a sandbox, the others' are its rows under identifiers of their
own, written by the same writer, as its verified collection would be.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl

from benchmarks.sandbox import Case
from booking_assets.api.authentication import Token
from booking_assets.collect.contracts import RowContract
from booking_assets.collect.decoding import DecodedPage
from booking_assets.collect.landing import Starts
from booking_assets.collect.landings import Landings
from booking_assets.collect.object_landings import ObjectLandings
from booking_assets.collect.stats import CollectionStats
from booking_assets.pipeline.collector import Collector
from booking_assets.pipeline.connections import open_api, open_warehouse
from booking_assets.pipeline.derivation import derive_all, publish
from booking_assets.pipeline.landings import load_landings, open_landings
from booking_assets.pipeline.loads import CONTRACTS
from booking_assets.pipeline.progress import SILENT
from booking_assets.sandbox.server import SandboxServer
from booking_assets.sandbox.world import generated_world
from booking_assets.settings import Settings, load_settings
from booking_assets.tables.contract import Identifier
from booking_assets.tables.raw import REJECTED_ROWS

_SEED = 7
_RUN = "made-by-a-benchmark"
_WRITERS = 8
_PREFIX = 8
"""Characters of an identifier that are the organization's number instead."""


@dataclass(frozen=True)
class _Template:
    """A landing that the others are made from."""

    contract: RowContract
    rows: pl.DataFrame
    log_row: dict[str, Any]
    starts: Starts

    def land(self, landings: Landings, number: int, slug: str, sequence: int) -> None:
        """Write the same rows as those of another organization."""
        identifier = _identifier(number)
        own = {"organization": slug, "organization_identifier": str(identifier)}
        columns = {
            name: pl.lit(own[name])
            if name in own
            else pl.concat_str(pl.lit(_prefix(number)), pl.col(name).str.slice(_PREFIX))
            for name, column in self.contract.table.columns.columns().items()
            if name in own or isinstance(column, Identifier)
        }
        rows = self.rows.with_columns(**columns)
        resource, started_at = self.log_row["resource"], self.log_row["started_at"]
        stats = CollectionStats(slug, resource, _RUN, "full", started_at, sequence)
        written = {"organization": slug, "run_id": _RUN, "sequence": sequence}
        rejected = pl.DataFrame(schema=REJECTED_ROWS.dtypes)
        page = DecodedPage(rows, rejected, unknown=frozenset())
        with landings.staging(identifier, self.contract, stats) as staging:
            staging.add(page)
            staging.land(identifier, self.log_row | written, self.starts)


def make(folder: Path, case: Case, storage: str) -> dict[str, int]:
    """Write `booking.toml`, and a landing of each organization and resource into the storage."""
    numbers = range(1, case.organizations + 1)
    templates = _templates(folder, case)
    _configure(folder, storage, case, numbers)
    with open_landings(_settings(folder)) as landings, ThreadPoolExecutor(_WRITERS) as pool:

        def land(number: int) -> None:
            slug = _slug(number)
            sequence = landings.take_ticket(slug, _identifier(number))
            for template in templates:
                template.land(landings, number, slug, sequence)

        # Its failures are raised here.
        list(pool.map(land, numbers))
    with open_landings(_settings(folder)) as landings:
        assert isinstance(landings, ObjectLandings)
        sizes = landings.listing().whole.values()
    return {"landings": len(sizes), "landed bytes": sum(sizes)}


def load(folder: Path) -> dict[str, int]:
    """Load every landing into a new warehouse."""
    settings = _settings(folder)
    warehouse = open_warehouse(settings)
    loaded = load_landings(warehouse, settings)
    log = warehouse.collections_of_runs([_RUN])
    if failed := log.filter(pl.col("status") != "complete").height:
        raise SystemExit(f"{failed} landings were not loaded")
    tables = {contract.table for contract in CONTRACTS.values()}
    rows = {table.short_name: sum(warehouse.row_counts(table).values()) for table in tables}
    return {"landings": loaded, **rows}


def derive(folder: Path) -> dict[str, int]:
    """Derive every mart from what is loaded."""
    settings = _settings(folder)
    derive_all(open_warehouse(settings), settings)
    return {}


def publish_snapshot(folder: Path) -> dict[str, int]:
    """Publish the snapshot, to the storage too."""
    settings = _settings(folder)
    publish(open_warehouse(settings), settings)
    return {"snapshot bytes": settings.snapshot_path.resolve().stat().st_size}


def _templates(folder: Path, case: Case) -> list[_Template]:
    """The landings of one organization, collected from a sandbox of this process."""
    world = generated_world(1, case.events, _SEED, still=True)
    (tenant,) = world.tenants
    with SandboxServer(world) as server:
        _configure(folder, "template", case, [0], server.base_url, tenant.identifier)
        settings = _settings(folder)
        with open_api(server.base_url, 600, lambda _: Token(tenant.token)) as connect:
            collector = Collector(
                connect, open_warehouse(settings), settings, SILENT, lambda: datetime.now(UTC)
            )
            report = collector.collect(settings.slugs, _RUN)
    if report.failed_organizations:
        raise SystemExit("; ".join(report.explanations))
    with open_landings(settings) as landings:
        found = []
        for landing in landings.whole():
            landings.fetch(landing)
            contract = CONTRACTS[landing.log_row["resource"]]
            rows = pl.read_parquet([*landing.rows])
            found.append(_Template(contract, rows, landing.log_row, landing.starts))
        return found


def _configure(
    folder: Path,
    storage: str,
    case: Case,
    numbers: Sequence[int],
    base_url: str = "https://example.com",
    identifier: UUID | None = None,
) -> None:
    tables = [
        f'[api]\nbase_url = "{base_url}"\n[storage]\nurl = "{storage}"\n',
        *(
            f'[[organizations]]\nslug = "{_slug(number)}"\ntoken_env = "TOKEN_{number}"\n'
            f'identifier = "{identifier or _identifier(number)}"\n'
            f"registrations = {str(case.registrations).lower()}\n"
            for number in numbers
        ),
    ]
    (folder / "booking.toml").write_text("\n".join(tables), encoding="utf-8")


def _settings(folder: Path) -> Settings:
    return load_settings(environment={}, folder=folder)


def _slug(number: int) -> str:
    return f"organization-{number}"


def _prefix(number: int) -> str:
    return f"{number:0{_PREFIX}x}"


def _identifier(number: int) -> UUID:
    return UUID(f"{_prefix(number)}-0000-4000-8000-000000000000")


def main(stage: str, *arguments: str) -> None:
    """Run a stage in the working directory."""
    folder = Path.cwd()
    if stage == "make":
        case, storage = arguments
        found = make(folder, Case.parse(case), storage)
    else:
        found = {"load": load, "derive": derive, "publish": publish_snapshot}[stage](folder)
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
