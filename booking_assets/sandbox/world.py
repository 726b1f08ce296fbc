"""The data of the sandbox: generated from a seed, or given in files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from booking_assets.sandbox import tokens, wire
from booking_assets.sandbox.generated import GeneratedOrganization
from booking_assets.sandbox.given import given_events, given_registrations
from booking_assets.sandbox.names import named_rows
from booking_assets.sandbox.resources import EVENTS, REGISTRATIONS, RESOURCES, Resource
from booking_assets.sandbox.rows import Rows
from booking_assets.sandbox.tenants import Tenant, generated_tenants, tenants_of

Clock = Callable[[], datetime]
wall_clock: Clock = partial(datetime.now, UTC)

ORPHANED_TENANT = 4
"""The generated tenant, from 1, some of whose registrations are of deleted events.

The default sandbox has fewer tenants: all of its checks pass.
"""

Source = Callable[[int], Rows]
"""From an instant (ticks) to the rows of one organization and resource that exist then."""


class World:
    """Tenants, their rows by resource, and the clock that both follow.

    Rows change when they are requested, so only one thread may request them: the server's.
    """

    def __init__(self, sources: Mapping[Resource, Mapping[Tenant, Source]], clock: Clock) -> None:
        self.sources = sources
        self.now = clock
        self.resources = tuple(sources)
        self.tenants = tuple(sources[EVENTS])
        self._latest = 0
        self._by_identifier = {tenant.identifier: tenant for tenant in self.tenants}
        self.tenant_of_secret = {tenant.secret: tenant for tenant in self.tenants}

    def tenant_of_token(self, token: str) -> Tenant:
        """The tenant that a bearer token is bound to; raises RefusedTokenError for any other."""
        organization = tokens.organization_of(token, int(self.now().timestamp()))
        if organization not in self._by_identifier:
            raise tokens.RefusedTokenError("The token's organization is unknown.")
        return self._by_identifier[organization]

    def rows(self, tenant: Tenant, resource: Resource = EVENTS) -> Rows:
        """The tenant's rows at this moment; a clock that goes back is taken to stand still."""
        self._latest = max(self._latest, wire.ticks_of(self.now()))
        return self.sources[resource][tenant](self._latest)


def generated_world(
    organizations: int, events: int, seed: int, *, clock: Clock = wall_clock, still: bool = False
) -> World:
    """Made-up tenants with up to `events` events each, moving with the clock unless `still`.

    The same seed and time give the same rows in every process. Registrations, six to seven an
    event, cost nothing until a tenant's are requested.
    """
    moment = clock()
    now = wire.ticks_of(moment)
    sources: dict[Resource, dict[Tenant, Source]] = {resource: {} for resource in RESOURCES}
    for number, tenant in enumerate(generated_tenants(organizations, seed), start=1):
        own = GeneratedOrganization(
            tenant.identifier, events, seed, now, leaves_orphans=number == ORPHANED_TENANT
        )
        sources[EVENTS][tenant], sources[REGISTRATIONS][tenant] = own.events, own.registrations
        for resource, rows in named_rows(tenant.identifier, events).items():
            sources[resource][tenant] = _at_any_time(rows)
    return World(sources, (lambda: moment) if still else clock)


def given_world(
    path: Path, *, clock: Clock = wall_clock, registrations: Path | None = None
) -> World:
    """The events of a file, unchanged but for nulls, at any time.

    Without a file of registrations, which says how many seats are taken, the server has none: 404.
    It has no groups and achievements.

    Raises:
        ValueError: A line or a row is unusable; the message names the file and the line.
    """
    rows = {EVENTS: given_events(path)}
    if registrations is not None:
        rows[REGISTRATIONS] = given_registrations(registrations, rows[EVENTS])
    tenants = tenants_of(rows[EVENTS])
    sources = {
        resource: {tenant: _at_any_time(own[tenant.identifier]) for tenant in tenants}
        for resource, own in rows.items()
    }
    return World(sources, clock)


def _at_any_time(rows: Rows) -> Source:
    return lambda _: rows
