"""The settings that this process works with: `booking.toml`, or the sandbox where there is none.

What lives here: filling in the sandbox's organizations.
What must not: reading files (`settings`), starting anything (`resources`).
Read more: `docs/configuration.md`.
"""

from __future__ import annotations

from booking_assets.sandbox.tenants import generated_tenants
from booking_assets.sandbox.world import World, generated_world
from booking_assets.settings import Organization, Settings, load_settings

SANDBOX_ORGANIZATIONS = 3
SANDBOX_EVENTS = 400
SANDBOX_SEED = 7


def sandbox_world() -> World:
    """What the sandbox serves that runs where nothing is configured."""
    return generated_world(SANDBOX_ORGANIZATIONS, SANDBOX_EVENTS, SANDBOX_SEED)


def effective_settings() -> Settings:
    """The configured settings; where there are none, those of the sandbox.

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
