"""The errors of the rooms below whose message is meant for a person."""

from __future__ import annotations

from booking_assets.api.errors import BookingError
from booking_assets.collect.errors import CollectionFailed
from booking_assets.objects import StorageError
from booking_assets.pipeline.checks import ContractBroken
from booking_assets.pipeline.operations import OperationRefused
from booking_assets.settings import SettingsError
from booking_assets.warehouse.errors import WarehouseError

EXPLAINED: tuple[type[Exception], ...] = (
    *(BookingError, CollectionFailed, ContractBroken),
    *(OperationRefused, SettingsError, StorageError, WarehouseError),
)
"""Each says what happened, to which organization or file, and what to do."""


def is_explained(class_name: str) -> bool:
    """Whether the name is that of such an error, whose text quotes no row."""
    return any(class_name in _names(kind) for kind in EXPLAINED)


def _names(kind: type[Exception]) -> set[str]:
    return {kind.__name__}.union(*map(_names, kind.__subclasses__()))
