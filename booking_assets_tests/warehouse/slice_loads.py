"""Small valid inputs for the warehouse: events, log rows, loads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_DNS, UUID, uuid4, uuid5

import polars as pl

from booking_assets.tables.contract import Table
from booking_assets.tables.raw import COLLECTIONS, EVENT_COUNTS, EVENTS, REJECTED_ROWS
from booking_assets.warehouse.loads import SliceLoad
from booking_assets.warehouse.warehouse import Warehouse

START = datetime(2026, 1, 5, 8, 30, 0, 123456, tzinfo=UTC)


def instant(round_: int) -> datetime:
    """When the collection of this round started."""
    return START + timedelta(hours=round_)


def tenant(organization: str) -> UUID:
    return uuid5(NAMESPACE_DNS, organization)


def frame(table: Table, rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows of a table; missing columns are null."""
    return pl.DataFrame(
        [dict.fromkeys(table.column_names) | dict(row) for row in rows] or None
    ).pipe(
        lambda made: made.cast(table.dtypes) if made.width else table.empty()  # type: ignore[arg-type]  # polars wants its own invariant mapping
    )


def put(warehouse: Warehouse, table: Table, *frames: pl.DataFrame) -> None:
    """Replace a whole table by frames."""
    warehouse.replace(table, lambda _: frames)


def events(organization: str, keys: Sequence[int], round_: int = 0, **values: Any) -> pl.DataFrame:
    return frame(
        EVENTS,
        [
            {
                "organization": organization,
                "event_identifier": str(UUID(int=key)),
                "organization_identifier": str(tenant(organization)),
                "event_title": f"round {round_}",
                "collected_at": instant(round_),
            }
            | values
            for key in keys
        ],
    )


def rejected(organization: str, count: int, resource: str = "events") -> pl.DataFrame:
    row = {
        "organization": organization,
        "resource": resource,
        "fields": "EventNumber",
        "reason": "not a whole number",
        "payload": "{}",
        "collected_at": START,
    }
    return frame(REJECTED_ROWS, [row] * count)


def collection(organization: str, round_: int = 0, rows: int = 0, **values: Any) -> pl.DataFrame:
    counts = dict.fromkeys(
        ("duplicates_dropped", "rows_deleted", "pages", "requests", "retries", "bytes_received"), 0
    )
    return frame(
        COLLECTIONS,
        [
            {
                "organization": organization,
                "resource": "events",
                "run_id": f"run {round_}",
                "mode": "full",
                "started_at": instant(round_),
                "finished_at": instant(round_) + timedelta(minutes=1),
                "count_before": rows,
                "count_after": rows,
                "rows_received": rows,
                "rows_loaded": rows,
                "rows_rejected": 0,
                "status": "complete",
                "reason": None,
                "remedy": None,
            }
            | counts
            | values
        ],
    )


def event_count(organization: str, round_: int = 0, count: int = 0) -> pl.DataFrame:
    return frame(
        EVENT_COUNTS,
        [
            {
                "organization": organization,
                "organization_identifier": str(tenant(organization)),
                "event_count": count,
                "counted_at": instant(round_),
            }
        ],
    )


def slice_load(
    folder: Path,
    organization: str,
    rows: pl.DataFrame,
    round_: int = 0,
    *,
    expected: int | None = None,
    unfit: pl.DataFrame | None = None,
    name: str | None = None,
    **log_row: Any,
) -> SliceLoad:
    """A load of these events, with a Parquet file in `folder` unless there are none."""
    unfit = REJECTED_ROWS.empty() if unfit is None else unfit
    return SliceLoad(
        organization=organization,
        identifier=tenant(organization),
        slices={
            EVENTS: land(folder, rows, name),
            REJECTED_ROWS: land(folder, unfit, f"{name}-rejected" if name else None),
        },
        rows={EVENTS: rows.height if expected is None else expected, REJECTED_ROWS: unfit.height},
        event_count=event_count(organization, round_, rows.height),
        collection=collection(
            organization, round_, rows.height, rows_rejected=unfit.height, **log_row
        ),
    )


def land(folder: Path, rows: pl.DataFrame, name: str | None = None) -> tuple[Path, ...]:
    if rows.is_empty():
        return ()
    path = folder / f"{name or uuid4().hex}.parquet"
    rows.write_parquet(path)
    return (path,)


def keys(warehouse: Warehouse, organization: str) -> set[int]:
    """The stored events of an organization."""
    stored = warehouse.read(EVENTS, ["organization", "event_identifier"])
    own = stored.filter(pl.col("organization") == organization)["event_identifier"]
    return {UUID(identifier).int for identifier in own}


def titles(warehouse: Warehouse, organization: str) -> list[str]:
    """The rounds that an organization's stored events are from."""
    stored = warehouse.read(EVENTS, ["organization", "event_title"])
    return stored.filter(pl.col("organization") == organization)["event_title"].unique().to_list()
