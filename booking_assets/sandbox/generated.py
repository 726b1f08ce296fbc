"""Generated events and registrations, which are created, changed and deleted with the clock.

A slot has one event at a time; when it is deleted, another with a new identifier follows. All rows
follow from seed, organization, slot and clock, so that a restarted sandbox continues where the last
process stopped. What each kind of event holds is in `kinds`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from random import Random
from typing import NamedTuple
from uuid import UUID, uuid5

import numpy as np

from booking_assets.sandbox import kinds, vocabulary, wire
from booking_assets.sandbox.draft import Draft, venues_of
from booking_assets.sandbox.registrations import ROW, Array, Registrations, enrolled, enrollment_of
from booking_assets.sandbox.resources import EVENTS
from booking_assets.sandbox.rows import Row, Rows
from booking_assets.sandbox.wire import TICKS_A_SECOND

_BIRTHS: tuple[tuple[Callable[[Draft], None], str, tuple[kinds.Change, ...]], ...] = (
    *((kinds.draft_class, "ClassScheduled2", kinds.CLASS_CHANGES),) * 10,
    *((kinds.draft_exam, "ExamScheduled2", kinds.EXAM_CHANGES),) * 8,
    (kinds.draft_meeting, "MeetingScheduled2", kinds.MEETING_CHANGES),
    (kinds.draft_appointment, "AppointmentScheduled", kinds.APPOINTMENT_CHANGES),
)
# Of so many deleted events one leaves registrations behind, if any, and so many of them at most.
_ORPHANING = 20
_ORPHANS = 3
_SLOTS_AT_ONCE = 4_096
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


class Rhythm(NamedTuple):
    """The pace of a slot (ticks): an event exists for `step * (changes + 1)`, then comes `gap`."""

    phase: int
    step: int
    changes: int
    gap: int

    @property
    def lifetime(self) -> int:
        """Ticks from an event's birth to its deletion."""
        return self.step * (self.changes + 1)


class Standing(NamedTuple):
    """The state of a slot until `until`: `version` changes of `generation` have happened.

    `version` is None in the gap between two events. `born` is the birth of the generation.
    """

    generation: int
    version: int | None
    born: int
    step: int
    until: int


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
    cycle = rhythm.lifetime + rhythm.gap
    generation, age = divmod(now - rhythm.phase, cycle)
    born = now - age
    if age >= rhythm.lifetime:
        return Standing(generation, None, born, rhythm.step, born + cycle)
    version = age // rhythm.step
    return Standing(generation, version, born, rhythm.step, born + (version + 1) * rhythm.step)


class GeneratedOrganization:
    """An organization's events, one or none in each slot, and their registrations.

    Where it `leaves_orphans`, some deleted events leave registrations behind.
    """

    def __init__(
        self, organization: UUID, slots: int, seed: int, now: int, *, leaves_orphans: bool = False
    ) -> None:
        self._organization = organization
        self._venues = venues_of(organization, slots)
        self._seed = seed
        self._leaves_orphans = leaves_orphans
        self._rhythms = [rhythm_of(seed, organization, slot) for slot in range(slots)]
        self._by_slot: list[Row | None] = [None] * slots
        # When a slot's event, or one of its registrations, changes next (ticks).
        self._events_until, self._registrations_until, self._born = np.zeros((3, slots), np.int64)
        self._events = Rows(EVENTS, ())
        self._registrations = Registrations(np.empty(0, ROW), organization)
        self.events(now)

    def events(self, now: int) -> Rows:
        """The events that exist at `now` (ticks), or at the latest instant requested."""
        due = np.flatnonzero(self._events_until <= now).tolist()
        gone = {row.order for slot in due if (row := self._by_slot[slot]) is not None}
        for slot in due:
            standing = standing_at(self._rhythms[slot], now)
            self._events_until[slot], self._born[slot] = standing.until, standing.born
            is_gap = standing.version is None
            self._by_slot[slot] = None if is_gap else self._event(slot, standing)
        if due:
            kept = (row for row in self._events if row.order not in gone)
            new = (self._by_slot[slot] for slot in due)
            self._events = Rows(EVENTS, [*kept, *filter(None, new)])
        return self._events

    def registrations(self, now: int) -> Rows:
        """The registrations that exist at `now` (ticks), made at the first request."""
        self.events(now)
        due = np.flatnonzero(self._registrations_until <= now)
        if len(due):
            before = self._registrations.array
            parts = [before[np.isin(before["slot"], due, invert=True)]]
            for start in range(0, len(due), _SLOTS_AT_ONCE):
                parts += self._enroll(due[start : start + _SLOTS_AT_ONCE].tolist(), now)
            self._registrations = Registrations(np.concatenate(parts), self._organization)
        return self._registrations

    def _enroll(self, slots: Sequence[int], now: int) -> list[Array]:
        """The registrations of some slots; notes when they change next."""
        enrollments = [
            enrollment_of(event.json, slot, born, self._rhythms[slot].lifetime)
            for slot, born in zip(slots, self._born[slots].tolist(), strict=True)
            if (event := self._by_slot[slot]) is not None
        ]
        rows, changes = enrolled(enrollments, now)
        own = [enrollment.slot for enrollment in enrollments]
        self._registrations_until[slots] = self._events_until[slots]
        self._registrations_until[own] = np.minimum(self._events_until[own], changes)
        orphaning = slots if self._leaves_orphans else ()
        return [rows, *chain.from_iterable(self._orphans(slot, now) for slot in orphaning)]

    def _orphans(self, slot: int, now: int) -> list[Array]:
        """The registrations that the slot's last deleted event leaves behind, if any."""
        rhythm = self._rhythms[slot]
        standing = standing_at(rhythm, now)
        is_gap = standing.version is None
        end = standing.born + (rhythm.lifetime if is_gap else -rhythm.gap)
        last = standing_at(rhythm, end - 1)
        # The identifier is a hash: its digits are random.
        if self._identifier(slot, last.generation).int % _ORPHANING:
            return []
        event = self._event(slot, last)
        enrollment = enrollment_of(event.json, slot, last.born, rhythm.lifetime)
        return [enrolled([enrollment], end)[0][:_ORPHANS]]

    def _identifier(self, slot: int, generation: int) -> UUID:
        return uuid5(self._organization, f"{slot}/{generation}")

    def _event(self, slot: int, standing: Standing) -> Row:
        """The slot's event at its version.

        `LastChangeTime` is the instant of the newest change; two versions differ only in members
        that the changes between them set.
        """
        organization, generation = self._organization, standing.generation
        chance = Random(f"{self._seed}/{organization}/{slot}/{generation}")  # noqa: S311 - repeatable, no secret
        draft = Draft(organization, chance, slot, standing.born, chance.choice(self._venues))
        fill, change_type, possible = draft.one_of(_BIRTHS)
        fill(draft)
        draft["EventIdentifier"] = self._identifier(slot, generation)
        if (draft.get("EventFormat") or "").casefold() == "paper":
            possible = kinds.PAPER_EXAM_CHANGES
        offset = draft.one_of(vocabulary.OFFICE_OFFSETS)
        if draft["EventSource"] != vocabulary.IMPORT:
            _mark(draft, change_type, offset)
        elif draft.happens(0.5):
            # The other half of what is imported carries no trace of a change until it changes.
            _mark(draft, "ClassImported", offset)
        for version in range(1, (standing.version or 0) + 1):
            draft.now = standing.born + version * standing.step
            _mark(draft, draft.one_of(possible)(draft), offset)
        return Row.made(EVENTS, draft)


def _mark(draft: Draft, change_type: str, offset: int) -> None:
    draft["LastChangeType"] = change_type
    draft["LastChangeUser"] = draft.one_of(vocabulary.USERS)
    draft["LastChangeTime"] = wire.Instant(draft.now, offset)
