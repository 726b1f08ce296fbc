"""Queries for the figures of a table and for its preview, which Dagster shows.

They give no text that people write, but names of venues, courses and organizations. What the
columns mean is in `tables`; figures for the summary of a command are in `published`.
"""

# ruff: noqa: S608 - names come quoted from the contracts

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from booking_assets.tables import capacity, marts, names, states
from booking_assets.tables.contract import Identifier, Table, Text
from booking_assets.warehouse.ddl import column_list, literal, quoted
from booking_assets.warehouse.view import View

PREVIEW_ROWS = 20


@dataclass(frozen=True)
class Replaced:
    """The new content of a replaced table: its figures and its preview."""

    figures: pl.DataFrame
    preview: pl.DataFrame


_SEATS = {
    "seats offered": "sum(seats_offered)::BIGINT",
    "seats taken": "sum(seats_taken)::BIGINT",
    "seat utilization": "sum(seats_taken) / nullif(sum(seats_offered_known), 0)",
}
_PACKAGES = {
    "packages overdue": "Overdue",
    "packages failed": "Failed",
}
_IS_BELOW = "is_below_minimum AND event_scheduled_start > as_of AND lifecycle_status <> 'Cancelled'"
FIGURES: Mapping[Table, Mapping[str, str]] = {
    names.VENUES: {"venues without a name": "count(*) FILTER (venue_name IS NULL)"},
    names.ACHIEVEMENTS: {"courses without a title": "count(*) FILTER (achievement_title IS NULL)"},
    capacity.CAPACITY_BY_EVENT: {
        "events": "count(*)",
        "events below minimum": f"count(*) FILTER ({_IS_BELOW})",
    },
    capacity.CAPACITY_UTILIZATION: _SEATS,
    capacity.COURSE_UTILIZATION: _SEATS,
    capacity.ATTENDANCE_BY_EVENT: {
        "present": "sum(present)::BIGINT",
        "absent": "sum(absent)::BIGINT",
        "attendance rate": "sum(present) FILTER (attendance_rate IS NOT NULL)"
        " / nullif(sum(present + absent) FILTER (attendance_rate IS NOT NULL), 0)",
    },
    marts.DISTRIBUTION_BY_EVENT: {
        **{
            name: f"count(*) FILTER (distribution_state = '{state}')"
            for name, state in _PACKAGES.items()
        },
        "returns overdue": "count(*) FILTER (return_overdue)",
    },
    marts.DISTRIBUTION_STATUS: {
        **{
            name: f"coalesce(sum(events) FILTER (distribution_state = '{state}'), 0)::BIGINT"
            for name, state in _PACKAGES.items()
        },
        "returns overdue": "sum(returns_overdue)::BIGINT",
    },
    marts.ROOM_UTILIZATION: {
        "booked hours": "sum(booked_hours)",
        "double-booked hours": "sum(double_booked_hours)",
        "room utilization": "sum(booked_hours) / nullif(sum(open_hours), 0)",
    },
    marts.ROOM_CONFLICTS: {
        "clashes": "count(*) FILTER (NOT same_class)",
        "overlap hours": "sum(overlap_minutes) / 60",
    },
    marts.ORGANIZATION_FRESHNESS: {
        "organizations failing": "count(*) FILTER (failing_since IS NOT NULL)",
        "organizations not published": "count(*) FILTER (NOT is_published)",
        "oldest age in minutes": "max(age_minutes)",
    },
}
"""The figures of tables, each as a name and an aggregate."""

_MONTH = "date_trunc('month', (SELECT max(as_of) FROM visible))"
_SEATS_BY = ", ".join(
    ["sum(events)::BIGINT AS events", *(f"{sql} AS {quoted(n)}" for n, sql in _SEATS.items())]
)
_PREVIEWS: Mapping[Table, str] = {
    capacity.CAPACITY_BY_EVENT: f"""
        SELECT organization, local_date, event_number, event_type, achievement_title, venue_name,
            capacity_minimum, seats_taken
        FROM visible WHERE {_IS_BELOW} ORDER BY event_scheduled_start, organization, event_number
    """,
    capacity.CAPACITY_UTILIZATION: f"""
        SELECT month, {_SEATS_BY} FROM visible WHERE month <= {_MONTH} + INTERVAL 3 MONTH
        GROUP BY month ORDER BY month DESC
    """,
    capacity.COURSE_UTILIZATION: f"""
        SELECT organization, coalesce(achievement_title, achievement_identifier::VARCHAR) AS course,
            {_SEATS_BY}
        FROM visible WHERE month > least({_MONTH}, (SELECT max(month) FROM visible))
            - INTERVAL 12 MONTH
        GROUP BY ALL ORDER BY "seat utilization" DESC NULLS LAST, "seats taken" DESC, course
    """,
    capacity.ATTENDANCE_BY_EVENT: """
        SELECT date_trunc('month', local_date)::DATE AS month, sum(taken)::BIGINT AS taken,
            sum(present)::BIGINT AS present, sum(absent)::BIGINT AS absent
        FROM visible WHERE attendance_rate IS NOT NULL GROUP BY month ORDER BY month DESC
    """,
    marts.DISTRIBUTION_BY_EVENT: f"""
        SELECT organization, event_number, distribution_state, distribution_expected,
            distribution_ordered, event_scheduled_start
        FROM visible WHERE distribution_state IN ({", ".join(map(literal, _PACKAGES.values()))})
        ORDER BY event_scheduled_start DESC, organization, event_number
    """,
    marts.DISTRIBUTION_STATUS: f"""
        SELECT organization, {
        ", ".join(
            f"sum(events) FILTER (distribution_state = {literal(state)})::BIGINT AS {quoted(state)}"
            for state in states.DISTRIBUTION
        )
    } FROM visible GROUP BY organization ORDER BY organization
    """,
    marts.ROOM_UTILIZATION: """
        SELECT week, organization, venue_name, count(*) AS rooms,
            sum(double_booked_hours) AS double_booked_hours
        FROM visible WHERE double_booked_hours > 0
        GROUP BY ALL ORDER BY week DESC, double_booked_hours DESC, organization
    """,
    marts.ROOM_CONFLICTS: """
        SELECT overlap_start::DATE AS day, organization, venue_name, count(*) AS clashes,
            sum(overlap_minutes) / 60 AS overlap_hours
        FROM visible WHERE NOT same_class GROUP BY ALL ORDER BY day DESC, organization
    """,
    marts.ORGANIZATION_FRESHNESS: """
        SELECT organization, last_status, failing_since, events_as_of, registrations_as_of, events,
            is_current, is_published
        FROM visible ORDER BY failing_since NULLS LAST, organization
    """,
}
"""The rows that answer a question, of tables whose first rows do not; `visible` are the rows."""


def figures(view: View, table: Table) -> pl.DataFrame:
    """The rows and figures of all organizations (organization is null), and of each.

    A table whose rows may belong to no organization has the first row alone.
    """
    aggregates = {"rows": "count(*)", **FIGURES.get(table, {})}
    columns = ", ".join(f"{sql} AS {quoted(name)}" for name, sql in aggregates.items())
    source = view.select(table)
    if "organization" not in table.required:
        return view.fetch(f"SELECT NULL::VARCHAR AS organization, {columns} FROM ({source})")
    return view.fetch(
        f"SELECT organization, {columns} FROM ({source})"
        " GROUP BY GROUPING SETS ((organization), ()) ORDER BY organization NULLS FIRST"
    )


def joined_figures(view: View, tables: Iterable[Table]) -> pl.DataFrame:
    """The figures of several tables side by side, without their rows; see `figures`."""
    joined = pl.DataFrame(schema={"organization": pl.String})
    for table in tables:
        joined = joined.join(
            figures(view, table).drop("rows"),
            on="organization",
            how="full",
            coalesce=True,
            nulls_equal=True,
        )
    return joined.sort("organization", nulls_last=False)


def preview(view: View, table: Table) -> pl.DataFrame:
    """The rows that answer the table's question; of other tables, the first without identifiers."""
    shown = [
        name
        for name, column in table.columns.columns().items()
        if not isinstance(column, Identifier) and not (isinstance(column, Text) and column.free)
    ]
    query = _PREVIEWS.get(table, f"SELECT {column_list(shown or table.column_names)} FROM visible")
    return view.fetch(f"WITH visible AS ({view.select(table)}) {query} LIMIT {PREVIEW_ROWS}")


def replaced(view: View, table: Table) -> Replaced:
    """The figures and the preview of a table that was just replaced."""
    return Replaced(figures(view, table), preview(view, table))
