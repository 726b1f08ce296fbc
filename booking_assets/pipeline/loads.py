"""The resources that are collected, and a landing of `collect` as a load of `warehouse`."""

from __future__ import annotations

from booking_assets.collect.contracts import (
    ACHIEVEMENT_ROWS,
    EVENT_ROWS,
    GROUP_ROWS,
    REGISTRATION_ROWS,
    RowContract,
)
from booking_assets.collect.landing import Landing
from booking_assets.collect.stats import Mode
from booking_assets.settings import Organization, Settings
from booking_assets.tables.raw import REJECTED_ROWS
from booking_assets.warehouse.loads import SliceLoad

NAME_ROWS = (GROUP_ROWS, ACHIEVEMENT_ROWS)
"""The resources with names: an organization is complete without them."""
NAMES = frozenset(rows.resource.name for rows in NAME_ROWS)
UNKNOWN_WITHOUT = {
    REGISTRATION_ROWS.resource.name: "seats",
    GROUP_ROWS.resource.name: "names of venues",
    ACHIEVEMENT_ROWS.resource.name: "titles of achievements",
}
"""What is unknown where a resource may not be read; without events, everything is."""
CONTRACTS = {rows.resource.name: rows for rows in (EVENT_ROWS, REGISTRATION_ROWS, *NAME_ROWS)}
"""The contract of each resource's rows, by its name."""


def slice_load(landing: Landing) -> SliceLoad:
    """A landing as the warehouse loads it."""
    rows = CONTRACTS[landing.log_row["resource"]]
    return SliceLoad(
        organization=landing.organization,
        identifier=landing.identifier,
        slices={rows.table: landing.rows, REJECTED_ROWS: landing.rejected},
        rows={
            rows.table: landing.log_row["rows_loaded"],
            REJECTED_ROWS: landing.log_row["rows_rejected"],
        },
        event_count=landing.event_count() if rows is EVENT_ROWS else None,
        collection=landing.collection(),
        repeats=landing.repeats,
        # Of a resource that was read in full, every row is of this collection.
        collected_at=(
            landing.log_row["started_at"]
            if landing.repeats is not None and landing.log_row["mode"] == "full"
            else None
        ),
    )


def wanted_resources(
    settings: Settings, organization: Organization, mode: Mode = "full"
) -> list[RowContract]:
    """The resources to collect of an organization, events first; names in full runs alone."""
    seats = [REGISTRATION_ROWS] if organization.registrations else []
    names = NAME_ROWS if mode == "full" and organization.slug in settings.named else ()
    return [EVENT_ROWS, *seats, *names]
