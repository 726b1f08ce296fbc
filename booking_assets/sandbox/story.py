"""A generated event at a version: its birth, then its changes, told anew each time.

What lives here: `told`, which joins `timeline` (when), `kinds` (birth) and `changes` (what then).
What must not: state. The same slot, generation and version always give the same members.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any
from uuid import UUID, uuid5

from booking_assets.sandbox import changes, kinds, vocabulary
from booking_assets.sandbox.campus import Campus
from booking_assets.sandbox.draft import Draft
from booking_assets.sandbox.timeline import Standing
from booking_assets.sandbox.wire import Instant

_BIRTHS: tuple[tuple[Callable[[Draft], None], str, tuple[changes.Change, ...]], ...] = (
    *((kinds.draft_class, "ClassScheduled2", changes.CLASS_CHANGES),) * 10,
    *((kinds.draft_exam, "ExamScheduled2", changes.EXAM_CHANGES),) * 8,
    (kinds.draft_meeting, "MeetingScheduled2", changes.MEETING_CHANGES),
    (kinds.draft_appointment, "AppointmentScheduled", changes.APPOINTMENT_CHANGES),
)
_SERVER_OFFSETS = (-480, -420, 0, 0)


def told(campus: Campus, seed: int, slot: int, standing: Standing) -> dict[str, Any]:
    """The members of the event that `slot` holds; members without a value may be None or absent.

    `LastChangeTime` is the instant of the newest change, and only members that the changes so far
    have touched differ between two versions. The slot must hold an event: `standing.version` is
    not None.
    """
    # Not for secrets: repeatable chance is the point.
    chance = Random(f"{seed}/{campus.organization}/{slot}/{standing.generation}")  # noqa: S311
    draft = Draft(campus, chance, slot, standing.born, chance.choice(campus.venues))
    fill, change_type, possible = draft.one_of(_BIRTHS)
    fill(draft)
    draft.values["EventIdentifier"] = identifier_of(campus, slot, standing.generation)
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


def identifier_of(campus: Campus, slot: int, generation: int) -> UUID:
    """The identifier of a slot's event of that generation."""
    return uuid5(campus.organization, f"{slot}/{generation}")


def _mark(draft: Draft, change_type: str, offset: int) -> None:
    draft.values["LastChangeType"] = change_type
    draft.values["LastChangeUser"] = draft.one_of(vocabulary.USERS)
    draft.values["LastChangeTime"] = Instant(draft.now, offset)
