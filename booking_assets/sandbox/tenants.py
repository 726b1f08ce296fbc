"""Tenants: organizations of the sandbox, each with a token (see `tokens`) and a secret.

The command line writes a `booking.toml` and an `.env` with which `settings` reads them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID, uuid5

from booking_assets.sandbox import tokens

WRITTEN_BY_SANDBOX = "# Written by `booking-assets sandbox`: works while that sandbox runs.\n"
"""The first line of both files: who may overwrite them."""

_NAMESPACE = UUID("5b0c9d0e-6a52-5c0b-9a3f-0d1f6f0a7c11")
_PLACES = (
    *("harbour", "northern", "river", "prairie", "coastal", "summit", "lakeside", "cedar"),
    *("granite", "island", "meadow", "western", "juniper", "glacier", "valley", "maple"),
    *("eastern", "orchard", "canyon", "birch", "southern", "delta", "aurora", "ridge"),
)
_PURPOSES = (
    *("trades", "health", "college", "safety", "academy", "marine", "institute", "apprentices"),
)
_OPAQUE_EVERY = 3


@dataclass(frozen=True)
class Tenant:
    """An organization: `token` is a bearer token that lasts, `secret` is exchanged for one."""

    slug: str
    identifier: UUID
    token: str = field(repr=False)
    secret: str = field(repr=False)

    @property
    def is_opaque(self) -> bool:
        """Whether a client cannot read the claims of the tenant's tokens."""
        return not tokens.is_readable(self.token)


def generated_tenants(organizations: int, seed: int) -> tuple[Tenant, ...]:
    """That many tenants; the same for a seed in every process, and a prefix of any larger number.

    Every third has an opaque token, the others one with an `org_id` claim.
    """
    identifiers = [uuid5(_NAMESPACE, f"{seed}/{number}") for number in range(organizations)]
    return tuple(_tenant(_slug(number), own, number) for number, own in enumerate(identifiers))


def tenants_of(identifiers: Iterable[UUID]) -> tuple[Tenant, ...]:
    """A tenant for each given organization, in the order of the identifiers.

    The slug has the first 8 characters of the identifier, or more where two have the same.
    """
    tenants: dict[str, Tenant] = {}
    for number, identifier in enumerate(sorted(set(identifiers))):
        slugs = (f"organization-{identifier.hex[:length]}" for length in range(8, 33))
        slug = next(slug for slug in slugs if slug not in tenants)
        tenants[slug] = _tenant(slug, identifier, number)
    return tuple(tenants.values())


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


def _tenant(slug: str, identifier: UUID, number: int) -> Tenant:
    opaque = number % _OPAQUE_EVERY == _OPAQUE_EVERY - 1
    token = tokens.token_of(identifier, slug, opaque=opaque)
    return Tenant(slug, identifier, token, tokens.secret_of(identifier))


def _slug(number: int) -> str:
    round_, place = divmod(number, len(_PLACES))
    # 25 = one more than there are places, and prime to the 8 purposes: no pair comes twice
    # within 192 numbers.
    purpose = _PURPOSES[(number + round_) % len(_PURPOSES)]
    again = number // (len(_PLACES) * len(_PURPOSES))
    return f"{_PLACES[place]}-{purpose}" + (f"-{again + 1}" if again else "")
