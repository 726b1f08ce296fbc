"""Contracts of the marts that name what other marts refer to, and of the columns with these names.

A mart has a name beside an identifier where its contract has a column of `NAME_COLUMNS`; how it is
filled in is in `transforms.names`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from booking_assets.tables import raw
from booking_assets.tables.contract import Identifier, Instant, Schema, Table, Text

AS_OF = (
    "Start of the organization's newest complete collection: the instant the answer is for (UTC)."
)
_LABEL = "The name; where it is unknown, the first eight characters of the identifier."


class Venues(Schema):
    """Venues and offices that events refer to, or once did, with their names."""

    organization = raw.Events.organization
    venue_identifier = Identifier("The venue or office: a group of the directory.", nullable=False)
    venue_name = Text("Name of the venue; null where unknown.")
    label = Text(_LABEL, nullable=False)
    kind = Text("Type of the group, mostly `Venue`; null where the group is unknown.")
    code = Text("Code of the group; null where unknown.")
    as_of = Instant(AS_OF, nullable=False)


class Achievements(Schema):
    """Courses and certificates that events refer to, or once did, with their titles."""

    organization = raw.Events.organization
    achievement_identifier = raw.Achievements.achievement_identifier
    achievement_title = Text("Title of the achievement; null where unknown.")
    label = Text(_LABEL, nullable=False)
    kind = Text("Label of the achievement: Module, Level, ...; null where unknown.")
    as_of = Instant(AS_OF, nullable=False)


class Organizations(Schema):
    """The organizations in the settings, also those that are not published."""

    organization = raw.Events.organization
    organization_identifier = raw.EventCounts.organization_identifier
    organization_name = Text("Name from the file of `[names] csv`; null where it has none.")
    label = Text("The name; where it is unknown, the slug.", nullable=False)
    timezone = Text("IANA time zone in the settings; null where the API's offsets decide.")
    as_of = Instant(f"{AS_OF} Null where there is none.")


VENUES = Table(
    "marts.venues",
    Venues,
    row="a venue or an office",
    grain=("organization", "venue_identifier"),
)
ACHIEVEMENTS = Table(
    "marts.achievements",
    Achievements,
    row="an achievement",
    grain=("organization", "achievement_identifier"),
)
ORGANIZATIONS = Table(
    "marts.organizations", Organizations, row="an organization", grain=("organization",)
)


@dataclass(frozen=True)
class NameColumn:
    """Where the name beside the identifier `key` of a mart comes from.

    Attributes:
        table: The mart that has the name in a column of the same name.
        identifiers: The columns of events that refer to its rows.
        source: The raw table with their names in the API.
    """

    table: Table
    key: str
    identifiers: tuple[str, ...]
    source: Table


NAME_COLUMNS: Mapping[str, NameColumn] = {
    "venue_name": NameColumn(
        VENUES,
        "venue_location_identifier",
        ("venue_location_identifier", "venue_office_identifier"),
        raw.GROUPS,
    ),
    "achievement_title": NameColumn(
        ACHIEVEMENTS, "achievement_identifier", ("achievement_identifier",), raw.ACHIEVEMENTS
    ),
}
"""The columns with names that marts may have."""


def name_columns(table: Table) -> dict[str, NameColumn]:
    """The columns with names in a mart's contract; the tables that define them have none."""
    defining = {column.table for column in NAME_COLUMNS.values()}
    names = () if table in defining else table.column_names
    return {name: NAME_COLUMNS[name] for name in names if name in NAME_COLUMNS}
