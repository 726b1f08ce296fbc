"""The errors of the rooms below whose message is meant for a person."""

from __future__ import annotations

from booking_assets.api.errors import BookingError
from booking_assets.collect.errors import CollectionFailed
from booking_assets.pipeline.checks import ContractBroken
from booking_assets.pipeline.operations import OperationRefused
from booking_assets.warehouse.errors import WarehouseError

EXPLAINED: tuple[type[Exception], ...] = (
    *(BookingError, CollectionFailed, ContractBroken),
    *(OperationRefused, WarehouseError),
)
"""Each says what happened, to which organization or file, and what to do."""
