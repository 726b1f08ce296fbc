"""Rows that come, change and go with the clock: generated events and their registrations.

A slot's rows are made anew whenever its time has come: an event by its birth (`kinds`) and then its
changes (`changes`) up to its version (`timeline`), registrations by `registrations`.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, TypeAlias
from uuid import UUID, uuid5

from booking_assets.sandbox import changes, kinds, vocabulary, wire
from booking_assets.sandbox.draft import Campus, Draft, campus_of
from booking_assets.sandbox.registrations import Enrolment, enrolment_of
from booking_assets.sandbox.resources import EVENTS, REGISTRATIONS, Resource
from booking_assets.sandbox.rows import Row, Rows, WrittenRow
from booking_assets.sandbox.timeline import Standing, rhythm_of, standing_at

MakeRows: TypeAlias = Callable[[int, int], tuple[Sequence[Row], int]]
"""From a slot and an instant to the rows that the slot has then, and until when (ticks)."""

_BIRTHS: tuple[tuple[Callable[[Draft], None], str, tuple[changes.Change, ...]], ...] = (
    *((kinds.draft_class, "ClassScheduled2", changes.CLASS_CHANGES),) * 10,
    *((kinds.draft_exam, "ExamScheduled2", changes.EXAM_CHANGES),) * 8,
    (kinds.draft_meeting, "MeetingScheduled2", changes.MEETING_CHANGES),
    (kinds.draft_appointment, "AppointmentScheduled", changes.APPOINTMENT_CHANGES),
)
_SERVER_OFFSETS = (-480, -420, 0, 0)
# Of so many deleted events one leaves registrations behind, and so many of them at most.
_ORPHANING = 20
_ORPHANS = 3


def event_at(campus: Campus, seed: int, slot: int, standing: Standing) -> dict[str, Any]:
    """The members of a slot's event at its version; those without a value may be None or absent.

    `LastChangeTime` is the instant of the newest change, and only members that the changes so far
    have touched differ between two versions.
    """
    # Not for secrets: repeatable chance is the point.
    chance = Random(f"{seed}/{campus.organization}/{slot}/{standing.generation}")  # noqa: S311
    draft = Draft(campus, chance, slot, standing.born, chance.choice(campus.venues))
    fill, change_type, possible = draft.one_of(_BIRTHS)
    fill(draft)
    draft.values["EventIdentifier"] = _identifier(campus, slot, standing.generation)
    if (draft.values.get("EventFormat") or "").casefold() == "paper":
        possible = changes.PAPER_EXAM_CHANGES
    offset = draft.one_of(_SERVER_OFFSETS)
    if draft.values["EventSource"] != vocabulary.IMPORT:
        _mark(draft, change_type, offset)
    elif draft.happens(0.5):
        # The other half of what is imported carries no trace of a change until it changes.
        _mark(draft, "ClassImported", offset)
    for version in range(1, (standing.version or 0) + 1):
        draft.now = standing.born + version * standing.step
        _mark(draft, draft.one_of(possible)(draft), offset)
    return draft.values


class Slots:
    """Rows in slots, each made anew when its time has come."""

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
        """The rows at `now`; a clock that goes back is taken to stand still."""
        while self._due and self._due[0][0] <= now:
            slot = self._due[0][1]
            rows, until = self._make(slot, now)
            self._rows.replace(self._by_slot[slot], rows)
            self._by_slot[slot] = rows
            heapq.heapreplace(self._due, (until, slot))
        return self._rows


class GeneratedEvents:
    """The events of an organization: a slot has one at a time, or none."""

    def __init__(self, organization: UUID, slots: int, seed: int, now: int) -> None:
        self._campus = campus_of(organization)
        self._seed = seed
        self._rhythms = [rhythm_of(seed, organization, slot) for slot in range(slots)]
        self._slots = Slots(EVENTS, slots, self._make, now)

    def __len__(self) -> int:
        return len(self._rhythms)

    def at(self, now: int) -> Rows:
        """The events that exist at `now` (ticks)."""
        return self._slots.at(now)

    def standing(self, slot: int, now: int) -> Standing:
        """Where a slot stands at `now`."""
        return standing_at(self._rhythms[slot], now)

    def enrolment(self, slot: int, standing: Standing) -> Enrolment | None:
        """The registrations of the slot's event, if it has one."""
        for event in self._slots[slot]:
            return enrolment_of(event.json, standing.born, self._rhythms[slot].lifetime)
        return None

    def deleted(self, slot: int, standing: Standing) -> UUID:
        """The event that was the last to be deleted from a slot."""
        return _identifier(self._campus, slot, standing.last_deleted)

    def deleted_enrolment(self, slot: int, standing: Standing) -> Enrolment:
        """The registrations of that event, as it was before its deletion."""
        rhythm = self._rhythms[slot]
        last = standing_at(rhythm, rhythm.birth(standing.last_deleted) + rhythm.lifetime - 1)
        return enrolment_of(self._row(slot, last).json, last.born, rhythm.lifetime)

    def _make(self, slot: int, now: int) -> tuple[Sequence[Row], int]:
        standing = self.standing(slot, now)
        rows = () if standing.version is None else (self._row(slot, standing),)
        return rows, standing.until

    def _row(self, slot: int, standing: Standing) -> Row:
        values = event_at(self._campus, self._seed, slot, standing)
        changed = values.get("LastChangeTime")
        return WrittenRow(
            identifier=values["EventIdentifier"],
            order=wire.identifier_order(values["EventIdentifier"]),
            changed=None if changed is None else changed.ticks,
            json=wire.row_of(values, EVENTS.kinds),
        )


class GeneratedRegistrations:
    """The registrations of generated events, made when they are first asked for."""

    def __init__(self, events: GeneratedEvents) -> None:
        self._events = events
        self._slots: Slots | None = None

    def at(self, now: int) -> Rows:
        """The registrations that exist at `now` (ticks)."""
        self._events.at(now)
        if self._slots is None:
            self._slots = Slots(REGISTRATIONS, len(self._events), self._make, now)
        return self._slots.at(now)

    def _make(self, slot: int, now: int) -> tuple[Sequence[Row], int]:
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


def _identifier(campus: Campus, slot: int, generation: int) -> UUID:
    return uuid5(campus.organization, f"{slot}/{generation}")


def _mark(draft: Draft, change_type: str, offset: int) -> None:
    draft.values["LastChangeType"] = change_type
    draft.values["LastChangeUser"] = draft.one_of(vocabulary.USERS)
    draft.values["LastChangeTime"] = wire.Instant(draft.now, offset)
