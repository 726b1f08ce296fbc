"""The peer: dlt's REST API source into DuckDB, configured as dlt's documentation recommends.

`default` is dlt as installed, which loads by INSERT; `tuned` loads Parquet with typed columns;
`parallel` also rotates files and normalizes them in several processes. See
https://dlthub.com/docs/reference/performance and
https://dlthub.com/docs/dlt-ecosystem/destinations/duckdb ("Data loading").
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Any, Literal

import duckdb
import polars as pl

from benchmarks.outcome import stopwatch, tell
from benchmarks.target import Organization, Target, page_body, target
from booking_assets.tables.raw import EVENT_MEMBERS, EVENTS, member_name

DATABASE = "peer.duckdb"
DATASET = "booking"
TABLE = "events"
_EXTRACT_WORKERS = 4
"""Concurrent resources; the pages of one resource are requested one after another."""
_FILE_ROWS = 10_000
"""Rows in a file: enough files for every worker at 100,000 events."""
_TYPES: dict[Any, str] = {
    pl.Boolean: "bool",
    pl.Datetime: "timestamp",
    pl.Float64: "double",
    pl.Int32: "bigint",
    pl.String: "text",
}


@dataclass(frozen=True)
class Setup:
    """A configuration of dlt."""

    file_format: Literal["parquet"] | None
    typed: bool
    workers: int
    rotate: bool


SETUPS = {
    "default": Setup(file_format=None, typed=False, workers=1, rotate=False),
    "tuned": Setup(file_format="parquet", typed=True, workers=1, rotate=False),
    "parallel": Setup(file_format="parquet", typed=True, workers=os.cpu_count() or 1, rotate=True),
}


def main() -> None:
    """Extract, normalize and load once."""
    aim = target()
    setup = SETUPS[sys.argv[2]]
    _configure(setup)
    # dlt reads the environment when it is imported.
    import dlt  # noqa: PLC0415

    elapsed = stopwatch()
    pipeline = dlt.pipeline(
        "peer",
        destination=dlt.destinations.duckdb(str(aim.folder / DATABASE)),
        dataset_name=DATASET,
        pipelines_dir=str(aim.folder / "pipelines"),
    )
    pipeline.extract(_source(aim, typed=setup.typed), loader_file_format=setup.file_format)
    extracted = elapsed()
    pipeline.normalize()
    normalized = elapsed()
    pipeline.load()
    seconds = elapsed()
    tell(
        seconds,
        rows=_stored(aim),
        extract=extracted,
        normalize=normalized - extracted,
        load=seconds - normalized,
    )


def _configure(setup: Setup) -> None:
    settings = {
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "ERROR",
        "EXTRACT__WORKERS": str(_EXTRACT_WORKERS),
        "NORMALIZE__WORKERS": str(setup.workers),
        # Forking a process that has threads may lock up.
        "NORMALIZE__START_METHOD": "spawn",
        "LOAD__DELETE_COMPLETED_JOBS": "true",
    }
    if setup.rotate:
        settings["DATA_WRITER__FILE_MAX_ITEMS"] = str(_FILE_ROWS)
    os.environ.update(settings)


def _source(aim: Target, *, typed: bool) -> Any:
    from dlt.sources.rest_api import rest_api_source  # noqa: PLC0415 - see main

    return rest_api_source(
        {
            "client": {"base_url": f"{aim.base_url}/"},
            "resource_defaults": {
                "primary_key": "EventIdentifier",
                "write_disposition": "replace",
                "table_name": TABLE,
                "max_table_nesting": 0,
                "columns": _columns() if typed else {},
            },
            "resources": [_resource(aim, one) for one in aim.organizations],
        },
        name="booking",
        parallelized=len(aim.organizations) > 1,
    )


def _resource(aim: Target, organization: Organization) -> Any:
    return {
        "name": f"{TABLE}_{organization.slug}",
        "endpoint": {
            "path": "booking/events/collect",
            "method": "POST",
            "auth": {"type": "bearer", "token": organization.token},
            "json": page_body(organization, page=1, page_size=aim.page_size),
            "data_selector": "$",
            "paginator": {
                "type": "page_number",
                "base_page": 1,
                "page_body_path": "Filter.Page",
                "total_path": None,
            },
        },
    }


def _columns() -> dict[str, Any]:
    """The members' types, so that dlt does not infer them."""
    dtypes = EVENTS.dtypes
    return {
        member_name(name): {"data_type": _TYPES[dtypes[name].base_type()]} for name in EVENT_MEMBERS
    }


def _stored(aim: Target) -> int:
    with duckdb.connect(str(aim.folder / DATABASE), read_only=True) as con:
        (row,) = con.execute(f"SELECT count(*) FROM {DATASET}.{TABLE}").fetchall()
    return int(row[0])


if __name__ == "__main__":
    main()
