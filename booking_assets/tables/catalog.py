"""All tables, in the order in which they are built; their contracts are in `raw` and `marts`."""

from __future__ import annotations

from booking_assets.tables import marts, raw
from booking_assets.tables.contract import Table

RAW_TABLES: tuple[Table, ...] = (
    raw.EVENT_COUNTS,
    raw.EVENTS,
    raw.REJECTED_ROWS,
    raw.COLLECTIONS,
    raw.REGISTRATIONS,
)
MART_TABLES: tuple[Table, ...] = (
    marts.CAPACITY_BY_EVENT,
    marts.CAPACITY_UTILIZATION,
    marts.DISTRIBUTION_BY_EVENT,
    marts.DISTRIBUTION_STATUS,
    marts.ROOM_UTILIZATION,
    marts.ROOM_CONFLICTS,
    marts.EVENT_HISTORY,
    marts.ORGANIZATION_FRESHNESS,
)
TABLES: tuple[Table, ...] = RAW_TABLES + MART_TABLES
