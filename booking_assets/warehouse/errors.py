"""What can go wrong with the warehouse, each named after what the operator should do about it.

What lives here: the exceptions of this room; each message names the thing, the numbers, the remedy.
What must not: decisions about when one is raised.
Read more: `docs/reliability.md`.
"""

from __future__ import annotations

REBUILD = "booking-assets rebuild"
"""The command that makes a new warehouse from the landing files."""


class WarehouseError(Exception):
    """Any refusal of this room; what was stored before is still there."""


class WarehouseBusy(WarehouseError):
    """Somebody else holds the warehouse: wait, or close it there."""


class WarehouseUnreadable(WarehouseError):
    """The file is damaged or no DuckDB database: rebuild it. It is never overwritten."""


class WarehouseUnwritable(WarehouseError):
    """The disk is full, or may not be written: make room, then run again."""


class WarehouseOutOfMemory(WarehouseError):
    """DuckDB may take less memory than it needs: let it take more, then run again."""


class TableNotFound(WarehouseError):
    """The table, or the whole warehouse, does not exist yet: collect or derive first."""


class SchemaMismatch(WarehouseError):
    """A stored table's columns cannot be brought to the contract by adding some: rebuild."""


class FrameMismatch(WarehouseError):
    """A frame does not fit its table's contract: a fault of the code that made it."""


class SliceLoadFailed(WarehouseError):
    """One organization's slice is not what its load promises; the whole batch is undone.

    Args:
        organization: The slug; a batch may be stored again without it.
        fault: What is wrong, with numbers.
    """

    def __init__(self, organization: str, fault: str) -> None:
        self.organization = organization
        self.fault = fault
        super().__init__(
            f"{organization}: {fault}. Nothing of this batch was stored, the rows stored before"
            " are still there; collect the organization again"
        )

    def __reduce__(self) -> tuple[type[SliceLoadFailed], tuple[str, str]]:
        """Survive the way through another process, as a two-argument exception would not."""
        return type(self), (self.organization, self.fault)


class StaleMarts(WarehouseError):
    """The raw tables moved on after the marts were derived: derive again, then publish."""


class SnapshotFailed(WarehouseError):
    """The snapshot cannot stand where it should, or the copy differs from its source."""
