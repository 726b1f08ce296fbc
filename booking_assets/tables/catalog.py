"""All tables, in the order in which they are built; what they are made of is in `contract`."""

from __future__ import annotations

from booking_assets.tables import capacity, marts, names, raw
from booking_assets.tables.contract import Table

RAW_TABLES: tuple[Table, ...] = (
    raw.EVENT_COUNTS,
    raw.EVENTS,
    raw.REJECTED_ROWS,
    raw.COLLECTIONS,
    raw.REGISTRATIONS,
    raw.GROUPS,
    raw.ACHIEVEMENTS,
    raw.NAME_OVERRIDES,
)
MART_TABLES: tuple[Table, ...] = (
    names.VENUES,
    names.ACHIEVEMENTS,
    names.ORGANIZATIONS,
    capacity.CAPACITY_BY_EVENT,
    capacity.CAPACITY_UTILIZATION,
    capacity.COURSE_UTILIZATION,
    capacity.ATTENDANCE_BY_EVENT,
    capacity.CALENDAR,
    capacity.STATES,
    marts.DISTRIBUTION_BY_EVENT,
    marts.DISTRIBUTION_STATUS,
    marts.ROOM_UTILIZATION,
    marts.ROOM_CONFLICTS,
    marts.EVENT_HISTORY,
    marts.EVENT_CHANGES,
    marts.SEAT_HISTORY,
    marts.ORGANIZATION_FRESHNESS,
)
HISTORY_TABLES: tuple[Table, ...] = (marts.EVENT_HISTORY, marts.EVENT_CHANGES, marts.SEAT_HISTORY)
"""The marts that are extended: they cannot be derived again."""

TABLES: tuple[Table, ...] = RAW_TABLES + MART_TABLES

OF_ALL_ORGANIZATIONS = frozenset({names.ORGANIZATIONS, marts.ORGANIZATION_FRESHNESS})
"""Marts with a row of each configured organization, also of those that are not published."""
