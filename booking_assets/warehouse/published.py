"""Reads the published snapshot, which no lock protects: a version is never changed.

How a snapshot is published is in `snapshot`.
"""

# ruff: noqa: S608 - names come quoted from the contracts

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb
import polars as pl

from booking_assets.tables.capacity import CAPACITY_UTILIZATION
from booking_assets.tables.catalog import TABLES
from booking_assets.tables.marts import (
    DISTRIBUTION_STATUS,
    ORGANIZATION_FRESHNESS,
)
from booking_assets.warehouse import queries
from booking_assets.warehouse.connection import WAREHOUSE, is_write_failure
from booking_assets.warehouse.errors import SchemaMismatch, TableNotFound, WarehouseUnreadable
from booking_assets.warehouse.view import View


def published_version(path: Path) -> str | None:
    """The name of the version that `path` points at; None where nothing is published."""
    version = path.resolve()
    return version.parent.name if version.exists() else None


@contextmanager
def open_published(snapshot: Path, *, memory_limit: str, threads: int) -> Iterator[View]:
    """Open the newest published version for reading; the view is of this version to its end.

    Raises:
        TableNotFound: Nothing is published yet.
        WarehouseUnreadable: The version is damaged or no DuckDB database.

    An error of writing other files within the block is raised as it is.
    """
    if not snapshot.exists():
        raise TableNotFound(
            f"There is no snapshot at {snapshot} yet: run `booking-assets refresh` first"
        )
    con = duckdb.connect(
        config={
            "memory_limit": memory_limit,
            "threads": threads,
            # Nothing is written beside a published file.
            "temp_directory": "",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    try:
        con.execute("SET TimeZone = 'UTC'")
        con.execute(f"ATTACH ? AS {WAREHOUSE} (READ_ONLY)", [str(snapshot.resolve())])
        con.execute(f"USE {WAREHOUSE}")
        yield View(con)
    except duckdb.Error as error:
        if is_write_failure(error):
            raise
        raise WarehouseUnreadable(
            f"The snapshot {snapshot} cannot be read ({error}): publish it again with"
            " `booking-assets refresh`"
        ) from error
    finally:
        con.close()


def published_summary(
    snapshot: Path, *, memory_limit: str, threads: int
) -> tuple[pl.DataFrame, Mapping[str, Mapping[str, int]]]:
    """The figures of each organization in the snapshot, and its rows by table.

    Empty where nothing is published, or by a release with other columns.
    """
    try:
        with open_published(snapshot, memory_limit=memory_limit, threads=threads) as view:
            return organization_figures(view), rows_by_table(view)
    except (TableNotFound, WarehouseUnreadable, SchemaMismatch):
        return pl.DataFrame(), {}


def organization_figures(view: View) -> pl.DataFrame:
    """Stored rows, seats, exam packages late or failed, and freshness of each organization.

    Seats and packages are null where the organization is withheld from the marts.
    """
    seats = view.select(
        CAPACITY_UTILIZATION, ["organization", "seats_taken", "seats_offered_known"]
    )
    packages = view.select(DISTRIBUTION_STATUS, ["organization", "distribution_state", "events"])
    return view.fetch(
        f"""
        SELECT organization, events, registrations, rejected, seats_taken, seats_offered,
            CASE WHEN is_published THEN coalesce(late, 0) END AS packages_late,
            CASE WHEN is_published THEN coalesce(failed, 0) END AS packages_failed,
            events_as_of AS as_of, registrations_as_of AS seats_as_of, last_status, is_published
        FROM ({view.select(ORGANIZATION_FRESHNESS)}) LEFT JOIN (
            SELECT organization, sum(seats_taken)::BIGINT AS seats_taken,
                sum(seats_offered_known)::BIGINT AS seats_offered
            FROM ({seats}) GROUP BY organization
        ) USING (organization) LEFT JOIN (
            SELECT organization,
                sum(events) FILTER (distribution_state = 'Overdue')::BIGINT AS late,
                sum(events) FILTER (distribution_state = 'Failed')::BIGINT AS failed
            FROM ({packages}) GROUP BY organization
        ) USING (organization)
        """
    )


def rows_by_table(view: View) -> dict[str, dict[str, int]]:
    """The rows of each organization, by the full name of the table."""
    owned = [table for table in TABLES if "organization" in table.column_names]
    stored = [table for table in owned if view.is_stored(table)]
    return {table.name: queries.row_counts(view, table) for table in stored}
