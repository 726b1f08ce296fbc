"""The sandbox where nothing is configured: its organizations as settings, its server for a run.

What the sandbox serves is in `sandbox`; the settings themselves are read by `settings`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial

from booking_assets.api.authentication import Token
from booking_assets.api.retry import RetryPolicy
from booking_assets.pipeline.collector import Collector
from booking_assets.pipeline.connections import Connect, configured_credential, open_api
from booking_assets.pipeline.progress import Progress
from booking_assets.sandbox.tenants import generated_tenants
from booking_assets.settings import Organization, Settings, load_settings
from booking_assets.warehouse.warehouse import Warehouse

SANDBOX_ORGANIZATIONS = 3
SANDBOX_EVENTS = 400
SANDBOX_SEED = 7


def effective_settings() -> Settings:
    """The configured settings; where nothing is configured, those of the sandbox.

    Raises:
        SettingsError: with every fault of the configuration.
    """
    settings = load_settings()
    if settings.api is not None:
        return settings
    organizations = tuple(
        Organization(slug=tenant.slug, identifier=tenant.identifier, token_env="SANDBOX")  # noqa: S106 - a name that is never read
        for tenant in generated_tenants(SANDBOX_ORGANIZATIONS, SANDBOX_SEED)
    )
    return settings.model_copy(update={"organizations": organizations})


@contextmanager
def open_configured_api(
    settings: Settings,
    retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen: sharing the default is harmless
    timeout_seconds: float | None = None,
) -> Iterator[Connect]:
    """The API of the settings; without one, the sandbox, which is stopped in the end."""
    seconds = timeout_seconds or settings.limits.timeout_seconds
    if settings.api is not None:
        base_url = settings.api.base_url
        credential = partial(configured_credential, folder=settings.credentials_folder)
        with open_api(base_url, seconds, credential, retry) as connect:
            yield connect
        return
    # With their web server, 50 ms and 4 MiB that nobody with a booking.toml needs.
    from booking_assets.sandbox.server import SandboxServer  # noqa: PLC0415
    from booking_assets.sandbox.world import generated_world  # noqa: PLC0415

    world = generated_world(SANDBOX_ORGANIZATIONS, SANDBOX_EVENTS, SANDBOX_SEED)
    tokens = {tenant.slug: Token(tenant.token) for tenant in world.tenants}
    with (
        SandboxServer(world) as server,
        open_api(server.base_url, seconds, lambda tenant: tokens[tenant.slug], retry) as connect,
    ):
        yield connect


@contextmanager
def open_collector(
    settings: Settings, warehouse: Warehouse, progress: Progress
) -> Iterator[Collector]:
    """Open the API of the settings, as `open_configured_api`, for collecting into a warehouse."""
    with open_configured_api(settings, RetryPolicy(on_wait=progress.waiting)) as connect:
        yield Collector(
            connect=connect,
            warehouse=warehouse,
            settings=settings,
            progress=progress,
            clock=lambda: datetime.now(UTC),
        )
