"""A whole refresh in this process, without Dagster: collect, derive, publish.

The same functions run as Dagster assets in `defs`; `defs.runs` is what the command line calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from booking_assets.collect.stats import Mode
from booking_assets.pipeline.checks import require_contracts
from booking_assets.pipeline.collector import Collector
from booking_assets.pipeline.derivation import derive_all, publish
from booking_assets.pipeline.landings import load_landings
from booking_assets.pipeline.results import RunReport, report_run


def refresh(
    collector: Collector,
    slugs: Sequence[str] = (),
    *,
    mode: Mode = "full",
    allow_shrink: bool = False,
) -> RunReport:
    """Collect the organizations; where any was stored, derive every mart and publish.

    Args:
        collector: the organizations, the API and the warehouse.
        slugs: which organizations; all of the settings by default.
        mode: read every event, or those that changed.
        allow_shrink: load slices that lost more rows than the settings allow.

    Raises:
        ContractBroken: a raw table is not its contract; nothing is derived.
        WarehouseError: the warehouse or the snapshot could not be read or written.
        StorageError: the object store of `[storage]` could not be used.
    """
    settings, warehouse = collector.settings, collector.warehouse
    wanted = slugs or settings.slugs
    run_id = uuid4().hex
    report = collector.collect(wanted, run_id, mode=mode, allow_shrink=allow_shrink)
    if load_landings(warehouse, settings):
        report = report_run(warehouse, [run_id], wanted, report.unrecorded)
    if report.complete:
        require_contracts(warehouse)
        derive_all(warehouse, settings, collector.progress)
        publish(warehouse, settings, collector.progress)
    return report
