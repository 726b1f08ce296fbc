"""Replaces organizations' slices: delete, insert and verify, in the caller's transaction.

Each statement works on the whole batch: a thousand small organizations cost about as much as one
large organization. What makes a collection complete is decided by `collect`.
"""

# ruff: noqa: S608 - names come quoted from the contracts, values travel as parameters

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import polars as pl

from booking_assets.tables.catalog import RAW_TABLES
from booking_assets.tables.contract import Table
from booking_assets.tables.raw import COLLECTIONS, EVENT_COUNTS, REGISTRATIONS
from booking_assets.warehouse import collections_log, ddl
from booking_assets.warehouse.ddl import column_list, qualified, quoted
from booking_assets.warehouse.errors import SliceLoadFailed
from booking_assets.warehouse.frames import append, registered, require_distinct

OWNER = "organization_identifier"
"""The column with the identifier of the organization that owns a row, in tables that have it."""

_ADDED = {REGISTRATIONS: {"registration_requested_on"}}
"""By table: the columns that landings of earlier releases lack; they are null."""


@dataclass(frozen=True)
class SliceLoad:
    """One organization's complete collection of one resource, to be stored by `Warehouse.store`.

    Attributes:
        organization: The slug.
        identifier: The organization's identifier in the API, which each row must have.
        slices: The organization's rows of each raw table, as Parquet files with the table's
            columns (identifiers as text, instants in microseconds UTC); no file for an empty slice.
        rows: The expected number of rows of each slice.
        event_count: One row of `raw.event_counts`, which replaces the stored row.
        collection: One row of `raw.collections`, appended; its `rows_deleted` is filled in here.
        repeats: The run whose rows these are; while they are stored, they are not written again.
        collected_at: What all rows get as `collected_at`; None: what they have in the files.
    """

    organization: str
    identifier: UUID
    slices: Mapping[Table, tuple[Path, ...]]
    rows: Mapping[Table, int]
    event_count: pl.DataFrame | None
    collection: pl.DataFrame
    repeats: str | None = None
    collected_at: datetime | None = None

    @property
    def resource(self) -> str:
        """The collected resource, as in `raw.collections`."""
        return str(self.collection.item(0, "resource"))

    @property
    def key(self) -> tuple[str, str]:
        """The organization and the resource."""
        return self.organization, self.resource


def store(
    con: duckdb.DuckDBPyConnection,
    loads: Sequence[SliceLoad],
    refused: pl.DataFrame | None = None,
) -> dict[tuple[str, str], int]:
    """Replace the slices of all loads within the open transaction, and log them.

    Arguments, result and errors are those of `Warehouse.store`.
    """
    ddl.prepare(con, RAW_TABLES)
    for load in loads:
        _require_own_rows(load)
    offered = pl.concat([COLLECTIONS.empty(), *(load.collection for load in loads)])
    newer = collections_log.overtaken_by(con, offered)
    logged = [
        collections_log.overtaken(d.collection, newer[d.key]) for d in loads if d.key in newer
    ]
    loads = [load for load in loads if load.key not in newer]
    deleted = Counter({load.key: 0 for load in loads})
    stored = _stored(con, loads)
    for table in dict.fromkeys(table for load in loads for table in load.slices):
        of_table = tuple(d for d in loads if table in d.slices)
        if written := tuple(d for d in of_table if d.key not in stored):
            for key, count in _TableLoad(table, written).replace(con).items():
                deleted[key] += count
        if stamped := tuple(d for d in of_table if d.collected_at is not None):
            _TableLoad(table, stamped).stamp(con)
    logged += [
        d.collection.with_columns(rows_deleted=pl.lit(deleted[d.key], pl.Int64)) for d in loads
    ]
    if counts := [d.event_count for d in loads if d.event_count is not None]:
        _replace_counts(con, pl.concat(counts))
    if refused is not None:
        logged.append(refused)
    collections_log.append_collections(con, pl.concat([COLLECTIONS.empty(), *logged]))
    return dict(deleted)


def log(
    con: duckdb.DuckDBPyConnection, collections: pl.DataFrame, counts: pl.DataFrame | None
) -> None:
    """Append collections to the log, and replace the counts of their organizations.

    The count of a collection that precedes the stored collection is left out.
    """
    ddl.prepare(con, RAW_TABLES)
    late = {organization for organization, _ in collections_log.overtaken_by(con, collections)}
    collections_log.append_collections(con, collections)
    if counts is not None:
        _replace_counts(con, counts.filter(~pl.col("organization").is_in(late)))


def _replace_counts(con: duckdb.DuckDBPyConnection, event_counts: pl.DataFrame) -> None:
    """Replace the stored counts of the organizations in the frame."""
    require_distinct(EVENT_COUNTS, event_counts)
    with registered(con, "counted", event_counts):
        con.execute(
            f"DELETE FROM {qualified(EVENT_COUNTS)}"
            " WHERE organization IN (SELECT organization FROM counted)"
        )
    append(con, EVENT_COUNTS, event_counts)


def _stored(
    con: duckdb.DuckDBPyConnection, loads: Sequence[SliceLoad]
) -> AbstractSet[tuple[str, str]]:
    """The loads whose rows are stored already: those of the newest complete collection."""
    candidates = [load for load in loads if load.repeats is not None]
    if not candidates:
        return frozenset()
    newest = collections_log.newest_runs(con, pl.concat(one.collection for one in candidates))
    candidates = [one for one in candidates if newest.get(one.key) == one.repeats]
    damaged: set[tuple[str, str]] = set()
    for table in dict.fromkeys(table for load in candidates for table in load.slices):
        batch = _TableLoad(table, tuple(one for one in candidates if table in one.slices))
        damaged |= batch.damaged(con)
    return {one.key for one in candidates} - damaged


def _require_own_rows(load: SliceLoad) -> None:
    """Check that the load's log row and count are of its organization."""
    for frame in (load.collection, load.event_count):
        if frame is None:
            continue
        if frame.height != 1:
            raise SliceLoadFailed(load.organization, f"{frame.height} log rows instead of 1")
        named = frame.item(0, "organization")
        if named != load.organization:
            raise SliceLoadFailed(load.organization, f"its log row names {named}")


@dataclass(frozen=True)
class _TableLoad:
    """The slices of one table in a batch of loads."""

    table: Table
    loads: tuple[SliceLoad, ...]

    def replace(self, con: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], int]:
        """Replace the stored slices, and verify the new ones.

        Returns:
            The number of stored rows whose key is not in the new slice, by organization and
            resource.
        """
        files = pl.DataFrame(
            [(p, d.organization, d.resource, str(d.identifier)) for p, d in self._paths.items()],
            schema=dict.fromkeys(("file", "organization", "resource", "owner"), pl.String),
            orient="row",
        )
        with registered(con, "expected", self._expected), registered(con, "files", files):
            if self._paths:
                shapes = self._require_columns(con)
                self._require_rows(con)
            if self.table.grain:
                con.execute(
                    f"CREATE OR REPLACE TEMP TABLE former_keys AS SELECT {self._key}"
                    f" FROM {qualified(self.table)} SEMI JOIN expected USING ({self._slice})"
                )
            con.execute(
                f"DELETE FROM {qualified(self.table)}"
                f" WHERE ({self._slice}) IN (SELECT ({self._slice}) FROM expected)"
            )
            if self._paths:
                options = f"hive_partitioning = false, union_by_name = {len(shapes) > 1}"
                insert = ddl.insert(self.table, {*chain.from_iterable(shapes)})
                self._read(con, f"{insert} FROM read_parquet($files, {options})")
            self._require_counts(con)
            if not self.table.grain:
                return {}
            self._require_keys(con)
            rows = con.execute(
                f"""
                SELECT expected.organization, expected.resource, count(*)
                FROM former_keys ANTI JOIN {qualified(self.table)} USING ({self._key})
                JOIN expected USING ({self._slice}) GROUP BY ALL
                """
            ).fetchall()
            return {(organization, resource): count for organization, resource, count in rows}

    def damaged(self, con: duckdb.DuckDBPyConnection) -> set[tuple[str, str]]:
        """The loads whose stored slices are not as many rows, or not of their organization."""
        with registered(con, "expected", self._expected):
            wrong = {(organization, resource) for organization, resource, *_ in self._counts(con)}
            if OWNER in self.table.column_names:
                foreign = con.execute(
                    f"""
                    SELECT DISTINCT expected.organization, expected.resource
                    FROM {qualified(self.table)} JOIN expected USING ({self._slice})
                    WHERE {OWNER} IS DISTINCT FROM CAST(expected.owner AS UUID)
                    """
                )
                wrong.update(foreign.fetchall())
        return wrong

    def stamp(self, con: duckdb.DuckDBPyConnection) -> None:
        """Give all stored rows of the loads their `collected_at`."""
        both = " AND ".join(f"rows.{name} = expected.{name}" for name in self._slice_columns)
        with registered(con, "expected", self._expected):
            con.execute(
                f"UPDATE {qualified(self.table)} AS rows SET collected_at = expected.collected_at"
                f" FROM expected WHERE {both}"
            )

    @property
    def _expected(self) -> pl.DataFrame:
        """A row for each load."""
        return pl.DataFrame(
            [
                (d.organization, d.resource, d.rows[self.table], str(d.identifier), d.collected_at)
                for d in self.loads
            ],
            schema={
                "organization": pl.String,
                "resource": pl.String,
                "rows": pl.Int64,
                "owner": pl.String,
                "collected_at": pl.Datetime("us", "UTC"),
            },
            orient="row",
        )

    @property
    def _slice(self) -> str:
        """The columns that identify a slice."""
        return column_list(self._slice_columns)

    @property
    def _slice_columns(self) -> list[str]:
        both = ("organization", "resource")
        return [name for name in both if name in self.table.column_names]

    @property
    def _key(self) -> str:
        return column_list(self.table.grain)

    @property
    def _paths(self) -> dict[str, SliceLoad]:
        """The loads by their landing files."""
        return {
            str(path.absolute()): load for load in self.loads for path in load.slices[self.table]
        }

    def _require_columns(self, con: duckdb.DuckDBPyConnection) -> list[set[str]]:
        """Check names and types in every file, without reading rows; returns the sets of names."""
        # Identifiers are text in Parquet files.
        types = ddl.types(self.table)
        expected = {name: "VARCHAR" if kind == "UUID" else kind for name, kind in types.items()}
        shapes = self._read(
            con,
            """
            SELECT columns, min(file_name) FROM (
                SELECT file_name, list((name, duckdb_type) ORDER BY name) AS columns
                FROM parquet_schema($files) WHERE duckdb_type IS NOT NULL GROUP BY file_name
            ) GROUP BY columns
            """,
        )
        added = {name: expected[name] for name in _ADDED.get(self.table, ())}
        for columns, file in shapes:
            found = added | dict(columns)
            faults = [
                f"{name} is {found.get(name, 'absent')} instead of {expected.get(name, 'absent')}"
                for name in sorted({*found, *expected})
                if found.get(name) != expected.get(name)
            ]
            if faults:
                fault = f"the landing file {file} does not fit {self.table.name}: "
                raise SliceLoadFailed(self._paths[file].organization, fault + "; ".join(faults))
        return [{name for name, _ in columns} for columns, _ in shapes]

    def _require_rows(self, con: duckdb.DuckDBPyConnection) -> None:
        """Check each file's rows: required values, UUIDs, and the organization that owns them."""
        conditions = self._row_faults()
        counts = ", ".join(f"count(*) FILTER ({condition})" for condition in conditions.values())
        rows = self._read(
            con,
            f"""
            SELECT files.organization, {counts}
            FROM read_parquet($files, filename = 'landing_file', hive_partitioning = false) AS read
            JOIN files ON files.file = read.landing_file
            GROUP BY files.organization
            """,
        )
        for organization, *found in rows:
            for condition, count in zip(conditions, found, strict=True):
                if count:
                    fault = f"{count} rows for {self.table.name} {condition}"
                    raise SliceLoadFailed(organization, fault)

    def _row_faults(self) -> dict[str, str]:
        """The possible faults of a row, as text and as SQL condition."""
        faults = {
            "name another organization": "read.organization IS DISTINCT FROM files.organization"
        }
        if "resource" in self.table.column_names:
            faults["name another resource"] = "read.resource IS DISTINCT FROM files.resource"
        for name in self.table.required:
            faults[f"have no {name}"] = f"read.{quoted(name)} IS NULL"
        for name, kind in ddl.types(self.table).items():
            if kind == "UUID":
                column = f"read.{quoted(name)}"
                faults[f"have a {name} that is no UUID"] = (
                    f"{column} IS NOT NULL AND TRY_CAST({column} AS UUID) IS NULL"
                )
        if OWNER in self.table.column_names:
            faults["belong to another organization of the API"] = (
                f"TRY_CAST(read.{OWNER} AS UUID) IS DISTINCT FROM CAST(files.owner AS UUID)"
            )
        return faults

    def _counts(self, con: duckdb.DuckDBPyConnection) -> list[tuple[str, str, int, int]]:
        """The slices with another number of rows: organization, resource, expected, stored."""
        return con.execute(
            f"""
            SELECT expected.organization, expected.resource, expected.rows,
                count(stored.organization)
            FROM expected LEFT JOIN {qualified(self.table)} AS stored USING ({self._slice})
            GROUP BY ALL HAVING count(stored.organization) <> expected.rows
            """
        ).fetchall()

    def _require_counts(self, con: duckdb.DuckDBPyConnection) -> None:
        for organization, _, rows, stored in self._counts(con):
            fault = f"{self.table.name} would have {stored} rows of it instead of {rows}"
            raise SliceLoadFailed(organization, fault)

    def _require_keys(self, con: duckdb.DuckDBPyConnection) -> None:
        repeated = con.execute(
            f"""
            SELECT organization, count(*) FROM (
                SELECT organization
                FROM {qualified(self.table)} SEMI JOIN expected USING ({self._slice})
                GROUP BY {self._key} HAVING count(*) > 1
            ) GROUP BY organization
            """
        ).fetchall()
        key = ", ".join(self.table.grain)
        for organization, count in repeated:
            fault = f"{count} keys ({key}) are repeated in {self.table.name}"
            raise SliceLoadFailed(organization, fault)

    def _read(self, con: duckdb.DuckDBPyConnection, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement on the landing files; name the organization whose file is damaged."""
        # DuckDB reads every name as a glob pattern.
        files = [glob.escape(path) for path in self._paths]
        try:
            return con.execute(statement, {"files": files}).fetchall()
        except duckdb.Error as error:
            fault = f"the landing file cannot be read ({error})"
            for path, load in self._paths.items():
                if path in str(error):
                    raise SliceLoadFailed(load.organization, fault) from error
            raise
