"""`[storage]`: where landings and snapshots are for all machines; `objects` opens it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

SCHEMES = ("s3", "gs", "az", "file")


def usable_store(url: str) -> str:
    """The URL of an object store or a folder; a ValueError with the remedy where it is neither."""
    scheme, separator, rest = url.partition("://")
    is_folder = not separator or scheme == "file"
    if (
        re.search(r"[?#@\\\s]", url)
        or (separator and scheme not in SCHEMES)
        or not (url if is_folder else rest.strip("/"))
        or (scheme == "file" and not rest.startswith("/"))
    ):
        raise ValueError(
            "no URL of an object store; give s3://bucket/prefix, gs://bucket/prefix,"
            " az://container/prefix, file:///folder or a folder, without credentials, options or"
            " blanks: those come from the environment"
        )
    return url


class Storage(BaseModel):
    """The object store that the machines of an installation share."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    url: Annotated[str, AfterValidator(usable_store)]
    """`s3://`, `gs://` or `az://` with a bucket and a prefix; `file:///folder`, or a folder."""

    def located(self, root: Path) -> str:
        """The URL; a folder as `file://`, where a relative one starts from `root`."""
        if "://" in self.url:
            return self.url.rstrip("/")
        return f"file://{(root / self.url).absolute()}"
