"""`Draft`, a generated event while it is made, and the venues of its organization.

What each kind of event holds and how it changes is in `kinds`, the words are in `vocabulary`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any, TypeVar
from uuid import UUID, uuid5

from booking_assets.sandbox import vocabulary
from booking_assets.sandbox.wire import TICKS_A_SECOND, Instant

MINUTE = 60 * TICKS_A_SECOND
DAY = 1440 * MINUTE
AWARDS, OFFICES, TEAMS = 14, 5, 5
"""How many achievements, invigilating offices and teams events refer to; see `Draft.reference`."""
_VENUES = 9
_EVENTS_A_VENUE = 2_500
"""Events for each venue of a large organization: a room has about one a day."""
_ROOMS_A_VENUE = 5
_SUMMER = range(4, 11)

_Choice = TypeVar("_Choice")


@dataclass(frozen=True, slots=True)
class Venue:
    """A place with rooms and a time zone; offsets are minutes in winter and in summer."""

    identifier: UUID
    name: str
    rooms: tuple[str, ...]
    winter: int
    summer: int

    def instant(self, ticks: int) -> Instant:
        """A point in time with the venue's offset of that season, by the month alone."""
        month = datetime.fromtimestamp(ticks // TICKS_A_SECOND, UTC).month
        return Instant(ticks, self.summer if month in _SUMMER else self.winter)

    def local(self, ticks: int) -> Instant:
        """The instant at which the venue's clocks show `ticks`, counted as if they were UTC."""
        offset = self.instant(ticks).offset
        return Instant(ticks - offset * MINUTE, offset)


def venues_of(organization: UUID, events: int = 0) -> tuple[Venue, ...]:
    """The venues of an organization with so many events: the same in every process."""
    chance = Random(f"campus/{organization}")  # noqa: S311 - repeatable, no secret
    home = chance.choice(vocabulary.ZONES)
    venues = []
    names = chance.sample(vocabulary.VENUES, _VENUES)
    for number in range(max(_VENUES, events // _EVENTS_A_VENUE)):
        again, place = divmod(number, _VENUES)
        name = f"{names[place]} {again + 1}" if again else names[place]
        zone = home if chance.random() < 2 / 3 else chance.choice(vocabulary.ZONES)
        rooms = tuple(chance.sample(vocabulary.ROOMS, _ROOMS_A_VENUE))
        venues.append(Venue(uuid5(organization, f"venue/{number}"), name, rooms, *zone))
    return tuple(venues)


class Draft(dict[str, Any]):
    """The members of an event in the making, at the instant (ticks) of its next step."""

    def __init__(self, organization: UUID, chance: Random, slot: int, now: int, venue: Venue):
        self.organization = organization
        self.chance = chance
        self.slot = slot
        self.now = now
        self.venue = venue

    def one_of(self, choices: Sequence[_Choice]) -> _Choice:
        """A choice by chance."""
        return choices[int(self.chance.random() * len(choices))]

    def reference(self, kind: str, count: int) -> UUID:
        """One of so many things of a kind that the organization's events refer to."""
        return uuid5(self.organization, f"{kind}/{self.number(0, count - 1)}")

    def happens(self, probability: float) -> bool:
        """Whether something of this probability happens."""
        return self.chance.random() < probability

    def number(self, lowest: int, highest: int) -> int:
        """A whole number, both ends included."""
        return lowest + int(self.chance.random() * (highest + 1 - lowest))

    @property
    def start(self) -> int:
        """When the event is scheduled to start (ticks)."""
        start: Instant = self["EventScheduledStart"]
        return start.ticks


def publish(draft: Draft) -> None:
    """Set the registration's first and last moment."""
    start, venue = draft.start, draft.venue
    draft["RegistrationStart"] = venue.instant(start - draft.number(30, 120) * DAY)
    draft["RegistrationDeadline"] = venue.instant(start - draft.number(0, 10) * DAY)
