"""A sandbox server with any faults, those of the package and those of the tests, and a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Self

from booking_assets.sandbox import tokens
from booking_assets.sandbox.faults import registry
from booking_assets.sandbox.faults.data import stranger_to
from booking_assets.sandbox.faults.registry import Faults
from booking_assets.sandbox.resources import Resource
from booking_assets.sandbox.rows import Rows
from booking_assets.sandbox.server import SandboxServer
from booking_assets.sandbox.tenants import Tenant
from booking_assets.sandbox.world import Source, World
from booking_assets_tests.faults import availability, data
from booking_assets_tests.faults.request_log import RequestLog

# The outermost first: what breaks a response stands before what makes it.
_ORDER = (
    *("downtime", "latency", "never_lifts", "throttle", "throttle_date", "throttle_403", "quota"),
    *("reset_rate", "truncate_rate", "truncate_silently_rate", "html_rate", "error_rate", "slow"),
    *("unauthorized", "forbidden", "not_found", "redirect", "echo_token", "expiring_tokens"),
    *("cap_page_size", "cap_page_size_silently", "count_off", "header_off", "no_header"),
    *("repeat_rows", "skip_rows", "unsorted", "bad_rows", "era", "unknown_members", "date_times"),
    *("insert_between", "insert_every", "delete_between", "change_between", "rebuild"),
    *("foreign_row", "foreign_token"),
)
_ALL = registry.SWITCHES | registry.switches_in(availability, data)
SWITCHES = {name: _ALL[name] for name in _ORDER}
"""Every switch of the package and of the tests, in the order in which they stand."""


def parse_faults(texts: Iterable[str], seed: int = 0) -> Faults:
    """Reads switches as the command line does, those of the tests too."""
    return registry.parse_faults(texts, seed, SWITCHES)


class FaultySandbox(SandboxServer):
    """The sandbox with faults, and a log of every request so far."""

    def __init__(
        self,
        world: World,
        *faults: str,
        seed: int = 0,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self.log = RequestLog()
        parsed = parse_faults(faults, seed)
        chosen = (self.log.fault, *parsed.chosen)
        super().__init__(world, faults=replace(parsed, chosen=chosen, seconds=seconds))
        self._is_later = "era=C" in faults

    def __enter__(self) -> Self:
        super().__enter__()
        if self._is_later:
            self.base_url += data.LATER_PREFIX
        return self


def with_stranger(world: World, tenant: Tenant) -> tuple[World, tuple[Tenant, ...]]:
    """The world with a strange, empty organization, and its former tenants, as they are configured.

    The tenant's credentials in the configuration are the stranger's: a mistake of its owner that
    only the token's claim tells.
    """
    identifier = stranger_to(tenant)
    stranger = Tenant(
        slug=f"{tenant.slug}-stranger",
        identifier=identifier,
        token=tokens.token_of(identifier, "stranger", opaque=False),
        secret=tokens.secret_of(identifier),
    )
    sources: dict[Resource, dict[Tenant, Source]] = {
        resource: {**own, stranger: partial(_empty, resource)}
        for resource, own in world.sources.items()
    }
    mistaken = replace(tenant, token=stranger.token, secret=stranger.secret)
    configured = tuple(mistaken if one == tenant else one for one in world.tenants)
    return World(sources, world.now), configured


def _empty(resource: Resource, now: int) -> Rows:
    return Rows(resource, ())
