"""What the events of one organization share: venues with their rooms, awards, groups, forms.

What lives here: `Campus` and `Venue`, made from the organization's identifier alone.
What must not: events (`kinds`), the words themselves (`vocabulary`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from uuid import UUID, uuid5

from booking_assets.sandbox import vocabulary
from booking_assets.sandbox.wire import TICKS_A_SECOND, Instant

_VENUES = 9
_ROOMS_A_VENUE = 5
_AWARDS = 14
_GROUPS = 5
_SUMMER = range(4, 11)


@dataclass(frozen=True, slots=True)
class Venue:
    """A place with rooms and a time zone; offsets are minutes in winter and in summer."""

    identifier: UUID
    name: str
    rooms: tuple[str, ...]
    winter: int
    summer: int

    def instant(self, ticks: int) -> Instant:
        """A point in time with the venue's offset of that season."""
        return Instant(ticks, self.offset(ticks))

    def local(self, ticks: int) -> Instant:
        """The instant at which the venue's clocks show `ticks`, counted as if they were UTC."""
        offset = self.offset(ticks)
        return Instant(ticks - offset * 60 * TICKS_A_SECOND, offset)

    def offset(self, ticks: int) -> int:
        """Minutes from UTC, by the month alone."""
        month = datetime.fromtimestamp(ticks // TICKS_A_SECOND, UTC).month
        return self.summer if month in _SUMMER else self.winter


@dataclass(frozen=True, slots=True)
class Campus:
    """What an organization's events refer to."""

    organization: UUID
    venues: tuple[Venue, ...]
    offices: tuple[UUID, ...]
    awards: tuple[UUID, ...]
    groups: tuple[UUID, ...]
    forms: tuple[UUID, ...]


def campus_of(organization: UUID) -> Campus:
    """The campus of an organization: the same in every process."""

    def identifiers(kind: str, count: int) -> tuple[UUID, ...]:
        return tuple(uuid5(organization, f"{kind}/{number}") for number in range(count))

    # Not for secrets: repeatable chance is the point.
    chance = Random(f"campus/{organization}")  # noqa: S311
    home = chance.choice(vocabulary.ZONES)
    venues = []
    for identifier, name in zip(
        identifiers("venue", _VENUES), chance.sample(vocabulary.VENUES, _VENUES), strict=True
    ):
        winter, summer = home if chance.random() < 2 / 3 else chance.choice(vocabulary.ZONES)
        rooms = tuple(chance.sample(vocabulary.ROOMS, _ROOMS_A_VENUE))
        venues.append(Venue(identifier, name, rooms, winter, summer))
    return Campus(
        organization=organization,
        venues=tuple(venues),
        offices=identifiers("office", _GROUPS),
        awards=identifiers("award", _AWARDS),
        groups=identifiers("group", _GROUPS),
        forms=identifiers("form", _GROUPS),
    )
