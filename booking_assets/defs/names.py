"""Asset keys, groups, tags and owners: how tables are called in Dagster.

What lives here: names derived from the contracts. What must not: assets.
Read more: https://docs.dagster.io/guides/build/assets/metadata-and-tags
"""

from __future__ import annotations

import dagster as dg

from booking_assets.tables.contract import Table

OWNERS = ["team:data-engineering"]
SNAPSHOT_KEY = dg.AssetKey(["snapshot"])


def asset_key(table: Table) -> dg.AssetKey:
    """`raw.events` -> `raw/events`."""
    return dg.AssetKey([table.schema, table.short_name])
