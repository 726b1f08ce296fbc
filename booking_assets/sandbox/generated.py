"""Rows that come, change and go with the clock: generated events and their registrations.

What lives here: `Slots`, which tells a slot anew when its time has come, and the two that fill it.
What must not: what an event (`story`) and a registration (`enrolments`) look like.
Read more: `docs/sandbox.md`, "Generated events" and "Registrations".
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import TypeAlias
from uuid import UUID

from booking_assets.sandbox import story, wire
from booking_assets.sandbox.campus import campus_of
from booking_assets.sandbox.enrolments import Enrolment, enrolment_of
from booking_assets.sandbox.resources import EVENTS, REGISTRATIONS, Resource
from booking_assets.sandbox.rows import Row, Rows, WrittenRow
from booking_assets.sandbox.timeline import Standing, rhythm_of, standing_at

Tell: TypeAlias = Callable[[int, int], tuple[Sequence[Row], int]]
"""From a slot and an instant to the rows that the slot holds then, and until when (ticks)."""

# Of so many deleted events one leaves registrations behind, and so many of them at most.
_ORPHANING = 20
_ORPHANS = 3


class Slots:
    """Rows in slots: each slot is told anew when its time has come."""

    def __init__(self, resource: Resource, slots: int, tell: Tell, now: int) -> None:
        self._tell = tell
        self._held: list[Sequence[Row]] = []
        self._due: list[tuple[int, int]] = []
        for slot in range(slots):
            rows, until = tell(slot, now)
            self._held.append(rows)
            self._due.append((until, slot))
        heapq.heapify(self._due)
        self._rows = Rows(resource, (row for rows in self._held for row in rows))

    def held(self, slot: int) -> Sequence[Row]:
        """What a slot holds."""
        return self._held[slot]

    def at(self, now: int) -> Rows:
        """The rows at `now`; a clock that goes back is taken to stand still."""
        while self._due and self._due[0][0] <= now:
            slot = self._due[0][1]
            rows, until = self._tell(slot, now)
            self._rows.replace(self._held[slot], rows)
            self._held[slot] = rows
            heapq.heapreplace(self._due, (until, slot))
        return self._rows


class GeneratedEvents:
    """The events of an organization: a slot holds one at a time, or none."""

    def __init__(self, organization: UUID, slots: int, seed: int, now: int) -> None:
        self._campus = campus_of(organization)
        self._seed = seed
        self._rhythms = [rhythm_of(seed, organization, slot) for slot in range(slots)]
        self._slots = Slots(EVENTS, slots, self._told, now)

    def __len__(self) -> int:
        return len(self._rhythms)

    def at(self, now: int) -> Rows:
        """The events that exist at `now` (ticks)."""
        return self._slots.at(now)

    def standing(self, slot: int, now: int) -> Standing:
        """Where a slot stands at `now`."""
        return standing_at(self._rhythms[slot], now)

    def enrolment(self, slot: int, standing: Standing) -> Enrolment | None:
        """The registrations of the event that the slot held when it was told last."""
        for event in self._slots.held(slot):
            return enrolment_of(event.json, standing.born, self._rhythms[slot].lifetime)
        return None

    def deleted(self, slot: int, standing: Standing) -> UUID:
        """The event that was the last to be deleted from a slot."""
        return story.identifier_of(self._campus, slot, standing.last_deleted)

    def deleted_enrolment(self, slot: int, standing: Standing) -> Enrolment:
        """The registrations of that event, as it was before its deletion."""
        rhythm = self._rhythms[slot]
        last = standing_at(rhythm, rhythm.birth(standing.last_deleted) + rhythm.lifetime - 1)
        return enrolment_of(self._row(slot, last).json, last.born, rhythm.lifetime)

    def _told(self, slot: int, now: int) -> tuple[Sequence[Row], int]:
        standing = self.standing(slot, now)
        rows = () if standing.version is None else (self._row(slot, standing),)
        return rows, standing.until

    def _row(self, slot: int, standing: Standing) -> Row:
        values = story.told(self._campus, self._seed, slot, standing)
        changed = values.get("LastChangeTime")
        return WrittenRow(
            identifier=values["EventIdentifier"],
            order=wire.identifier_order(values["EventIdentifier"]),
            changed=None if changed is None else changed.ticks,
            json=wire.row_json(wire.event_members(values)),
        )


class GeneratedRegistrations:
    """The registrations of generated events, made when they are asked for first."""

    def __init__(self, events: GeneratedEvents) -> None:
        self._events = events
        self._slots: Slots | None = None

    def at(self, now: int) -> Rows:
        """The registrations that exist at `now` (ticks)."""
        self._events.at(now)
        if self._slots is None:
            self._slots = Slots(REGISTRATIONS, len(self._events), self._told, now)
        return self._slots.at(now)

    def _told(self, slot: int, now: int) -> tuple[Sequence[Row], int]:
        standing = self._events.standing(slot, now)
        rows, until = self._orphans(slot, standing), standing.until
        enrolment = self._events.enrolment(slot, standing)
        if enrolment is not None:
            enrolled, change = enrolment.at(now)
            rows = [*rows, *enrolled]
            until = until if change is None else min(until, change)
        return rows, until

    def _orphans(self, slot: int, standing: Standing) -> Sequence[Row]:
        """What is left of a deleted event: registrations whose event nobody knows any more."""
        # The identifier is a hash: its last digits draw the chance.
        if self._events.deleted(slot, standing).int % _ORPHANING != 0:
            return ()
        enrolment = self._events.deleted_enrolment(slot, standing)
        return enrolment.at(enrolment.opened + enrolment.period)[0][:_ORPHANS]
