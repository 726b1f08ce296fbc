"""What the assets work with, as plain objects: the API, the warehouse, the collector.

What lives here: putting the rooms together from settings, opening and closing what needs it.
What must not: Dagster decorators, rules.
Read more: https://docs.dagster.io/guides/build/external-resources
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from booking_assets.api.authentication import ClientSecret, Token
from booking_assets.api.client import BookingClient, open_http
from booking_assets.api.errors import MissingCredential
from booking_assets.api.retry import RetryPolicy, silence_stamina
from booking_assets.api.wire import Resource
from booking_assets.collect.collection import Progress
from booking_assets.defs.configuration import sandbox_world
from booking_assets.pipeline.collector import Collector
from booking_assets.sandbox.server import SandboxServer
from booking_assets.settings import Api, Organization, Settings
from booking_assets.warehouse.warehouse import Warehouse

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


@dataclass(frozen=True)
class BookingApi:
    """The API as the settings describe it; a client for each organization, one connection pool."""

    connect: Callable[[Organization, Resource], BookingClient]


@contextmanager
def booking_api(settings: Settings, retry: RetryPolicy | None = None) -> Iterator[BookingApi]:
    """Opens the API; without a configured one, starts the sandbox and stops it in the end.

    Args:
        settings: where the API is, and how hard it may be asked.
        retry: how long clients go on after failures that may pass; by default their own policy.
    """
    retry = retry or RetryPolicy()
    if settings.api is not None:
        with _opened(settings.api, environment_credential, retry) as api:
            yield api
        return
    world = sandbox_world()
    tokens = {tenant.slug: Token(tenant.token) for tenant in world.tenants}
    with (
        SandboxServer(world) as server,
        _opened(Api(base_url=server.base_url), lambda one: tokens[one.slug], retry) as api,
    ):
        yield api


@contextmanager
def _opened(api: Api, credential: Credentials, retry: RetryPolicy) -> Iterator[BookingApi]:
    silence_stamina()
    with open_http(api.timeout_seconds) as http:

        def connect(organization: Organization, resource: Resource) -> BookingClient:
            return BookingClient(
                base_url=api.base_url,
                organization=organization.slug,
                identifier=organization.identifier,
                credential=credential(organization),
                http=http,
                resource=resource,
                retry=retry,
            )

        yield BookingApi(connect)


def warehouse(settings: Settings) -> Warehouse:
    """The warehouse as the settings describe it; nothing is opened."""
    return Warehouse(
        path=settings.warehouse_path,
        snapshot=settings.snapshot_path,
        memory_limit=settings.warehouse.memory_limit,
        threads=settings.warehouse.threads,
        busy_timeout_seconds=settings.warehouse.busy_timeout_seconds,
    )


def resource_definitions(
    settings: Settings, progress: Progress
) -> dict[str, dg.ResourceDefinition]:
    """The resources by the names under which assets ask for them."""

    @dg.resource(description="Collects organizations from the API and stores what is complete.")
    def collector(_context: dg.InitResourceContext) -> Iterator[Collector]:
        with booking_api(settings) as api:
            yield Collector(
                connect=api.connect,
                warehouse=warehouse(settings),
                settings=settings,
                progress=progress,
                clock=lambda: datetime.now(UTC),
            )

    return {
        "collector": collector,
        "warehouse": dg.ResourceDefinition.hardcoded_resource(
            warehouse(settings), "The DuckDB file, opened for one read or write at a time."
        ),
    }
