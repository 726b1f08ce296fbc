"""Tenants: organizations of the sandbox, each with a token (see `tokens`) and a secret."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID, uuid5

from booking_assets.sandbox import tokens

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
