"""Publishes immutable versions in the folder `<path>.d`, behind the symlink `path`.

A published version is never changed: readers open a path several times, so only the symlink moves.
"""

from __future__ import annotations

import errno
import grp
import logging
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from booking_assets.files import sync
from booking_assets.warehouse.errors import GroupUnusable

PARTIAL = ".partial"
FOLDER_MODE = 0o750
"""The group can read, nobody else."""
FILE_MODE = 0o440
_NO_SYMLINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})

_log = logging.getLogger(__name__)


def give_to_group(path: Path, group: str | None) -> None:
    """Give a file or a folder, with all that is in it, to a group; None changes nothing.

    Raises:
        GroupUnusable: There is no such group, or this user may not give the files to it.
    """
    if group is None:
        return
    try:
        number = grp.getgrnam(group).gr_gid
        for one in (path, *(() if path.is_symlink() else path.rglob("*"))):
            os.chown(one, -1, number, follow_symlinks=False)
    except (KeyError, PermissionError) as error:
        fault, remedy = (
            ("does not exist on this machine", "create it, or correct the name")
            if isinstance(error, KeyError)
            else (
                f"cannot be given {path}: this user is not a member of it, or not the owner",
                "add the user to the group and start a new session, or name another group",
            )
        )
        raise GroupUnusable(
            f"Nothing was written, and what was published before stays, since the group {group!r}"
            f" of [publish] in booking.toml {fault}. To publish, {remedy}"
        ) from error


def versions_folder(path: Path) -> Path:
    """The folder of a path's versions, which is created where it is missing."""
    folder = path.with_name(f"{path.name}.d")
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(FOLDER_MODE)
    return folder


def publish_version(
    path: Path,
    write: Callable[[Path], bool],
    *,
    keep: int,
    file: str = "",
    group: str | None = None,
) -> Path:
    """Publish a version at `path`, and remove all but the newest `keep` versions.

    The caller holds a lock that excludes others, and has checked that `path` is free.

    Args:
        path: The path that people open: a symlink to the version, or to its `file`.
        write: Writes the version into the folder that it is given, flushed to the disk; false where
            there is nothing new, and the last version stays.
        keep: The number of versions to keep, this one included.
        file: The file in the version that `path` points at; the version itself by default.
        group: The group of all versions, their folder and the symlink; unchanged by default.

    Returns:
        The folder of the newest version.

    Raises:
        GroupUnusable: As `give_to_group`; nothing is published.
    """
    folder = versions_folder(path)
    _remove_partial(folder)
    give_to_group(folder, group)
    # The number orders the versions, the time is for people.
    numbers = (version.name.partition("-")[0] for version in folder.iterdir())
    newest = max((int(number) for number in numbers if number.isdecimal()), default=0)
    name = f"{newest + 1:06d}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    partial = folder / f"{name}{PARTIAL}"
    try:
        partial.mkdir()
        partial.chmod(FOLDER_MODE)
        version = folder / name
        if write(partial):
            give_to_group(partial, group)
            sync(partial)
            partial.rename(version)
        else:
            version = path.resolve()
    finally:
        _remove_partial(folder)
    if version.parent == folder and version.name == name:
        sync(folder)
        point(path, version / file if file else version, group=group)
    _prune(folder, version, keep)
    return version


def point(
    path: Path,
    version: Path,
    link: Callable[[str, Path], None] = os.symlink,
    group: str | None = None,
) -> None:
    """Point the symlink `path` at `version`, atomically.

    Args:
        path: The path that people open.
        version: A file or folder in the folder beside it.
        link: Creates a symlink; where the file system has none, the version is copied instead.
        group: The group of the symlink or the copy.
    """
    fresh = path.with_name(f".{path.name}.new")
    _remove(fresh)
    try:
        link(str(version.relative_to(path.parent)), fresh)
    except OSError as error:
        if error.errno not in _NO_SYMLINKS:
            raise
        _log.warning(
            "No symlinks can be made in %s (%s): %s is a copy, and opening it while it is published"
            " may fail once",
            path.parent,
            error.strerror,
            path,
        )
        if version.is_dir():
            shutil.copytree(version, fresh)
        else:
            shutil.copy(version, fresh)
        sync(fresh)
    give_to_group(fresh, group)
    if any(one.is_dir() and not one.is_symlink() for one in (path, fresh)):
        # No rename replaces a folder, or puts one in place of a symlink.
        _remove(path)
    fresh.replace(path)
    sync(path.parent)


def _remove_partial(folder: Path) -> None:
    """Remove unfinished versions of failed and killed runs; the lock is exclusive."""
    for leftover in folder.glob(f"*{PARTIAL}*"):
        _remove(leftover)


def _prune(folder: Path, current: Path, keep: int) -> None:
    """Remove all but the newest versions; a version that a reader has open stays readable."""
    numbered = [p for p in folder.iterdir() if p.name.partition("-")[0].isdecimal()]
    # The oldest first; files are versions of earlier releases.
    versions = [*sorted(folder.glob("*.duckdb")), *sorted(p for p in numbered if p.is_dir())]
    older = [version for version in versions if version != current]
    for version in older[: max(len(older) - (keep - 1), 0)]:
        _remove(version)


def _remove(version: Path) -> None:
    if version.is_dir() and not version.is_symlink():
        shutil.rmtree(version, ignore_errors=True)
    else:
        version.unlink(missing_ok=True)
