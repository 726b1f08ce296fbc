"""The raw assets: per organization count, collect, verify, store.

What lives here: one multi-asset, partitioned by organization, that counts and collects; the two
tables that its collections also write, as assets without partitions; how a run reports what became
of each organization.
What must not: how an organization is collected (`collect`) or stored (`warehouse`).
Read more: `docs/reliability.md`, "One organization fails alone", and
`docs/decisions/0005-events-a-partition.md`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from booking_assets.collect.concurrency import Refused
from booking_assets.defs.collector import Collector, Stored
from booking_assets.defs.metadata import (
    collection_metadata,
    count_metadata,
    definition_metadata,
)
from booking_assets.defs.names import OWNERS, asset_key
from booking_assets.tables.contract import Table
from booking_assets.tables.raw import COLLECTIONS, EVENT_COUNTS, EVENTS, REJECTED_ROWS
from booking_assets.warehouse.warehouse import Warehouse

COLLECTED = (EVENT_COUNTS, EVENTS)
"""What a run materializes for each organization."""
WRITTEN_BESIDE = (REJECTED_ROWS, COLLECTIONS)
"""What the same collections write for all organizations together: one event a run, not a partition,
since each event costs Dagster as much as storing an organization costs DuckDB."""

# Binds Dagster's run retries; `allow_retries` binds only the step's own.
NO_RETRY_TAGS = {"dagster/retry_on_asset_or_op_failure": "false"}


class CollectConfig(dg.Config):
    """What a person may ask of one run."""

    allow_shrink: bool = False
    """Store a slice even though it lost more rows than max_shrink allows."""


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


def tables_written_beside() -> list[dg.AssetSpec]:
    """Raw tables that nobody materializes by themselves: collections report them."""
    return [raw_spec(table, upstream=[EVENTS]) for table in WRITTEN_BESIDE]


def collected_assets(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """Counts and events of every organization, from one collection each."""

    @dg.multi_asset(
        name="collected_events",
        specs=[raw_spec(EVENT_COUNTS, upstream=[]), raw_spec(EVENTS, upstream=[EVENT_COUNTS])],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def collected_events(
        context: dg.AssetExecutionContext,
        config: CollectConfig,
        collector: dg.ResourceParam[Collector],
        warehouse: dg.ResourceParam[Warehouse],
    ) -> Iterator[dg.MaterializeResult[None]]:
        outcomes = []
        for outcome in collector.collect(
            context.partition_keys, context.run.run_id, allow_shrink=config.allow_shrink
        ):
            _log(context, outcome)
            outcomes.append(outcome)
        for table in WRITTEN_BESIDE:
            rows = sum(warehouse.row_counts(table).values())
            metadata = {"dagster/row_count": rows}
            context.log_event(dg.AssetMaterialization(asset_key(table), metadata=metadata))
        yield from _report(context, outcomes)

    return collected_events


def _log(context: dg.AssetExecutionContext, outcome: Stored | Refused) -> None:
    if isinstance(outcome, Stored):
        entry = outcome.collected.landing.entry
        context.log.info(
            "%s: %s of %s events stored, %s rejected, %s deleted",
            outcome.organization,
            entry["rows_loaded"],
            entry["count_after"],
            entry["rows_rejected"],
            outcome.rows_deleted,
        )
    else:
        context.log.error("%s: nothing stored: %s", outcome.organization, outcome.error)


def _report(
    context: dg.AssetExecutionContext, outcomes: Sequence[Stored | Refused]
) -> Iterator[dg.MaterializeResult[None]]:
    """Each organization's outcome on its own partition.

    Raises:
        Failure: some organizations were refused. The others are recorded as materialized first.
    """
    refused = {one.organization: one for one in outcomes if isinstance(one, Refused)}
    stored = [one for one in outcomes if isinstance(one, Stored)]
    if refused:
        for one in stored:
            for table, metadata in _metadata(one).items():
                context.log_event(
                    dg.AssetMaterialization(
                        asset_key(table), partition=one.organization, metadata=metadata
                    )
                )
        raise _failure(context, refused, len(outcomes))
    for one in stored:
        for table, metadata in _metadata(one).items():
            context.add_asset_metadata(
                metadata, asset_key=asset_key(table), partition_key=one.organization
            )
    for table in COLLECTED:
        yield dg.MaterializeResult(asset_key=asset_key(table))


def _metadata(stored: Stored) -> dict[Table, dict[str, Any]]:
    entry = stored.collected.landing.entry
    return {
        EVENT_COUNTS: count_metadata(entry),
        EVENTS: collection_metadata(entry, stored.rows_deleted, stored.collected.unknown),
    }


def _failure(
    context: dg.AssetExecutionContext, refused: dict[str, Refused], organizations: int
) -> dg.Failure:
    # The client has already repeated what repeating can help.
    context.instance.add_run_tags(context.run.run_id, NO_RETRY_TAGS)
    return dg.Failure(
        description=(
            f"{len(refused)} of {organizations} organizations were not stored; their former rows "
            "stay. " + " | ".join(str(one.error) for one in refused.values())
        ),
        metadata={slug: str(one.error) for slug, one in refused.items()},
        allow_retries=False,
    )
