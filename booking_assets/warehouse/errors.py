"""The exceptions of the warehouse; after each of them, what was stored before is still there."""

from __future__ import annotations

REBUILD = "booking-assets rebuild"
"""The command that makes a new warehouse from the landing files."""


class WarehouseError(Exception):
    """Base class of this room's exceptions."""


class WarehouseBusy(WarehouseError):
    """Another process has locked the warehouse: wait, or close it there."""


class WarehouseUnreadable(WarehouseError):
    """The file is damaged or no DuckDB database: rebuild it. It is never overwritten."""


class WarehouseUnwritable(WarehouseError):
    """The disk is full or write-protected: make room, then run again."""


class WarehouseOutOfMemory(WarehouseError):
    """DuckDB needs more memory than `memory_limit`: raise it, then run again."""


class TableNotFound(WarehouseError):
    """The table, or the whole warehouse, does not exist yet: collect or derive first."""


class SchemaMismatch(WarehouseError):
    """A stored table's columns cannot be migrated to its contract: rebuild."""


class FrameMismatch(WarehouseError):
    """A frame does not fit its table's contract: a bug in the code that made it."""


class SliceLoadFailed(WarehouseError):
    """One organization's slice failed its verification; the whole batch is rolled back.

    Args:
        organization: The slug; the batch may be stored again without it.
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
        """Pickle both arguments, which an exception's default does not."""
        return type(self), (self.organization, self.fault)


class OrganizationConflict(WarehouseError):
    """Two organizations claim one slug: forget one of them, or choose another slug."""


class StaleMarts(WarehouseError):
    """The raw tables changed after the marts were derived: derive again, then publish."""


class SnapshotFailed(WarehouseError):
    """The snapshot's path is taken, or the copy differs from its source."""


class GroupUnusable(WarehouseError):
    """The group of `[publish]` is unknown, or this user may not give files to it."""


class ExportFailed(WarehouseError):
    """The folder cannot be written, or a table does not fit into the format."""
