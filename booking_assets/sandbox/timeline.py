"""When a generated event is born, changes and disappears: arithmetic on the clock, no state.

A slot has one event at a time; when that is deleted the next one, with a new identifier, takes
its place. All times are ticks of 100 ns since 1970, and follow from seed, organization, slot and
clock, so that a sandbox started anew, in another process, continues where the last one stopped.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from uuid import UUID

from booking_assets.sandbox.wire import TICKS_A_SECOND

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
    """The pace of a slot: an event lives `step * (changes + 1)` and is followed by `gap`."""

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
    """Where a slot stands: `version` changes of `generation` have happened; holds until `until`.

    `version` is None in the gap between two events. `born` is the birth of the generation, `step`
    the ticks between its changes.
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
    # Not for secrets: repeatable chance is the point.
    chance = Random(f"rhythm/{seed}/{organization}/{slot}")  # noqa: S311
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
