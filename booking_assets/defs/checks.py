"""The data checks and the contracts as asset checks.

Only a broken contract blocks: an organization that fails a data check is withheld alone, as
`pipeline.organizations` decides. What is checked is in `pipeline.checks`.
"""

from collections.abc import Iterator, Mapping

import dagster as dg

from booking_assets.defs.raw import COLLECTED_TABLES
from booking_assets.defs.resources import WarehouseResource
from booking_assets.defs.specs import asset_key
from booking_assets.pipeline.checks import DataCheck, data_checks
from booking_assets.settings import Settings
from booking_assets.tables.contract import Table
from booking_assets.warehouse.warehouse import Warehouse

CONTRACT = "contract_holds"
MAX_ORGANIZATIONS_SHOWN = 20


def raw_checks(settings: Settings) -> dg.AssetChecksDefinition:
    """The checks of the raw tables in one step, as one step writes them; marts check their own."""
    checks = {(asset_key(one.table), one.name): one for one in data_checks(settings)}
    contracts = {(asset_key(table), CONTRACT): table for table in COLLECTED_TABLES}

    # A run over some of the tables asks for some of the checks.
    @dg.multi_asset_check(
        name="raw_checks",
        specs=[
            *(contract_spec(table) for table in contracts.values()),
            *(_spec(check) for check in checks.values()),
        ],
        can_subset=True,
    )
    def raw_checks(
        context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource
    ) -> Iterator[dg.AssetCheckResult]:
        selected = [(key.asset_key, key.name) for key in context.selected_asset_check_keys]
        with warehouse.open().session() as session:
            results = [contract_result(session, contracts[k]) for k in selected if k in contracts]
            results += [_result(session, checks[key]) for key in selected if key in checks]
        yield from results

    return raw_checks


def _spec(check: DataCheck) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        check.name,
        asset=asset_key(check.table),
        description=check.description,
    )


def _result(warehouse: Warehouse, check: DataCheck) -> dg.AssetCheckResult:
    """Whether a check holds, and for whom it does not."""
    failing = sorted(check.failing_organizations(warehouse).items())
    shown = failing[:MAX_ORGANIZATIONS_SHOWN]
    error, warning = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        passed=not failing,
        asset_key=asset_key(check.table),
        check_name=check.name,
        severity=error if check.withholds else warning,
        metadata={
            "failing organizations": len(failing),
            "organizations": ", ".join(slug for slug, _ in shown),
            "reasons": dg.MetadataValue.table(
                [dg.TableRecord({"organization": slug, "reason": why}) for slug, why in shown],
                dg.TableSchema([dg.TableColumn("organization"), dg.TableColumn("reason")]),
            ),
        },
    )


def contract_spec(table: Table) -> dg.AssetCheckSpec:
    """The check that a stored table is what its contract says."""
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
            "nulls": _listed(breaches.nulls),
            "duplicate keys": breaches.duplicates,
        },
    )


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in counts.items()) or "none"
