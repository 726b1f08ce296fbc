"""Writing a download to disk: atomic replacement of the target, and a check for a whole JSON array.

The request is sent by `client`.
"""

from __future__ import annotations

import os
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from booking_assets.api.errors import MalformedBody

_EDGE_BYTES = 64


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Opens a temporary file that replaces `path`, synced, when the block succeeds.

    When the block fails, the temporary file is removed and `path` stays as it was.
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
    """Checks that a file starts with `[` and ends with `]`, without reading all of it.

    Raises:
        MalformedBody: A bracket is missing.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(_EDGE_BYTES).removeprefix(BOM_UTF8).lstrip()
    file.seek(max(0, size - _EDGE_BYTES))
    tail = file.read(_EDGE_BYTES).rstrip()
    if not (head.startswith(b"[") and tail.endswith(b"]")):
        raise MalformedBody("the file is not a JSON array, or it is truncated")
