"""The data checks and the contracts as asset checks.

Only a broken contract blocks: an organization that fails a data check is withheld alone, as
`pipeline.organizations` decides. What is checked is in `pipeline.checks`.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial

import dagster as dg

from booking_assets.defs.resources import WarehouseResource
from booking_assets.defs.specs import COLLECTED_TABLES, asset_key
from booking_assets.pipeline.checks import DataCheck, data_checks
from booking_assets.settings import Settings
from booking_assets.tables.contract import Table
from booking_assets.warehouse.errors import WarehouseError
from booking_assets.warehouse.warehouse import Warehouse

CONTRACT = "contract_holds"
MAX_ORGANIZATIONS_SHOWN = 20
_NO_FAILURE = ({"organization": "", "reason": ""},)


def raw_checks(settings: Settings) -> dg.AssetChecksDefinition:
    """The checks of the raw tables in one step, as one step writes them; marts check their own."""
    checks = _checks(settings)

    # A run over some of the tables asks for some of the checks.
    @dg.multi_asset_check(name="raw_checks", specs=[spec for spec, _ in checks], can_subset=True)
    def raw_checks(
        context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource
    ) -> Iterator[dg.AssetCheckResult]:
        selected = context.selected_asset_check_keys
        with warehouse.open().session() as session:
            results = [evaluate(session) for spec, evaluate in checks if spec.key in selected]
        yield from results

    return raw_checks


def report_raw_checks(instance: dg.DagsterInstance, store: Warehouse, settings: Settings) -> None:
    """Report the checks of the raw tables outside of a run, but of tables never written."""
    results = []
    with suppress(WarehouseError), store.session() as session:
        for spec, evaluate in _checks(settings):
            with suppress(WarehouseError):
                results.append((spec, evaluate(session)))
    for spec, result in results:
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=spec.asset_key,
                check_name=spec.name,
                passed=result.passed,
                metadata=result.metadata,
                severity=result.severity,
            )
        )


def _checks(
    settings: Settings,
) -> list[tuple[dg.AssetCheckSpec, Callable[[Warehouse], dg.AssetCheckResult]]]:
    """The checks of the raw tables, and how each is evaluated."""
    return [
        *(
            (contract_spec(table), partial(contract_result, table=table))
            for table in COLLECTED_TABLES
        ),
        *((_spec(check), partial(_result, check=check)) for check in data_checks(settings)),
    ]


def _spec(check: DataCheck) -> dg.AssetCheckSpec:
    asset = asset_key(check.table)
    return dg.AssetCheckSpec(check.name, asset=asset, description=check.description)


def _result(warehouse: Warehouse, check: DataCheck) -> dg.AssetCheckResult:
    """Whether a check holds, and for whom it does not."""
    failing = sorted(check.failing_organizations(warehouse).items())
    shown = failing[:MAX_ORGANIZATIONS_SHOWN]
    details = check.details(warehouse) if shown else {}
    rows = [{"organization": slug, "reason": why, **details.get(slug, {})} for slug, why in shown]
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
                [dg.TableRecord(row) for row in rows],
                dg.TableSchema([dg.TableColumn(name) for name in (rows or _NO_FAILURE)[0]]),
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
