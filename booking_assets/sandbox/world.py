"""The world that the sandbox serves: tenants and their rows, moving with a clock or at rest.

What lives here: `World`, made from a seed (`generated_world`) or from files (`given_world`).
What must not: HTTP (`application`), where rows come from (`generated`, `given`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from uuid import UUID

from booking_assets.sandbox import wire
from booking_assets.sandbox.generated import GeneratedEvents, GeneratedRegistrations
from booking_assets.sandbox.given import given_events, given_registrations
from booking_assets.sandbox.resources import EVENTS, REGISTRATIONS, Resource
from booking_assets.sandbox.rows import Rows
from booking_assets.sandbox.tenants import Tenant, generated_tenants, tenants_of

Clock = Callable[[], datetime]


class Source(Protocol):
    """The rows of one organization and resource."""

    def at(self, now: int) -> Rows:
        """The rows that exist at `now` (ticks)."""


class World:
    """Tenants, their rows, and the clock that both follow.

    Rows move when they are asked for, so one thread asks: the server's.

    Args:
        sources: The rows of each tenant, by resource; the server has no other resources.
        clock: What time it is.
        without_registrations: Slugs of tenants whose tokens may not read registrations.

    Raises:
        ValueError: A slug is not that of a tenant.
    """

    def __init__(
        self,
        sources: Mapping[Resource, Mapping[Tenant, Source]],
        clock: Clock,
        without_registrations: Collection[str] = (),
    ) -> None:
        self._sources = sources
        self._clock = clock
        self._latest = 0
        self._without_registrations = frozenset(without_registrations)
        self._by_identifier = {tenant.identifier: tenant for tenant in self.tenants}
        self._by_secret = {tenant.secret: tenant for tenant in self.tenants}
        unknown = self._without_registrations - {tenant.slug for tenant in self.tenants}
        if unknown:
            raise ValueError(f"without_registrations: no tenant is called {sorted(unknown)}")

    @property
    def tenants(self) -> tuple[Tenant, ...]:
        """Every tenant, in order."""
        return tuple(self._sources[EVENTS])

    @property
    def resources(self) -> tuple[Resource, ...]:
        """What the server has below `/booking`."""
        return tuple(self._sources)

    def now(self) -> datetime:
        """What the world's clock says."""
        return self._clock()

    def tenant_of(self, organization: UUID) -> Tenant | None:
        """The tenant of that organization."""
        return self._by_identifier.get(organization)

    def tenant_with(self, secret: str) -> Tenant | None:
        """The tenant whose client secret this is."""
        return self._by_secret.get(secret)

    def may_read(self, tenant: Tenant, resource: Resource) -> bool:
        """Whether the tenant's tokens are permitted to read the resource."""
        return resource is not REGISTRATIONS or tenant.slug not in self._without_registrations

    def rows(self, tenant: Tenant, resource: Resource = EVENTS) -> Rows:
        """The tenant's rows at this moment; a clock that goes back is taken to stand still."""
        self._latest = max(self._latest, wire.ticks_of(self.now()))
        return self._sources[resource][tenant].at(self._latest)


def wall_clock() -> datetime:
    """The time of day."""
    return datetime.now(UTC)


def frozen(clock: Clock) -> Clock:
    """A clock that stands still at what `clock` says now."""
    moment = clock()
    return lambda: moment


def generated_world(
    organizations: int,
    events: int,
    seed: int,
    *,
    clock: Clock = wall_clock,
    still: bool = False,
    registrations: bool = True,
    without_registrations: Collection[str] = (),
) -> World:
    """Made-up tenants with `events` slots each, moving with the clock unless `still`.

    A slot holds at most one event at a time, so a tenant has up to `events` events, and six to
    seven registrations an event. The same seed and time give the same rows in every process.
    Registrations cost nothing until a tenant's are asked for.

    Args:
        organizations: How many tenants.
        events: How many slots each has.
        seed: What all chances follow from.
        clock: What time it is.
        still: Whether nothing moves.
        registrations: Whether the server has registrations at all; otherwise 404.
        without_registrations: Slugs of tenants whose tokens may not read registrations: 403.

    Raises:
        ValueError: A slug is not that of a tenant.
    """
    clock = frozen(clock) if still else clock
    now = wire.ticks_of(clock())
    held = {
        tenant: GeneratedEvents(tenant.identifier, events, seed, now)
        for tenant in generated_tenants(organizations, seed)
    }
    sources: dict[Resource, Mapping[Tenant, Source]] = {EVENTS: held}
    if registrations:
        sources[REGISTRATIONS] = {
            tenant: GeneratedRegistrations(its_events) for tenant, its_events in held.items()
        }
    return World(sources, clock, without_registrations)


def given_world(
    path: Path,
    *,
    clock: Clock = wall_clock,
    registrations: Path | None = None,
    without_registrations: Collection[str] = (),
) -> World:
    """The events of a file, served as they stand there, and never moving.

    Args:
        path: Newline-delimited JSON events, gzip or not. Nulls are left out, as the API leaves
            them out; order and text of the other members stay.
        clock: Tokens expire by it.
        registrations: CSV or parquet with the columns `event_identifier`, `seats_taken` and
            `waitlisted`: makes that many registrations for each event. Those of an event that
            `path` does not hold belong to the first tenant. Without it the server has no
            registrations: 404, since nobody knows how many seats are taken.
        without_registrations: Slugs of tenants whose tokens may not read registrations: 403.

    Raises:
        ValueError: A line is no JSON object, has no usable `EventIdentifier` or
            `OrganizationIdentifier`, or repeats an event; a row of `registrations` is unusable; a
            slug is not that of a tenant. The message names the file and the line.
    """
    events = given_events(path)
    tenants = tenants_of(events)
    sources: dict[Resource, Mapping[Tenant, Source]] = {
        EVENTS: {tenant: events[tenant.identifier] for tenant in tenants}
    }
    if registrations is not None:
        enrolled = given_registrations(
            registrations,
            {tenant.identifier: events[tenant.identifier].at(0) for tenant in tenants},
        )
        sources[REGISTRATIONS] = {tenant: enrolled[tenant.identifier] for tenant in tenants}
    return World(sources, clock, without_registrations)
