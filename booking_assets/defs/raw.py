"""The raw assets: every organization is counted, collected, verified and stored on its partition.

How an organization is collected and what a failure means is in `pipeline.collector`; why a run
records so few events is in `docs/decisions/0005-events-a-partition.md`.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import dagster as dg
from dagster._core.execution.context.metadata_logging import (
    AssetMetadataHandle,
    OutputMetadataAccumulator,
)

from booking_assets.collect.stats import Mode
from booking_assets.defs.checks import report_raw_checks
from booking_assets.defs.metadata import result_metadata
from booking_assets.defs.resources import BookingApiResource, WarehouseResource
from booking_assets.defs.specs import (
    LOG_TABLES,
    PARTITIONED_TABLES,
    RESOURCES,
    asset_key,
    asset_spec,
)
from booking_assets.pipeline.landings import load_landings
from booking_assets.pipeline.progress import Progress
from booking_assets.pipeline.results import RunReport
from booking_assets.settings import Settings
from booking_assets.tables.contract import Table
from booking_assets.tables.raw import EVENT_COUNTS

RAW_KINDS = {"http", "polars", "duckdb"}

# Binds Dagster's run retries; `allow_retries` binds only the step's own.
NO_RETRY_TAGS = {"dagster/retry_on_asset_or_op_failure": "false"}


class CollectConfig(dg.Config):
    """What a person may ask of one run."""

    mode: Literal["full", "incremental"] = "full"
    """Read every event, or those that changed since the last run."""
    allow_shrink: bool = False
    """Store a slice even though it lost more rows than max_shrink allows."""
    organizations: list[str] = []  # noqa: RUF012 - pydantic copies it
    """Which ones a run without partitions collects; none means all."""


def run_config(
    mode: Mode, *, allow_shrink: bool = False, organizations: Sequence[str] = ()
) -> dict[str, Any]:
    """The configuration of a run that collects in this mode."""
    config = CollectConfig(mode=mode, allow_shrink=allow_shrink, organizations=[*organizations])
    return {"ops": {"collect_organizations": {"config": config.model_dump()}}}


def log_assets() -> list[dg.AssetSpec]:
    """The raw tables that are not materialized by themselves: collections report them."""
    return [asset_spec(table, RESOURCES, RAW_KINDS) for table in LOG_TABLES]


def raw_assets(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """Counts, and the rows of each resource, of every organization."""

    @dg.multi_asset(
        name="collect_organizations",
        specs=[
            asset_spec(EVENT_COUNTS, (), RAW_KINDS),
            *(asset_spec(table, (EVENT_COUNTS,), RAW_KINDS) for table in RESOURCES),
        ],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def collect_organizations(
        context: dg.AssetExecutionContext,
        config: CollectConfig,
        booking_api: BookingApiResource,
        warehouse: WarehouseResource,
        progress: dg.ResourceParam[Progress],
        settings: dg.ResourceParam[Settings],
    ) -> Iterator[dg.MaterializeResult[None]]:
        store = warehouse.open()
        with booking_api.collector(store, progress) as collector:
            report = collector.collect(
                context.partition_keys
                if _is_partitioned(context)
                else config.organizations or settings.slugs,
                context.run.run_id,
                mode=config.mode,
                allow_shrink=config.allow_shrink,
                log=context.log,
            )
        if settings.storage is None:
            for table, rows in store.rows_by_table(LOG_TABLES).items():
                metadata = {"dagster/row_count": sum(rows.values())}
                context.log_event(dg.AssetMaterialization(asset_key(table), metadata=metadata))
        _record(context, report)
        if not report.failed_organizations:
            for table in PARTITIONED_TABLES:
                yield dg.MaterializeResult(asset_key=asset_key(table))
            return
        # Dagster skips this run's checks, since this step fails. With `[storage]`, the run that
        # loads the landings checks what they change.
        if settings.storage is None:
            report_raw_checks(context.instance, store, settings)
        raise _failure(context, report)

    return collect_organizations


def load_asset() -> dg.AssetsDefinition:
    """With `[storage]`: loads the landings of all machines, before marts are derived."""
    # Without upstream: blocking checks of that, which read what is loaded, would come first.
    specs = [asset_spec(table, (), RAW_KINDS) for table in LOG_TABLES]

    @dg.multi_asset(name="load_landings", specs=specs)
    def load(
        context: dg.AssetExecutionContext,
        warehouse: WarehouseResource,
        settings: dg.ResourceParam[Settings],
    ) -> Iterator[dg.MaterializeResult[None]]:
        store = warehouse.open()
        loaded = load_landings(store, settings, context.log)
        for table, rows in store.rows_by_table(LOG_TABLES).items():
            metadata = {"dagster/row_count": sum(rows.values()), "collections loaded": loaded}
            yield dg.MaterializeResult(asset_key=asset_key(table), metadata=metadata)

    return load


def _is_partitioned(context: dg.AssetExecutionContext) -> bool:
    """Whether the run names partitions; else its configuration may name organizations.

    Scheduled runs name none: the daemon would check partitions against those that it loaded, and
    `booking.toml` may have changed since.
    """
    return bool(context.has_partition_key or context.has_partition_key_range)


def _record(context: dg.AssetExecutionContext, report: RunReport) -> None:
    """Record each organization's result on its own partition."""
    recorded: dict[tuple[Table, str], dict[str, Any]] = {
        (table, result.organization): metadata
        for result in report.results
        for table, metadata in result_metadata(result).items()
    }
    if _is_partitioned(context) and not report.failed_organizations:
        # The step materializes them. `add_asset_metadata` would copy what is known of all
        # partitions for each: 10 ms an organization of 2,000.
        by_partition: dict[Any, dict[str, Any]] = {
            AssetMetadataHandle(asset_key=asset_key(table), partition_key=slug): metadata
            for (table, slug), metadata in recorded.items()
        }
        step = context.get_step_execution_context()
        step._metadata_accumulator = OutputMetadataAccumulator(per_output_metadata=by_partition)  # noqa: SLF001
        return
    for (table, slug), metadata in recorded.items():
        context.log_event(
            dg.AssetMaterialization(asset_key(table), partition=slug, metadata=metadata)
        )


def _failure(context: dg.AssetExecutionContext, report: RunReport) -> dg.Failure:
    # The client has already retried what a retry can help.
    context.instance.add_run_tags(context.run.run_id, NO_RETRY_TAGS)
    return dg.Failure(
        description=(
            f"{len(report.failed_organizations)} of {len(report.organizations)} organizations"
            f" were not stored; their former rows stay. {' | '.join(report.explanations)}"
        ),
        metadata={
            f"{result.organization}, {result.resource}": result.explanation
            for result in report.failed
        },
        allow_retries=False,
    )
