"""Opens what a run works with: API clients with their credentials, and the warehouse.

The sandbox that stands in for a missing configuration is started by `defs.sandbox`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG

from booking_assets.api.authentication import ClientSecret, Token
from booking_assets.api.client import BookingClient, open_http
from booking_assets.api.errors import (
    BookingError,
    MissingCredential,
    Unauthorized,
    UnreadableCredential,
)
from booking_assets.api.retry import RetryPolicy, silence_stamina
from booking_assets.api.wire import Resource
from booking_assets.settings import Organization, Settings
from booking_assets.warehouse.warehouse import Warehouse

Connect = Callable[[Organization, Resource], BookingClient]
"""Gives an organization's client for a resource."""
Credentials = Callable[[Organization], Token | ClientSecret]
MAX_CREDENTIAL_BYTES = 64 * 1024
"""The size of a credential's file at most: servers refuse headers that are much smaller."""


def configured_credential(
    organization: Organization,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Token | ClientSecret:
    """The organization's own credential, by the name in its settings.

    It is the file of that name in the folder of credentials, else the environment variable. A file
    is read anew for each client: a process that lives long uses a credential that was replaced.

    Raises:
        MissingCredential: there is no such file, and the variable is unset or blank.
        UnreadableCredential: the folder is not there, or the file cannot be read, is empty or no
            UTF-8 text.
    """
    variables = os.environ if environment is None else environment
    name = organization.credential_variable
    value = _read_credential(organization, folder / name) if folder else None
    value = value or variables.get(name, "").strip()
    if not value:
        raise MissingCredential(organization.slug, name, str(folder) if folder else None)
    return Token(value) if organization.token_env else ClientSecret(value)


def _read_credential(organization: Organization, path: Path) -> str | None:
    """The text of a file, without the white space around it; None where there is no file."""

    def fault(what: str) -> UnreadableCredential:
        return UnreadableCredential(organization.slug, f"{path} {what}")

    try:
        # A named pipe would wait for somebody who writes.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not S_ISREG(os.fstat(descriptor).st_mode):
                raise fault("is no regular file")
            content = file.read(MAX_CREDENTIAL_BYTES + 1)
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise fault("cannot be read: its folder is not there") from None
        if path.is_symlink():
            raise fault("is a link to a file that is not there") from None
        return None
    except OSError as error:
        raise fault(f"cannot be read: {error.strerror}") from None
    if len(content) > MAX_CREDENTIAL_BYTES:
        raise fault(f"is larger than {MAX_CREDENTIAL_BYTES // 1024} KiB")
    try:
        value = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise fault("is not UTF-8 text") from None
    if not value:
        raise fault("is empty")
    return value


def remedy_of(error: BookingError, organization: Organization) -> str:
    """The error's remedy; of a rejected credential, with the variable that it came from."""
    if isinstance(error, Unauthorized):
        return f"{error.remedy} It is read from {organization.credential_variable}."
    return error.remedy


@contextmanager
def open_api(
    base_url: str,
    timeout_seconds: float,
    credential: Credentials = configured_credential,
    retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen: sharing the default is harmless
) -> Iterator[Connect]:
    """One connection pool for all organizations, and a client for each with its own credential.

    Args:
        base_url: all that precedes `/booking`.
        timeout_seconds: bound on one request.
        credential: gives an organization's credential when its client is made.
        retry: how long clients retry.
    """
    silence_stamina()
    with open_http(timeout_seconds) as http:

        def connect(organization: Organization, resource: Resource) -> BookingClient:
            return BookingClient(
                base_url=base_url,
                organization=organization.slug,
                identifier=organization.identifier,
                credential=credential(organization),
                http=http,
                resource=resource,
                retry=retry,
            )

        yield connect


def open_warehouse(settings: Settings) -> Warehouse:
    """The warehouse of the settings; no file is opened yet."""
    return Warehouse(
        path=settings.warehouse_path,
        snapshot=settings.snapshot_path,
        memory_limit=settings.warehouse.memory_limit,
        threads=settings.warehouse.threads,
        busy_timeout_seconds=settings.warehouse.busy_timeout_seconds,
        readers_group=settings.publish.group,
    )
