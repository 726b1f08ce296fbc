"""Opens what a run works with: API clients with their credentials, and the warehouse.

The sandbox that stands in for a missing configuration is started by `defs.sandbox`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from booking_assets.api.authentication import ClientSecret, Token
from booking_assets.api.client import BookingClient, open_http
from booking_assets.api.errors import BookingError, MissingCredential, Unauthorized
from booking_assets.api.retry import RetryPolicy, silence_stamina
from booking_assets.api.wire import Resource
from booking_assets.settings import Organization, Settings
from booking_assets.warehouse.warehouse import Warehouse

Connect = Callable[[Organization, Resource], BookingClient]
"""Gives an organization's client for a resource."""
Credentials = Callable[[Organization], Token | ClientSecret]


def environment_credential(
    organization: Organization, environment: Mapping[str, str] | None = None
) -> Token | ClientSecret:
    """The organization's own credential, from the variable that its settings name.

    Raises:
        MissingCredential: the variable is unset or blank.
    """
    variables = os.environ if environment is None else environment
    value = variables.get(organization.credential_variable, "").strip()
    if not value:
        raise MissingCredential(organization.slug, organization.credential_variable)
    return Token(value) if organization.token_env else ClientSecret(value)


def remedy_of(error: BookingError, organization: Organization) -> str:
    """The error's remedy; of a rejected credential, with the variable that it came from."""
    if isinstance(error, Unauthorized):
        return f"{error.remedy} It is read from {organization.credential_variable}."
    return error.remedy


@contextmanager
def open_api(
    base_url: str,
    timeout_seconds: float,
    credential: Credentials = environment_credential,
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
