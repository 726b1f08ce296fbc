"""The text of the `booking.toml` and `.env` with which the project works against a sandbox.

The command line writes them, `settings` reads them.
"""

from __future__ import annotations

from collections.abc import Iterable

from booking_assets.sandbox.tenants import Tenant

WRITTEN_BY_SANDBOX = "# Written by `booking-assets sandbox`: works while that sandbox runs.\n"
"""The first line of both files: who may overwrite them."""


def booking_toml(base_url: str, tenants: Iterable[Tenant]) -> str:
    """The settings: where the sandbox is, and its organizations. Holds no secrets."""
    tables = [f'{WRITTEN_BY_SANDBOX}[api]\nbase_url = "{base_url}"\n']
    tables += [
        "[[organizations]]\n"
        f'slug = "{tenant.slug}"\n'
        f'identifier = "{tenant.identifier}"\n'
        f'token_env = "{token_variable(tenant.slug)}"\n'
        for tenant in tenants
    ]
    return "\n".join(tables)


def dotenv(tenants: Iterable[Tenant]) -> str:
    """The environment: a token for each organization."""
    lines = (f"{token_variable(tenant.slug)}={tenant.token}\n" for tenant in tenants)
    return WRITTEN_BY_SANDBOX + "".join(lines)


def token_variable(slug: str) -> str:
    """The environment variable that holds an organization's token."""
    return f"BOOKING_TOKEN_{slug.upper().replace('-', '_')}"
