"""The raw assets: per organization count, collect, verify, store.

What lives here: one multi-asset, partitioned by organization, that counts and collects; the two
tables that its collections also write, as assets without partitions; how a run reports what became
of each organization.
What must not: how an organization is collected (`collect`) or stored (`warehouse`).
Read more: `docs/reliability.md`, "One organization fails alone", and
`docs/decisions/0005-events-a-partition.md`.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import dagster as dg

from booking_assets.collect.concurrency import Failed
from booking_assets.collect.stats import Mode
from booking_assets.defs.metadata import (
    collection_metadata,
    count_metadata,
    definition_metadata,
)
from booking_assets.defs.names import OWNERS, asset_key
from booking_assets.pipeline.collector import AccessDenied, CollectionResult, Collector, Loaded
from booking_assets.tables.contract import Table
from booking_assets.tables.raw import (
    COLLECTIONS,
    EVENT_COUNTS,
    EVENTS,
    REGISTRATIONS,
    REJECTED_ROWS,
)
from booking_assets.warehouse.warehouse import Warehouse

COLLECTED = (EVENT_COUNTS, EVENTS, REGISTRATIONS)
"""What a run materializes for each organization."""
LOG_TABLES = (REJECTED_ROWS, COLLECTIONS)
"""What the same collections write for all organizations together: one event a run, not a partition,
since each event costs Dagster as much as storing an organization costs DuckDB."""

# Binds Dagster's run retries; `allow_retries` binds only the step's own.
NO_RETRY_TAGS = {"dagster/retry_on_asset_or_op_failure": "false"}


class CollectConfig(dg.Config):
    """What a person may ask of one run."""

    mode: Literal["full", "incremental"] = "full"
    """Read every event, or those that changed since the last run."""
    allow_shrink: bool = False
    """Store a slice even though it lost more rows than max_shrink allows."""


def run_config(mode: Mode, *, allow_shrink: bool = False) -> dict[str, Any]:
    """What a run is told so that it collects in this mode."""
    config = CollectConfig(mode=mode, allow_shrink=allow_shrink)
    return {"ops": {"collected_events": {"config": config.model_dump()}}}


def raw_spec(table: Table, upstream: Sequence[Table]) -> dg.AssetSpec:
    """A raw table as an asset."""
    return dg.AssetSpec(
        key=asset_key(table),
        description=table.description,
        group_name=table.schema,
        owners=OWNERS,
        kinds={"http", "polars", "duckdb"},
        tags={"layer": table.schema},
        metadata=definition_metadata(table),
        deps=[asset_key(one) for one in upstream],
    )


def log_assets() -> list[dg.AssetSpec]:
    """Raw tables that nobody materializes by themselves: collections report them."""
    return [raw_spec(table, upstream=[EVENTS, REGISTRATIONS]) for table in LOG_TABLES]


def collected_assets(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """Counts, events and registrations of every organization."""

    @dg.multi_asset(
        name="collected_events",
        specs=[
            raw_spec(EVENT_COUNTS, upstream=[]),
            raw_spec(EVENTS, upstream=[EVENT_COUNTS]),
            raw_spec(REGISTRATIONS, upstream=[EVENT_COUNTS]),
        ],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def collected_events(
        context: dg.AssetExecutionContext,
        config: CollectConfig,
        collector: dg.ResourceParam[Collector],
        warehouse: dg.ResourceParam[Warehouse],
    ) -> Iterator[dg.MaterializeResult[None]]:
        outcomes: list[CollectionResult] = []
        for batch in collector.collect(
            context.partition_keys,
            context.run.run_id,
            mode=config.mode,
            allow_shrink=config.allow_shrink,
        ):
            _log(context, batch)
            outcomes += batch
        for table, rows in warehouse.rows_by_table(LOG_TABLES).items():
            metadata = {"dagster/row_count": sum(rows.values())}
            context.log_event(dg.AssetMaterialization(asset_key(table), metadata=metadata))
        yield from _report(context, outcomes)

    return collected_events


def _log(context: dg.AssetExecutionContext, batch: Sequence[CollectionResult]) -> None:
    """One line for all that was stored, as a line costs Dagster 5 ms, and one for each fault."""
    stored = "; ".join(_stored_line(one) for one in batch if isinstance(one, Loaded))
    if stored:
        context.log.info("stored %s", stored)
    for one in batch:
        if isinstance(one, AccessDenied):
            context.log.warning(
                "%s: seats are unknown: %s", one.organization, one.log_row["reason"]
            )
        elif isinstance(one, Failed):
            resource = one.log_row["resource"]
            context.log.error("%s: %s not stored: %s", one.organization, resource, one.error)


def _stored_line(stored: Loaded) -> str:
    log_row = stored.log_row
    return (
        f"{stored.organization}: {log_row['rows_loaded']} of {log_row['count_after']}"
        f" {log_row['resource']}, {log_row['rows_rejected']} rejected,"
        f" {stored.rows_deleted} deleted"
    )


def _report(
    context: dg.AssetExecutionContext, outcomes: Sequence[CollectionResult]
) -> Iterator[dg.MaterializeResult[None]]:
    """Each organization's outcome on its own partition.

    Raises:
        Failure: some organizations were refused. The others are recorded as materialized first.
    """
    refused = [one for one in outcomes if isinstance(one, Failed)]
    reported = {
        (table, one.organization): metadata
        for one in outcomes
        for table, metadata in _metadata(one).items()
    }
    if refused:
        for (table, slug), metadata in reported.items():
            context.log_event(
                dg.AssetMaterialization(asset_key(table), partition=slug, metadata=metadata)
            )
        raise _failure(context, refused)
    for (table, slug), metadata in reported.items():
        context.add_asset_metadata(metadata, asset_key=asset_key(table), partition_key=slug)
    for table in COLLECTED:
        yield dg.MaterializeResult(asset_key=asset_key(table))


def _metadata(outcome: CollectionResult) -> dict[Table, dict[str, Any]]:
    """What an outcome says on the partitions of the tables that it wrote."""
    log_row = outcome.log_row
    if isinstance(outcome, AccessDenied):
        return {REGISTRATIONS: {"seats": f"unknown: {log_row['reason']}"}}
    if isinstance(outcome, Failed):
        return {}
    metadata = collection_metadata(log_row, outcome.rows_deleted, outcome.collected.unknown)
    if log_row["resource"] == REGISTRATIONS.short_name:
        return {REGISTRATIONS: metadata}
    return {EVENT_COUNTS: count_metadata(log_row), EVENTS: metadata}


def _failure(context: dg.AssetExecutionContext, refused: Sequence[Failed]) -> dg.Failure:
    # The client has already repeated what repeating can help.
    context.instance.add_run_tags(context.run.run_id, NO_RETRY_TAGS)
    organizations = len({one.organization for one in refused})
    # What the warehouse refuses is one error, of an organization's events and registrations.
    errors = dict.fromkeys(str(one.error) for one in refused)
    return dg.Failure(
        description=(
            f"{organizations} of {len(context.partition_keys)} organizations were not stored; "
            "their former rows stay. " + " | ".join(errors)
        ),
        metadata={
            f"{one.organization}, {one.log_row['resource']}": str(one.error) for one in refused
        },
        allow_retries=False,
    )
