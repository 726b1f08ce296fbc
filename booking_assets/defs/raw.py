"""The raw assets: per organization count, collect, verify, store.

What lives here: one multi-asset over the raw tables, and how a run reports what became of each
organization.
What must not: how an organization is collected (`collect`) or stored (`warehouse`).
Read more: `docs/reliability.md`, "One organization fails alone".
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from booking_assets.collect.concurrency import Refused
from booking_assets.defs.collector import Collector, Stored
from booking_assets.defs.metadata import collection_metadata, definition_metadata
from booking_assets.defs.names import OWNERS, asset_key
from booking_assets.tables.catalog import RAW_TABLES
from booking_assets.tables.contract import Table
from booking_assets.tables.raw import EVENT_COUNTS

# Binds Dagster's run retries; `allow_retries` binds only the step's own.
NO_RETRY_TAGS = {"dagster/retry_on_asset_or_op_failure": "false"}


class CollectConfig(dg.Config):
    """What a person may ask of one run."""

    allow_shrink: bool = False
    """Store a slice even though it lost more rows than max_shrink allows."""


def raw_spec(table: Table) -> dg.AssetSpec:
    """A raw table as an asset; all follow from the count, as in the API."""
    return dg.AssetSpec(
        key=asset_key(table),
        description=table.description,
        group_name=table.schema,
        owners=OWNERS,
        kinds={"http", "polars", "duckdb"},
        tags={"layer": table.schema},
        metadata=definition_metadata(table),
        deps=[] if table is EVENT_COUNTS else [asset_key(EVENT_COUNTS)],
    )


def raw_assets(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The raw tables of every organization, written together by one collection."""

    @dg.multi_asset(
        name="collected_events",
        specs=[raw_spec(table) for table in RAW_TABLES],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def collected_events(
        context: dg.AssetExecutionContext,
        config: CollectConfig,
        collector: dg.ResourceParam[Collector],
    ) -> Iterator[dg.MaterializeResult[None]]:
        outcomes = []
        for outcome in collector.collect(
            context.partition_keys, context.run_id, allow_shrink=config.allow_shrink
        ):
            _log(context, outcome)
            outcomes.append(outcome)
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
            for table in RAW_TABLES:
                context.log_event(
                    dg.AssetMaterialization(
                        asset_key(table), partition=one.organization, metadata=_metadata(one)
                    )
                )
        raise _failure(context, refused, len(outcomes))
    for table in RAW_TABLES:
        for one in stored:
            context.add_asset_metadata(
                _metadata(one), asset_key=asset_key(table), partition_key=one.organization
            )
        yield dg.MaterializeResult(asset_key=asset_key(table))


def _metadata(stored: Stored) -> dict[str, Any]:
    return collection_metadata(
        stored.collected.landing.entry, stored.rows_deleted, stored.collected.unknown
    )


def _failure(
    context: dg.AssetExecutionContext, refused: dict[str, Refused], organizations: int
) -> dg.Failure:
    # The client has already repeated what repeating can help.
    context.instance.add_run_tags(context.run_id, NO_RETRY_TAGS)
    return dg.Failure(
        description=(
            f"{len(refused)} of {organizations} organizations were not stored; their former rows "
            "stay. " + " | ".join(str(one.error) for one in refused.values())
        ),
        metadata={slug: str(one.error) for slug, one in refused.items()},
        allow_retries=False,
    )
