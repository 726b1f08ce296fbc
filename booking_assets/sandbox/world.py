"""The world that the sandbox serves: tenants and their events, moving with a clock or at rest.

What lives here: `World`, made from a seed (`generated_world`) or from a file (`given_world`).
What must not: HTTP (`application`), what events look like (`story`).
"""

from __future__ import annotations

import gzip
import heapq
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from uuid import UUID

import msgspec

from booking_assets.sandbox import story, wire
from booking_assets.sandbox.campus import campus_of
from booking_assets.sandbox.rows import Row, Rows
from booking_assets.sandbox.tenants import Tenant, generated_tenants, tenants_of
from booking_assets.sandbox.timeline import rhythm_of, standing_at

Clock = Callable[[], datetime]

_GZIP_MAGIC = b"\x1f\x8b"


class Events(Protocol):
    """The events of one organization."""

    def at(self, now: int) -> Rows:
        """The events that exist at `now` (ticks)."""


class World:
    """Tenants, their events, and the clock that both follow.

    Rows move when they are asked for, so one thread asks: the server's.
    """

    def __init__(self, tenants: dict[Tenant, Events], clock: Clock) -> None:
        self._events = tenants
        self._clock = clock
        self._by_identifier = {tenant.identifier: tenant for tenant in tenants}
        self._by_secret = {tenant.secret: tenant for tenant in tenants}

    @property
    def tenants(self) -> tuple[Tenant, ...]:
        """Every tenant, in order."""
        return tuple(self._events)

    def now(self) -> datetime:
        """What the world's clock says."""
        return self._clock()

    def tenant_of(self, organization: UUID) -> Tenant | None:
        """The tenant of that organization."""
        return self._by_identifier.get(organization)

    def tenant_with(self, secret: str) -> Tenant | None:
        """The tenant whose client secret this is."""
        return self._by_secret.get(secret)

    def rows(self, tenant: Tenant) -> Rows:
        """The tenant's events at this moment."""
        return self._events[tenant].at(wire.ticks_of(self.now()))


def wall_clock() -> datetime:
    """The time of day."""
    return datetime.now(UTC)


def frozen(clock: Clock) -> Clock:
    """A clock that stands still at what `clock` says now."""
    moment = clock()
    return lambda: moment


def generated_world(
    organizations: int, events: int, seed: int, *, clock: Clock = wall_clock, still: bool = False
) -> World:
    """Made-up tenants with `events` slots each, moving with the clock unless `still`.

    A slot holds at most one event at a time, so a tenant has up to `events` events. The same seed
    and time give the same events in every process.
    """
    clock = frozen(clock) if still else clock
    now = wire.ticks_of(clock())
    return World(
        {
            tenant: GeneratedEvents(tenant.identifier, events, seed, now)
            for tenant in generated_tenants(organizations, seed)
        },
        clock,
    )


def given_world(path: Path, *, clock: Clock = wall_clock) -> World:
    """The events of a file, served as they stand there, and never moving.

    Args:
        path: Newline-delimited JSON events, gzip or not. Nulls are left out, as the API leaves
            them out; order and text of the other members stay.
        clock: Tokens expire by it.

    Raises:
        ValueError: A line is no JSON object, has no usable `EventIdentifier` or
            `OrganizationIdentifier`, or repeats an event. The message names file and line.
    """
    seen: set[UUID] = set()
    rows: defaultdict[UUID, list[Row]] = defaultdict(list)
    for number, line in enumerate(_lines(path), start=1):
        if line.isspace():
            continue
        try:
            organization, row = _given_row(line)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path}, line {number}: not an event: {error!r}") from error
        if row.identifier in seen:
            raise ValueError(f"{path}, line {number}: {row.identifier} stands in the file twice")
        seen.add(row.identifier)
        rows[organization].append(row)
    return World(
        {tenant: GivenEvents(rows[tenant.identifier]) for tenant in tenants_of(rows)}, clock
    )


class GivenEvents:
    """Events that never change."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = Rows(rows)

    def at(self, now: int) -> Rows:  # noqa: ARG002 - the protocol's; nothing moves here
        """The events, whatever the time."""
        return self._rows


class GeneratedEvents:
    """Events that come, change and go: each slot is told anew when its time has come."""

    def __init__(self, organization: UUID, slots: int, seed: int, now: int) -> None:
        self._campus = campus_of(organization)
        self._seed = seed
        self._rhythms = [rhythm_of(seed, organization, slot) for slot in range(slots)]
        self._held: list[Row | None] = []
        self._due: list[tuple[int, int]] = []
        for slot in range(slots):
            row, until = self._told(slot, now)
            self._held.append(row)
            self._due.append((until, slot))
        heapq.heapify(self._due)
        self._rows = Rows(row for row in self._held if row is not None)

    def at(self, now: int) -> Rows:
        """The events at `now`; a clock that goes back is taken to stand still."""
        while self._due and self._due[0][0] <= now:
            slot = self._due[0][1]
            row, until = self._told(slot, now)
            self._rows.replace(self._held[slot], row)
            self._held[slot] = row
            heapq.heapreplace(self._due, (until, slot))
        return self._rows

    def _told(self, slot: int, now: int) -> tuple[Row | None, int]:
        """What a slot holds at `now`, and until when (ticks)."""
        standing = standing_at(self._rhythms[slot], now)
        if standing.version is None:
            return None, standing.until
        values = story.told(self._campus, self._seed, slot, standing)
        changed = values.get("LastChangeTime")
        row = Row(
            identifier=values["EventIdentifier"],
            order=wire.identifier_order(values["EventIdentifier"]),
            changed=None if changed is None else changed.ticks,
            json=wire.row_json(wire.event_members(values)),
        )
        return row, standing.until


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        packed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    with gzip.open(path) if packed else path.open("rb") as lines:
        yield from lines


def _given_row(line: bytes) -> tuple[UUID, Row]:
    # Values stay as the text that they are, so that a number keeps its digits.
    values = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    kept = {member: value for member, value in values.items() if bytes(value) != b"null"}
    read = msgspec.json.decode(line)
    identifier = UUID(read["EventIdentifier"])
    changed = read.get("LastChangeTime")
    row = Row(
        identifier=identifier,
        order=wire.identifier_order(identifier),
        changed=None if changed is None else wire.instant_of(changed).ticks,
        json=wire.row_json(kept),
    )
    return UUID(read["OrganizationIdentifier"]), row
