"""A file that is there whole or not at all.

What lives here: the new file beside the target, its way to disk, and a look at its two ends.
What must not: HTTP (`transport`).
Read more: `docs/reliability.md`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from booking_assets.api.errors import MalformedBody

_END_BYTES = 64


@contextmanager
def replaced_whole(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path`, synced, when the block succeeds.

    When the block fails, the new file is removed and what was at `path` stays.
    """
    part = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        with part.open("xb+") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def require_json_array(file: BinaryIO) -> None:
    """Looks at both ends of a file for the brackets of an array, without reading all of it.

    Raises:
        MalformedBody: When one of them is missing.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(_END_BYTES).lstrip()
    file.seek(max(0, size - _END_BYTES))
    tail = file.read(_END_BYTES).rstrip()
    if not (head.startswith(b"[") and tail.endswith(b"]")):
        raise MalformedBody("the file is no JSON array, or not all of it")
