"""What must be true of the stored rows of every organization, and what a breach means.

The rules over frames are in `transforms.check_rules`, the SQL in `warehouse.queries`; `defs.checks`
makes asset checks of these.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import polars as pl

from booking_assets.pipeline.loads import NAME_ROWS
from booking_assets.pipeline.results import FAILURES
from booking_assets.settings import Settings
from booking_assets.tables.catalog import RAW_TABLES
from booking_assets.tables.contract import Table
from booking_assets.tables.raw import COLLECTIONS, EVENTS, REGISTRATIONS, REJECTED_ROWS
from booking_assets.transforms import check_rules
from booking_assets.warehouse.warehouse import Warehouse

COLLECT_AGAIN = "Collect the organization in full: `booking-assets refresh -o SLUG`."
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,79}")
"""A member's name as an API's; another is somebody's words, and is not shown."""
NAMES_SHOWN = 20


@dataclass(frozen=True)
class DataCheck:
    """A rule that the rows of every organization must obey.

    Args:
        name: what holds, as a name; unique for its table.
        table: whose rows it is about.
        description: the same as a sentence.
        withholds: whether an organization for which it does not hold is neither derived nor
            published; the others are.
        failing_organizations: finds the organizations for which it does not hold, and why; the
            reason may be empty.
        remedy: what a person can do about it.
        details: what else is known of each failing organization, by slug.
    """

    name: str
    table: Table
    description: str
    withholds: bool
    failing_organizations: Callable[[Warehouse], Mapping[str, str]]
    remedy: str = ""
    details: Callable[[Warehouse], Mapping[str, Mapping[str, str]]] = lambda _: {}


class ContractBroken(Exception):
    """A raw table is not its contract: nothing is derived or published."""


def require_contracts(warehouse: Warehouse) -> None:
    """Compare the raw tables with their contracts.

    Raises:
        ContractBroken: with every table that differs.
        WarehouseError: the warehouse cannot be read.
    """
    with warehouse.session() as session:
        faults = [
            f"{table.name} departs from its contract: {breaches}"
            for table in RAW_TABLES
            if (breaches := session.contract_breaches(table))
        ]
    if faults:
        raise ContractBroken("; ".join(faults))


def data_checks(settings: Settings) -> tuple[DataCheck, ...]:
    """The checks of the raw tables, besides their contracts."""
    collect, schedules = settings.collect, settings.schedules
    return (
        DataCheck(
            "counted_is_stored",
            EVENTS,
            "What was counted is what is stored, rejected rows and duplicates accounted for.",
            withholds=True,
            failing_organizations=lambda warehouse: _without_reason(
                check_rules.unaccounted(warehouse.reconciliation())
            ),
            remedy=COLLECT_AGAIN,
        ),
        DataCheck(
            "counted_is_stored",
            REGISTRATIONS,
            "What was counted is what is stored, rejected rows and duplicates accounted for.",
            withholds=True,
            failing_organizations=_unaccounted_registrations,
            remedy=COLLECT_AGAIN,
        ),
        *(
            DataCheck(
                "newest_attempt_succeeded",
                table,
                f"The newest collection of {table.short_name} succeeded; else older rows stay.",
                withholds=False,
                failing_organizations=partial(_failed_attempts, table),
                details=partial(_failure_details, table),
            )
            for table in (EVENTS, REGISTRATIONS)
        ),
        DataCheck(
            "seats_are_known",
            REGISTRATIONS,
            "Registrations can be read; where they cannot, seats are null.",
            withholds=False,
            failing_organizations=lambda warehouse: _without_reason(
                {*settings.slugs} - {*warehouse.seats_as_of()["organization"]}
            ),
        ),
        DataCheck(
            "events_are_known",
            REGISTRATIONS,
            "Every registration is of a stored event; the others are kept, and take no seat.",
            withholds=False,
            failing_organizations=lambda warehouse: {
                slug: f"{rows} registrations"
                for slug, rows in warehouse.unmatched_registrations().items()
            },
        ),
        *(
            DataCheck(
                "names_are_known",
                rows.table,
                f"The {rows.resource.name} of each organization are read; else names are missing.",
                withholds=False,
                failing_organizations=partial(_nameless, rows.table, settings.named),
                remedy=COLLECT_AGAIN,
            )
            for rows in NAME_ROWS
        ),
        DataCheck(
            "no_foreign_rows",
            EVENTS,
            "Every event belongs to the organization under which it is stored.",
            withholds=True,
            failing_organizations=lambda warehouse: {
                slug: f"{rows} events"
                for slug, rows in warehouse.foreign_rows(
                    {one.slug: one.identifier for one in settings.organizations}
                ).items()
            },
            remedy="Correct the identifier in booking.toml, or run `booking-assets forget`.",
        ),
        DataCheck(
            "no_unknown_members",
            EVENTS,
            "The contract knows every member of every row; members that it does not are in extra.",
            withholds=False,
            failing_organizations=lambda warehouse: {
                slug: ", ".join(_shown(name) for name in names[:NAMES_SHOWN])
                for slug, names in warehouse.unknown_members().items()
            },
        ),
        DataCheck(
            "no_rejected_rows",
            REJECTED_ROWS,
            "Every row could be typed; those that could not are in raw.rejected_rows.",
            withholds=False,
            failing_organizations=lambda warehouse: _without_reason(
                check_rules.rejecting(warehouse.reconciliation())
            ),
        ),
        DataCheck(
            "no_sharp_shrink",
            COLLECTIONS,
            f"No organization lost more than {collect.max_shrink:.0%} of its events at once.",
            withholds=False,
            failing_organizations=lambda warehouse: _without_reason(
                check_rules.shrunken(
                    warehouse.newest_collections(count=2), collect.max_shrink, collect.shrink_floor
                )
            ),
        ),
        DataCheck(
            "fresh_enough",
            COLLECTIONS,
            f"Every organization was collected in the last {schedules.max_age_hours:g} hours.",
            withholds=False,
            failing_organizations=lambda warehouse: _not_fresh(warehouse, settings),
        ),
    )


def _shown(name: str) -> str:
    return name if NAME.fullmatch(name) else "(a name that is not shown)"


def _without_reason(organizations: Iterable[str]) -> Mapping[str, str]:
    return dict.fromkeys(organizations, "")


def _not_fresh(warehouse: Warehouse, settings: Settings) -> Mapping[str, str]:
    """Organizations collected too long ago, or never completely."""
    newest = warehouse.newest_collections()
    max_age = timedelta(hours=settings.schedules.max_age_hours)
    configured = settings.slugs
    overdue = check_rules.overdue(newest, datetime.now(UTC), max_age)
    never = check_rules.never_complete(newest, configured)
    return dict.fromkeys(overdue, "too long ago") | dict.fromkeys(never, "never complete")


def _newest_failed(table: Table, warehouse: Warehouse) -> pl.DataFrame:
    return check_rules.newest_failed(warehouse.attempts(), table.short_name, FAILURES)


def _failed_attempts(table: Table, warehouse: Warehouse) -> Mapping[str, str]:
    return dict(_newest_failed(table, warehouse).select("organization", "reason").iter_rows())


def _failure_details(table: Table, warehouse: Warehouse) -> Mapping[str, Mapping[str, str]]:
    failed = _newest_failed(table, warehouse).select("organization", "since", "remedy")
    return {row.pop("organization"): row for row in failed.to_dicts()}


def _nameless(table: Table, named: Collection[str], warehouse: Warehouse) -> Mapping[str, str]:
    """Organizations whose names are wanted, and unaccounted for, or not of the newest attempt."""
    reconciliation = warehouse.reconciliation(table).drop_nulls("rows_loaded")
    failing = _without_reason(check_rules.unaccounted(reconciliation))
    newest = check_rules.not_complete(warehouse.attempts(), table.short_name)
    return {slug: why for slug, why in {**failing, **newest}.items() if slug in named}


def _unaccounted_registrations(warehouse: Warehouse) -> Mapping[str, str]:
    """Of the organizations whose registrations were ever complete: the others have none stored."""
    reconciliation = warehouse.reconciliation(REGISTRATIONS)
    return _without_reason(check_rules.unaccounted(reconciliation.drop_nulls("rows_loaded")))
