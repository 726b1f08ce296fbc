"""The published snapshot in an object store, and from there on an analyst's machine.

    snapshot/<version>/booking.duckdb     immutable
    snapshot/latest.json                  the version, its size and SHA-256; written last

How a version is made, and how one replaces another on a disk, is in `warehouse`.
"""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

from booking_assets.files import LockTimeout, locked, pauses, sync
from booking_assets.objects import Objects, StorageError, open_objects
from booking_assets.pipeline.landings import open_storage
from booking_assets.settings import Settings, Storage
from booking_assets.settings_faults import usable_store
from booking_assets.warehouse.publication import FILE_MODE, publish_version, versions_folder
from booking_assets.warehouse.snapshot import FILE, Snapshot, require_free

FOLDER = "snapshot"
LATEST = f"{FOLDER}/latest.json"
LOCK_TIMEOUT_SECONDS = 60.0
_AGAIN = "What was pulled before stays; pull again"


def upload_snapshot(settings: Settings, snapshot: Snapshot, keep: int) -> None:
    """Publish a version in the object store too, and remove all but the newest `keep` there.

    Does nothing without `[storage]`.

    Raises:
        StorageError: the object store cannot be used; what was published there before stays.
    """
    objects = open_storage(settings)
    if objects is None:
        return
    version = snapshot.version.parent.name
    key = f"{FOLDER}/{version}/{FILE}"
    objects.write(key, snapshot.version)
    latest = {"version": version, "size": snapshot.bytes, "sha256": _digest(snapshot.version)}
    objects.write(LATEST, json.dumps(latest).encode())
    stored = [one for one in objects.list_folder(FOLDER) if one["path"] not in (LATEST, key)]
    # By the store's clock: a machine that replaces a lost one counts its versions from 1.
    stored.sort(key=lambda one: (one["last_modified"], one["path"]), reverse=True)
    objects.delete([one["path"] for one in stored[keep - 1 :]])


def open_url(url: str) -> Objects:
    """The object store of a URL such as `[storage]` has; folders start from the working directory.

    Raises:
        StorageError: it is none, or cannot be opened.
    """
    try:
        return open_objects(Storage(url=usable_store(url)).located(Path.cwd()))
    except ValueError as error:
        raise StorageError("that was named", str(error), "Correct it") from None


def pull_snapshot(objects: Objects, path: Path) -> str | None:
    """Bring the newest snapshot to `path`, a symlink that is replaced as publishing does it.

    Returns:
        The name of the version; None where it is there already.

    Raises:
        StorageError: nothing is published, or what arrived is not what was published.
        SnapshotFailed: another file is at `path`.
        OSError: it cannot be written.
    """
    try:
        text = objects.read(LATEST)
        latest = json.loads(text)
        version, size, digest = (latest[name] for name in ("version", "size", "sha256"))
    except FileNotFoundError:
        raise StorageError(
            objects.url, "no snapshot is published there yet", "Publish with [storage] first"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise StorageError(objects.url, f"{LATEST} is damaged", "Publish again") from None

    def write(partial: Path) -> bool:
        file = partial / FILE
        try:
            objects.download(f"{FOLDER}/{Path(version).name}/{FILE}", file)
        except FileNotFoundError:
            raise StorageError(objects.url, f"{version} was replaced meanwhile", _AGAIN) from None
        if (file.stat().st_size, _digest(file)) != (size, digest):
            raise StorageError(objects.url, f"{version} differs from its checksum", _AGAIN)
        file.chmod(FILE_MODE)
        (partial / Path(LATEST).name).write_bytes(text)
        sync(file)
        return True

    folder = versions_folder(path)
    waiting = pauses(LOCK_TIMEOUT_SECONDS, time.monotonic, time.sleep)
    try:
        with locked(folder / ".lock", waiting=waiting):
            require_free(path, folder)
            current = path.resolve()
            pulled = current.with_name(Path(LATEST).name)
            is_published_here = current.parent.name == version
            if is_published_here or (pulled.exists() and pulled.read_bytes() == text):
                return None
            publish_version(path, write, keep=2, file=FILE)
    except LockTimeout as error:
        raise StorageError(objects.url, str(error), _AGAIN) from None
    return str(version)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
