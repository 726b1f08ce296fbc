"""The promises as asset checks: contracts hold, counted is stored, no row is foreign.

What lives here: which promise belongs to which table, how grave a breach is, and its wording.
What must not: the queries (`warehouse.queries`), the promises (`transforms.check_rules`).
Read more: https://docs.dagster.io/guides/test/asset-checks
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg

from booking_assets.defs.names import asset_key
from booking_assets.settings import Settings
from booking_assets.tables.catalog import RAW_TABLES
from booking_assets.tables.contract import Table
from booking_assets.tables.raw import COLLECTIONS, EVENTS, REGISTRATIONS, REJECTED_ROWS
from booking_assets.transforms import check_rules
from booking_assets.warehouse.warehouse import Warehouse

CONTRACT = "contract_holds"
SHOWN = 20


@dataclass(frozen=True)
class Promise:
    """Something that must be true of every organization.

    Args:
        name: what holds, in a name.
        table: whose rows it is about.
        description: the same as a sentence.
        blocking: whether nothing may be derived or published where it does not hold.
        broken_by: finds the organizations for which it does not.
    """

    name: str
    table: Table
    description: str
    blocking: bool
    broken_by: Callable[[Warehouse], Collection[str]]

    @property
    def spec(self) -> dg.AssetCheckSpec:
        """The promise in Dagster's terms."""
        return dg.AssetCheckSpec(
            self.name,
            asset=asset_key(self.table),
            description=self.description,
            blocking=self.blocking,
        )

    def result(self, warehouse: Warehouse) -> dg.AssetCheckResult:
        """Whether it holds, and for whom it does not."""
        broken = sorted(self.broken_by(warehouse))
        return dg.AssetCheckResult(
            passed=not broken,
            asset_key=asset_key(self.table),
            check_name=self.name,
            severity=dg.AssetCheckSeverity.ERROR if self.blocking else dg.AssetCheckSeverity.WARN,
            metadata={"broken by": len(broken), "organizations": ", ".join(broken[:SHOWN])},
        )


def raw_promises(settings: Settings) -> tuple[Promise, ...]:
    """What must be true of the collected rows."""
    collect, schedules = settings.collect, settings.schedules
    return (
        Promise(
            "counted_is_stored",
            EVENTS,
            "What was counted is what is stored, rejected rows and duplicates accounted for.",
            blocking=True,
            broken_by=lambda warehouse: check_rules.unaccounted(warehouse.reconciliation()),
        ),
        Promise(
            "counted_is_stored",
            REGISTRATIONS,
            "What was counted is what is stored, rejected rows and duplicates accounted for.",
            blocking=True,
            broken_by=_unaccounted_registrations,
        ),
        Promise(
            "seats_are_known",
            REGISTRATIONS,
            "Registrations can be read; where they cannot, seats are null.",
            blocking=False,
            broken_by=lambda warehouse: (
                {one.slug for one in settings.organizations}
                - {*warehouse.seats_as_of()["organization"]}
            ),
        ),
        Promise(
            "events_are_known",
            REGISTRATIONS,
            "Every registration is of a stored event; the others are kept, and take no seat.",
            blocking=False,
            broken_by=lambda warehouse: warehouse.unmatched_registrations(),
        ),
        Promise(
            "no_foreign_rows",
            EVENTS,
            "Every event belongs to the organization under which it is stored.",
            blocking=True,
            broken_by=lambda warehouse: warehouse.foreign_rows(),
        ),
        Promise(
            "nothing_unknown",
            EVENTS,
            "The contract knows every member of every row; members that it does not are in extra.",
            blocking=False,
            broken_by=lambda warehouse: warehouse.rows_with_extra(),
        ),
        Promise(
            "nothing_rejected",
            REJECTED_ROWS,
            "Every row could be typed; those that could not are in raw.rejected_rows.",
            blocking=False,
            broken_by=lambda warehouse: check_rules.rejecting(warehouse.reconciliation()),
        ),
        Promise(
            "no_sharp_shrink",
            COLLECTIONS,
            f"No organization lost more than {collect.max_shrink:.0%} of its events at once.",
            blocking=False,
            broken_by=lambda warehouse: check_rules.shrunken(
                warehouse.newest_collections(count=2), collect.max_shrink
            ),
        ),
        Promise(
            "fresh_enough",
            COLLECTIONS,
            f"Every organization was collected in the last {schedules.max_age_hours:g} hours.",
            blocking=False,
            broken_by=lambda warehouse: _not_fresh(warehouse, settings),
        ),
    )


def _not_fresh(warehouse: Warehouse, settings: Settings) -> Collection[str]:
    """Organizations collected too long ago, or never completely."""
    newest = warehouse.newest_collections()
    max_age = timedelta(hours=settings.schedules.max_age_hours)
    configured = [one.slug for one in settings.organizations]
    return [
        *check_rules.overdue(newest, datetime.now(UTC), max_age),
        *check_rules.never_complete(newest, configured),
    ]


def _unaccounted_registrations(warehouse: Warehouse) -> Collection[str]:
    """Of the organizations whose registrations were ever complete: the others have none stored."""
    reconciliation = warehouse.reconciliation(REGISTRATIONS)
    return check_rules.unaccounted(reconciliation.drop_nulls("rows_loaded"))


def raw_checks(settings: Settings) -> dg.AssetChecksDefinition:
    """The checks of the raw tables in one step, as one step writes them; marts check their own."""
    kept = raw_promises(settings)
    specs = [contract_spec(table) for table in RAW_TABLES] + [promise.spec for promise in kept]

    # A run over some of the tables asks for some of the checks.
    @dg.multi_asset_check(name="raw_checks", specs=specs, can_subset=True)
    def raw_checks(
        context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> Iterator[dg.AssetCheckResult]:
        asked = {(key.asset_key, key.name) for key in context.selected_asset_check_keys}
        with warehouse.session() as session:
            results = [
                contract_result(session, table)
                for table in RAW_TABLES
                if (asset_key(table), CONTRACT) in asked
            ] + [
                promise.result(session)
                for promise in kept
                if (asset_key(promise.table), promise.name) in asked
            ]
        yield from results

    return raw_checks


def contract_spec(table: Table) -> dg.AssetCheckSpec:
    """The promise that a stored table is what its contract says."""
    return dg.AssetCheckSpec(
        CONTRACT,
        asset=asset_key(table),
        description="Columns and types are the contract's, its key is unique and never null.",
        blocking=True,
    )


def contract_result(warehouse: Warehouse, table: Table) -> dg.AssetCheckResult:
    """Whether it is, and where it departs."""
    breaches = warehouse.contract_breaches(table)
    return dg.AssetCheckResult(
        passed=not breaches,
        asset_key=asset_key(table),
        check_name=CONTRACT,
        metadata={
            "columns that differ": "; ".join(breaches.columns) or "none",
            "nulls": _shown(breaches.nulls),
            "duplicate keys": breaches.duplicates,
        },
    )


def _shown(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in counts.items()) or "none"
