"""The other aliases of members agree with the contract of the events."""

from __future__ import annotations

from booking_assets.api.wire import ALIASES
from booking_assets.tables.raw import EVENTS


def test_every_other_spelling_stands_for_a_member_of_the_event() -> None:
    members = {"".join(part.title() for part in name.split("_")) for name in EVENTS.column_names}
    assert set(ALIASES.values()) <= members
    assert set(ALIASES.values()) == {name for name in members if name.endswith("Identifier")}
    assert {other.replace("Id", "Identifier") for other in ALIASES} == set(ALIASES.values())
