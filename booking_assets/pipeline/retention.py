"""Applies `[retention]` to the warehouse; `defs.retention` applies it to Dagster's runs."""

from __future__ import annotations

from datetime import datetime, timedelta

from booking_assets.settings import Retention
from booking_assets.warehouse.warehouse import Warehouse


def prune(warehouse: Warehouse, retention: Retention, now: datetime) -> None:
    """Delete old rows of `raw.collections`, and warehouse files that a rebuild replaced.

    Raises:
        WarehouseError: the warehouse is busy or cannot be written.
    """
    warehouse.prune_collections(
        now,
        keep=timedelta(days=retention.collections_days),
        keep_unchanged=timedelta(days=retention.unchanged_days),
    )
    warehouse.prune_replaced(now, keep=timedelta(days=retention.replaced_days))
