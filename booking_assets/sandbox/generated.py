"""Generated events and registrations, which are created, changed and deleted with the clock.

A slot has one event at a time; when it is deleted, another with a new identifier follows. All rows
follow from seed, organization, slot and clock, so that a restarted sandbox continues where the last
process stopped. What each kind of event holds is in `kinds`.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeAlias
from uuid import UUID, uuid5

from booking_assets.sandbox import kinds, vocabulary, wire
from booking_assets.sandbox.draft import Draft, venues_of
from booking_assets.sandbox.registrations import enrollment_of
from booking_assets.sandbox.resources import EVENTS, REGISTRATIONS, Resource
from booking_assets.sandbox.rows import Row, Rows, WrittenRow
from booking_assets.sandbox.wire import TICKS_A_SECOND

MakeRows: TypeAlias = Callable[[int, int], tuple[Sequence[Row], int]]
"""From a slot and an instant to the rows that the slot has then, and until when (ticks)."""

_BIRTHS: tuple[tuple[Callable[[Draft], None], str, tuple[kinds.Change, ...]], ...] = (
    *((kinds.draft_class, "ClassScheduled2", kinds.CLASS_CHANGES),) * 10,
    *((kinds.draft_exam, "ExamScheduled2", kinds.EXAM_CHANGES),) * 8,
    (kinds.draft_meeting, "MeetingScheduled2", kinds.MEETING_CHANGES),
    (kinds.draft_appointment, "AppointmentScheduled", kinds.APPOINTMENT_CHANGES),
)
_SERVER_OFFSETS = (-480, -420, 0, 0)
# Of so many deleted events one leaves registrations behind, if any, and so many of them at most.
_ORPHANING = 20
_ORPHANS = 3
# Slot n lives about 43 * (n + 20) seconds, at most 90 days. The busiest slots give an organization
# of 400 slots an event that comes or goes about every 15 seconds; a hundred times as many slots add
# only twice as many, as in a real organization, where most events are old and quiet.
_SECONDS_A_SLOT = 43
_SLOTS_AHEAD = 20
_LONGEST_SECONDS = 90 * 86_400
_CHANGES = (1, 2, 2, 3, 4)
_GAP_SECONDS = (0, 0, 0, 0, 0, 0, 7, 45)
# Fraction digits of the change times: people's tools write none, the server's clock all seven.
_RESOLUTIONS = (1, 1, 1, 10, 100, 10_000, 100_000, 1_000_000, TICKS_A_SECOND)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """The pace of a slot (ticks): an event exists for `step * (changes + 1)`, then comes `gap`."""

    phase: int
    step: int
    changes: int
    gap: int

    @property
    def lifetime(self) -> int:
        """Ticks from an event's birth to its deletion."""
        return self.step * (self.changes + 1)

    @property
    def cycle(self) -> int:
        """Ticks from an event's birth to that of the next one."""
        return self.lifetime + self.gap

    def birth(self, generation: int) -> int:
        """When the event of that generation is born (ticks)."""
        return self.phase + generation * self.cycle


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of a slot until `until`: `version` changes of `generation` have happened.

    `version` is None in the gap between two events. `born` is the birth of the generation.
    """

    generation: int
    version: int | None
    born: int
    step: int
    until: int

    @property
    def last_deleted(self) -> int:
        """The newest generation whose event is gone."""
        return self.generation if self.version is None else self.generation - 1


def rhythm_of(seed: int, organization: UUID, slot: int) -> Rhythm:
    """The pace of a slot, drawn from the seed."""
    chance = Random(f"rhythm/{seed}/{organization}/{slot}")  # noqa: S311 - repeatable, no secret
    changes = chance.choice(_CHANGES)
    lifetime = min(_SECONDS_A_SLOT * (slot + _SLOTS_AHEAD), _LONGEST_SECONDS)
    step = max(1, round(lifetime * chance.uniform(0.6, 1.4) / (changes + 1))) * TICKS_A_SECOND
    gap = chance.choice(_GAP_SECONDS) * TICKS_A_SECOND
    resolution = chance.choice(_RESOLUTIONS)
    phase = chance.randrange(step * (changes + 1) + gap) // resolution * resolution
    return Rhythm(phase=phase, step=step, changes=changes, gap=gap)


def standing_at(rhythm: Rhythm, now: int) -> Standing:
    """Where a slot of this pace stands at `now`."""
    generation, age = divmod(now - rhythm.phase, rhythm.cycle)
    born = rhythm.birth(generation)
    if age >= rhythm.lifetime:
        return Standing(generation, None, born, rhythm.step, born + rhythm.cycle)
    version = age // rhythm.step
    return Standing(generation, version, born, rhythm.step, born + (version + 1) * rhythm.step)


class Slots:
    """Rows in slots, each replaced when it is due."""

    def __init__(self, resource: Resource, slots: int, make: MakeRows, now: int) -> None:
        self._make = make
        self._by_slot: list[Sequence[Row]] = []
        self._due: list[tuple[int, int]] = []
        for slot in range(slots):
            rows, until = make(slot, now)
            self._by_slot.append(rows)
            self._due.append((until, slot))
        heapq.heapify(self._due)
        self._rows = Rows(resource, (row for rows in self._by_slot for row in rows))

    def __getitem__(self, slot: int) -> Sequence[Row]:
        return self._by_slot[slot]

    def at(self, now: int) -> Rows:
        """The rows at `now`, or at the latest instant requested."""
        while self._due and self._due[0][0] <= now:
            slot = self._due[0][1]
            rows, until = self._make(slot, now)
            self._rows.replace(self._by_slot[slot], rows)
            self._by_slot[slot] = rows
            heapq.heapreplace(self._due, (until, slot))
        return self._rows


class GeneratedOrganization:
    """An organization's events, one or none in each slot, and their registrations.

    Where it `leaves_orphans`, some deleted events leave registrations behind.
    """

    def __init__(
        self, organization: UUID, slots: int, seed: int, now: int, *, leaves_orphans: bool = False
    ) -> None:
        self._organization = organization
        self._venues = venues_of(organization)
        self._seed = seed
        self._leaves_orphans = leaves_orphans
        self._rhythms = [rhythm_of(seed, organization, slot) for slot in range(slots)]
        self._events = Slots(EVENTS, slots, self._make_events, now)
        self._registrations: Slots | None = None

    def events(self, now: int) -> Rows:
        """The events that exist at `now` (ticks)."""
        return self._events.at(now)

    def registrations(self, now: int) -> Rows:
        """The registrations that exist at `now` (ticks), made at the first request."""
        self._events.at(now)
        if self._registrations is None:
            slots = len(self._rhythms)
            self._registrations = Slots(REGISTRATIONS, slots, self._make_registrations, now)
        return self._registrations.at(now)

    def _make_events(self, slot: int, now: int) -> tuple[Sequence[Row], int]:
        standing = standing_at(self._rhythms[slot], now)
        rows = () if standing.version is None else (self._event(slot, standing),)
        return rows, standing.until

    def _make_registrations(self, slot: int, now: int) -> tuple[Sequence[Row], int]:
        rhythm = self._rhythms[slot]
        standing = standing_at(rhythm, now)
        rows, until = self._orphans(slot, standing), standing.until
        for event in self._events[slot]:
            enrolled, change = enrollment_of(event.json, standing.born, rhythm.lifetime).at(now)
            rows = [*rows, *enrolled]
            until = until if change is None else min(until, change)
        return rows, until

    def _orphans(self, slot: int, standing: Standing) -> Sequence[Row]:
        """The registrations that a deleted event leaves behind."""
        # The identifier is a hash: its last digits are random.
        is_orphaning = self._identifier(slot, standing.last_deleted).int % _ORPHANING == 0
        if not (self._leaves_orphans and is_orphaning):
            return ()
        rhythm = self._rhythms[slot]
        end = rhythm.birth(standing.last_deleted) + rhythm.lifetime
        last = standing_at(rhythm, end - 1)
        enrollment = enrollment_of(self._event(slot, last).json, last.born, rhythm.lifetime)
        return enrollment.at(end)[0][:_ORPHANS]

    def _identifier(self, slot: int, generation: int) -> UUID:
        return uuid5(self._organization, f"{slot}/{generation}")

    def _event(self, slot: int, standing: Standing) -> Row:
        """The slot's event at its version.

        `LastChangeTime` is the instant of the newest change; two versions differ only in members
        that the changes between them set.
        """
        key = f"{self._seed}/{self._organization}/{slot}/{standing.generation}"
        chance = Random(key)  # noqa: S311 - repeatable, no secret
        venue = chance.choice(self._venues)
        draft = Draft(self._organization, chance, slot, standing.born, venue)
        fill, change_type, possible = draft.one_of(_BIRTHS)
        fill(draft)
        identifier = self._identifier(slot, standing.generation)
        draft.values["EventIdentifier"] = identifier
        if (draft.values.get("EventFormat") or "").casefold() == "paper":
            possible = kinds.PAPER_EXAM_CHANGES
        offset = draft.one_of(_SERVER_OFFSETS)
        if draft.values["EventSource"] != vocabulary.IMPORT:
            _mark(draft, change_type, offset)
        elif draft.happens(0.5):
            # The other half of what is imported carries no trace of a change until it changes.
            _mark(draft, "ClassImported", offset)
        for version in range(1, (standing.version or 0) + 1):
            draft.now = standing.born + version * standing.step
            _mark(draft, draft.one_of(possible)(draft), offset)
        changed = draft.values.get("LastChangeTime")
        return WrittenRow(
            identifier=identifier,
            order=wire.identifier_order(identifier),
            changed=None if changed is None else changed.ticks,
            json=wire.row_of(draft.values, EVENTS.kinds),
        )


def _mark(draft: Draft, change_type: str, offset: int) -> None:
    draft.values["LastChangeType"] = change_type
    draft.values["LastChangeUser"] = draft.one_of(vocabulary.USERS)
    draft.values["LastChangeTime"] = wire.Instant(draft.now, offset)
