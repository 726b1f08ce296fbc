"""`Objects`: the files of an object store, or of a folder in place of one, by obstore.

Credentials and options come from the provider's usual variables, which obstore reads. What it or a
store says is not passed on, since it may quote them: an error has the URL, a known reason and the
remedy. What the files are is decided by `collect.object_landings` and `pipeline.object_snapshots`.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from booking_assets.files import pauses

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ObjectStore

T = TypeVar("T")

OUTAGE_SECONDS = 120.0
"""How long a request is repeated while the store cannot be reached or is overloaded."""
_REQUEST_SECONDS = timedelta(seconds=10)
"""How long obstore itself repeats a request; not where repeating could do it twice."""
_SKEWED = "RequestTimeTooSkewed"
"""S3's code where the time of a signature is more than 15 minutes from its own."""
_PERMANENT = {
    "BadScheme": "its address is http and not https, which the provider's *_ALLOW_HTTP=true allows",
    "169.254.169.254": "the environment has no credentials",
    "NoSuchBucket": "the bucket does not exist",
    _SKEWED: f"this machine's clock is too far from that of the store ({_SKEWED})",
}
_REFUSED = re.compile(r"status code: 4(?!08|29)")
"""The store understood the request, and repeats its answer."""
_REASONS = (
    r"<Code>(\w+)</Code>",
    r"(ConnectionRefused|dns error|TimedOut|StorageFull|PermissionDenied)",
    r"status code: (\d{3})",
)
"""What is shown of an error's text: the first that it has."""
_REMEDY = (
    "See to the store, to the network and to the provider's variables in the environment, such as"
    " AWS_ENDPOINT_URL and AWS_ACCESS_KEY_ID, then run it again"
)

_SKEWED_REMEDY = (
    "Set this machine's clock, and have it synchronized (`timedatectl` tells whether it is), then"
    " run it again"
)


class StorageError(Exception):
    """The object store could not be used; `reason` and `remedy` have no credential."""

    def __init__(self, url: str, reason: str, remedy: str = _REMEDY) -> None:
        self.reason = f"the object store {url} cannot be used: {reason}"
        self.remedy = remedy
        super().__init__(f"{self.reason}. {remedy}")


@dataclass(frozen=True)
class Objects:
    """The objects under a URL; open it with `open_objects`.

    Keys are relative to the URL. Every method repeats a request for `OUTAGE_SECONDS` while the
    store cannot be reached, and raises StorageError where it cannot be used.
    """

    url: str
    store: ObjectStore = field(repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    def read(self, key: str) -> bytes:
        """An object's content; FileNotFoundError where there is none."""
        return self._repeat(lambda obstore: bytes(obstore.get(self.store, key).bytes()))

    def create(self, key: str, content: bytes) -> None:
        """Writes an object that must not exist: of several writers at once, one succeeds.

        Raises:
            FileExistsError: it exists with another content, or did until it was removed just now.
        """
        try:
            self._repeat(
                lambda obstore: obstore.put(
                    self.store, key, content, mode="create", use_multipart=False
                )
            )
        except FileExistsError:
            # An answer may have been lost after the object was written.
            with suppress(FileNotFoundError):
                if self.read(key) == content:
                    return
            raise

    def write(self, key: str, content: bytes | Path) -> None:
        """Writes an object, whole or not at all, over a former one; a large file in parts."""
        self._repeat(lambda obstore: obstore.put(self.store, key, content, max_concurrency=2))

    def download(self, key: str, path: Path) -> None:
        """Writes an object to a new file that its user alone can read.

        Raises:
            FileNotFoundError: there is no such object.
        """

        def stream(obstore: Any) -> None:
            found = obstore.get(self.store, key)
            with open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                file.writelines(found.stream())

        self._repeat(stream)

    def list_folder(self, folder: str) -> list[ObjectMeta]:
        """The objects in a folder and its folders: path, size and last_modified of each."""
        return self._repeat(
            lambda obstore: [*chain.from_iterable(obstore.list(self.store, f"{folder}/"))]
        )

    def delete(self, keys: Collection[str]) -> None:
        """Removes objects; what does not exist is no error."""

        def delete(obstore: Any) -> None:
            if not self._is_folder:
                obstore.delete(self.store, [*keys])
                return
            for key in keys:
                with suppress(FileNotFoundError):
                    obstore.delete(self.store, key)

        if keys:
            self._repeat(delete)

    @property
    def _is_folder(self) -> bool:
        return self.url.startswith("file:")

    def _repeat(self, request: Callable[[Any], T]) -> T:
        import obstore  # noqa: PLC0415 - of the extra `cluster`

        waiting = pauses(OUTAGE_SECONDS, self.clock, self.sleep)
        while True:
            try:
                return request(obstore)
            except FileNotFoundError as error:
                if "NoSuchBucket" not in (text := str(error)):
                    raise FileNotFoundError(f"an object of {self.url} is not there") from None
            except obstore.exceptions.AlreadyExistsError:
                raise FileExistsError(f"an object of {self.url} exists already") from None
            except obstore.exceptions.GenericError as error:
                text = str(error)
                is_lasting = _REFUSED.search(text) or any(phrase in text for phrase in _PERMANENT)
                if not self._is_folder and not is_lasting and next(waiting, False):
                    continue
            except obstore.exceptions.BaseError as error:
                text = str(error)
            remedy = _SKEWED_REMEDY if _SKEWED in text else _REMEDY
            raise StorageError(self.url, _reason(text), remedy) from None


def open_objects(url: str) -> Objects:
    """The objects under `s3://`, `gs://`, `az://` or `file://`; nothing is asked for yet.

    Raises:
        StorageError: obstore is not installed, or the environment has an option that it refuses.
    """
    try:
        import obstore  # noqa: PLC0415 - of the extra `cluster`
        from obstore.store import LocalStore, from_url  # noqa: PLC0415
    except ImportError:
        raise StorageError(
            url, "obstore is not installed", "Run `pip install 'booking-assets[cluster]'`"
        ) from None
    if url.startswith("file://"):
        folder = Path(url.removeprefix("file://"))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Objects(url, LocalStore(folder, automatic_cleanup=True))
    try:
        store = from_url(url, retry_config={"max_retries": 3, "retry_timeout": _REQUEST_SECONDS})
    except (obstore.exceptions.BaseError, ValueError):
        raise StorageError(url, "an option in the environment is not usable") from None
    return Objects(url, store)


def _reason(text: str) -> str:
    """A reason out of an error's text; only words that are known to hold no credential."""
    for phrase, reason in _PERMANENT.items():
        if phrase in text:
            return reason
    for pattern in _REASONS:
        if found := re.search(pattern, text):
            is_refused = re.search(r"status code: 40[13]|PermissionDenied", text)
            return f"it {'refuses this user' if is_refused else 'answers'} ({found[1]})"
    return "it cannot be reached, or did not do what it was asked"
