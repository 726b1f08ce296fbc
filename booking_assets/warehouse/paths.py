"""The files that belong to a DuckDB file, by its path."""

from __future__ import annotations

from pathlib import Path


def log_of(path: Path) -> Path:
    """DuckDB's write-ahead log of a file."""
    return path.with_name(f"{path.name}.wal")


def lock_path(path: Path) -> Path:
    """The lock file of a warehouse; it stays after the lock is released."""
    return path.with_name(f"{path.name}.lock")


def remove_database(path: Path) -> None:
    """Remove a database with its log and its lock file, where they exist."""
    for file in (path, log_of(path), lock_path(path)):
        file.unlink(missing_ok=True)
