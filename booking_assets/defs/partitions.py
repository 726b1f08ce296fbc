"""The organizations as Dagster partitions, and ranges of them. Which there are: `settings`."""

from collections.abc import Collection, Sequence

import dagster as dg

RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"


def organization_partitions(slugs: Sequence[str]) -> dg.StaticPartitionsDefinition:
    """One partition an organization; static, so that loading needs no database."""
    return dg.StaticPartitionsDefinition(list(slugs))


def range_tags(first: str, last: str) -> dict[str, str]:
    """Tags that make one run work on all partitions from `first` to `last`."""
    return {RANGE_START_TAG: first, RANGE_END_TAG: last}


def contiguous(slugs: Sequence[str], wanted: Collection[str]) -> list[list[str]]:
    """Split the wanted slugs into contiguous ranges: a Dagster run addresses a range, not a set."""
    runs: list[list[str]] = [[]]
    for slug in slugs:
        if slug in wanted:
            runs[-1].append(slug)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]
