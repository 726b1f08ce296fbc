"""The aliases agree with the contract of the events table."""

from __future__ import annotations

from booking_assets.api.wire import ALIASES
from booking_assets.tables.raw import EVENTS


def test_every_alias_is_of_an_identifier_column_of_events() -> None:
    columns = {"".join(part.title() for part in name.split("_")) for name in EVENTS.column_names}
    assert set(ALIASES.values()) <= columns
    assert set(ALIASES.values()) == {name for name in columns if name.endswith("Identifier")}
    assert {alias.replace("Id", "Identifier") for alias in ALIASES} == set(ALIASES.values())
