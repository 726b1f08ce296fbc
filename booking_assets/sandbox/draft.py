"""A generated event while it is being made: its members so far, and the chance that makes them.

What lives here: `Draft`, and the steps that a new event and a changed one have in common.
What must not: what each kind of event holds (`kinds`) and how it changes (`changes`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

import msgspec

from booking_assets.sandbox import vocabulary
from booking_assets.sandbox.campus import Campus, Venue
from booking_assets.sandbox.wire import TICKS_A_SECOND, Instant

MINUTE = 60 * TICKS_A_SECOND
DAY = 1440 * MINUTE

_Choice = TypeVar("_Choice")


@dataclass(slots=True)
class Draft:
    """An event in the making; `now` is the instant (ticks) at which the next step happens."""

    campus: Campus
    chance: Random
    slot: int
    now: int
    venue: Venue
    values: dict[str, Any] = field(default_factory=dict)

    def one_of(self, choices: Sequence[_Choice]) -> _Choice:
        """A choice by chance."""
        return choices[int(self.chance.random() * len(choices))]

    def happens(self, probability: float) -> bool:
        """Whether something of this probability happens."""
        return self.chance.random() < probability

    def number(self, lowest: int, highest: int) -> int:
        """A whole number, both ends included."""
        return lowest + int(self.chance.random() * (highest + 1 - lowest))

    @property
    def start(self) -> Instant:
        """When the event is scheduled to start."""
        value: Instant = self.values["EventScheduledStart"]
        return value

    @property
    def is_past(self) -> bool:
        """Whether the event has started."""
        return self.start.ticks <= self.now


def schedule(draft: Draft, minutes: int) -> None:
    """Start and end: from a year ago to half a year ahead, in the venue's own time."""
    if draft.happens(0.06):
        started = draft.now - draft.number(0, minutes) * MINUTE
        start = draft.venue.instant(started // MINUTE * MINUTE)
    else:
        day = draft.now // DAY + draft.number(-365, 183)
        # One in eight is an evening event: in UTC it falls on another day.
        hour = draft.number(19, 23) if draft.happens(0.125) else draft.number(8, 16)
        local = day * DAY + (hour * 60 + draft.number(0, 3) * 15) * MINUTE
        start = draft.venue.local(local)
    draft.values["EventScheduledStart"] = start
    draft.values["EventScheduledEnd"] = draft.venue.instant(start.ticks + minutes * MINUTE)


def publish(draft: Draft) -> None:
    """Publishing sets the registration's first and last moment."""
    values, start = draft.values, draft.start.ticks
    values["RegistrationStart"] = draft.venue.instant(start - draft.number(30, 120) * DAY)
    values["RegistrationDeadline"] = draft.venue.instant(start - draft.number(0, 10) * DAY)


def content(draft: Draft, title: str, sentences: int) -> str:
    """The JSON text of `Content`: blocks of text, each by language."""
    blocks = {"Title": {"en": title}, "Description": {"en": draft.one_of(vocabulary.SENTENCES)}}
    for _ in range(sentences):
        language = "fr" if draft.happens(0.1) else "en"
        block = draft.one_of(vocabulary.CONTENT_BLOCKS)
        blocks[block] = {language: draft.one_of(vocabulary.SENTENCES)}
    return msgspec.json.encode(blocks).decode()


def registration_fields(draft: Draft, count: int) -> str:
    """The JSON text of `RegistrationFields`: an array ordered by name."""
    names = sorted({draft.one_of(vocabulary.REGISTRATION_FIELDS) for _ in range(count)})
    return msgspec.json.encode(
        [
            {
                "FieldName": name,
                "IsRequired": draft.happens(0.5),
                "IsVisible": True,
                "IsEditable": draft.happens(0.8),
            }
            for name in names
        ]
    ).decode()
