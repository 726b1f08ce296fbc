"""The report as an asset after the snapshot; where it fails, the run and the snapshot stand.

How it is written is in `report.writing`.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg

from booking_assets.defs.specs import PUBLISHED_GROUP, REPORT_KEY, SNAPSHOT_KEY
from booking_assets.pipeline.progress import Progress
from booking_assets.settings import Settings
from booking_assets.warehouse.errors import WarehouseError

if TYPE_CHECKING:
    from booking_assets.report.writing import Report

WRITTEN = "report_written"
_REMEDY = "`booking-assets report` shows where; the snapshot is published"


def written_report(settings: Settings, *, keep: int = 2) -> "Report":
    """Write the report of the published snapshot, and keep so many versions of it.

    Raises:
        WarehouseError: there is no snapshot, or the report cannot be written.
    """
    # Imports Jinja2: runs that draw nothing do without.
    from booking_assets.report.writing import write_report  # noqa: PLC0415

    return write_report(
        settings.snapshot_path,
        settings.report_path,
        threads=settings.warehouse.threads,
        keep=keep,
        group=settings.publish.group,
    )


def report_failures(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """Why a run did not write the report, if it did not: what else it did is complete."""
    evaluations = [
        entry.get_dagster_event().asset_check_evaluation_data
        for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    ]
    return [
        f"report: {evaluation.description}"
        for evaluation in evaluations
        if evaluation.check_name == WRITTEN and not evaluation.passed
    ]


def report_asset() -> dg.AssetsDefinition:
    """The HTML report of the snapshot."""

    @dg.multi_asset(
        name="report",
        specs=[
            dg.AssetSpec(
                key=REPORT_KEY,
                description="The HTML report of the snapshot: an index, and a page for each"
                " organization.",
                group_name=PUBLISHED_GROUP,
                kinds={"polars", "duckdb"},
                tags={"layer": "published"},
                deps=[SNAPSHOT_KEY],
                skippable=True,
            )
        ],
        check_specs=[
            dg.AssetCheckSpec(
                WRITTEN,
                asset=REPORT_KEY,
                description="The report was written; where it was not, the snapshot is published.",
            )
        ],
    )
    def report(
        settings: dg.ResourceParam[Settings],
        progress: dg.ResourceParam[Progress],
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        progress.step("report", "pages", 1)
        try:
            written = written_report(settings)
        except Exception as error:  # noqa: BLE001 - a defect in drawing fails no publication
            # The text of another error could have a title.
            is_explained = isinstance(error, WarehouseError | OSError)
            why = str(error) if is_explained else f"{type(error).__name__}, a defect: {_REMEDY}"
            yield dg.AssetCheckResult(
                passed=False, check_name=WRITTEN, description=why, asset_key=REPORT_KEY
            )
            return
        yield dg.MaterializeResult(
            asset_key=REPORT_KEY,
            metadata={
                "path": dg.MetadataValue.path(str(written.index)),
                "pages": len(written.pages),
                "pages drawn": len(written.drawn),
                "seconds": round(written.seconds, 3),
            },
        )
        yield dg.AssetCheckResult(passed=True, check_name=WRITTEN, asset_key=REPORT_KEY)

    return report
