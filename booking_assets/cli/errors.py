"""What an error that ends a command means to a person: a sentence and an exit code."""

from __future__ import annotations

import errno
import sqlite3

from booking_assets.pipeline.errors import EXPLAINED
from booking_assets.settings import SettingsError

_PERMISSION, _ROOM = "Let this user write there,", "Make room there,"
_REMEDIES = {
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), f"{_PERMISSION} then run it again."),
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), f"{_ROOM} then run it again."),
}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
INCOMPLETE, UNUSABLE = 1, 2
"""The exit codes: of a command that did not do all, and of settings with which none can work."""


def explanation(error: Exception) -> tuple[str, int] | None:
    """The sentence and the exit code; None for a defect, whose traceback is worth more."""
    if isinstance(error, EXPLAINED):
        return str(error), UNUSABLE if isinstance(error, SettingsError) else INCOMPLETE
    if isinstance(error, OSError) and error.filename:
        remedy = _REMEDIES.get(error.errno or 0, "See to it, then run it again.")
        return f"{error.filename}: {error.strerror}. {remedy}", INCOMPLETE
    # Dagster's storage raises an error of SQLAlchemy's, whose cause is SQLite's.
    cause = error.__cause__ or error
    if isinstance(cause, sqlite3.DatabaseError) and cause.sqlite_errorcode in _DAMAGED:
        return (
            f"Dagster's state is damaged ({cause}): move .dagster away, with which its list of runs"
            " begins anew; then run it again. Stored rows are not there.",
            INCOMPLETE,
        )
    if isinstance(cause, sqlite3.OperationalError):
        return (
            f"Dagster's state cannot be written ({cause}): make room in .dagster, or let this user"
            " write it; then run it again.",
            INCOMPLETE,
        )
    return None
