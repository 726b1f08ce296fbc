"""Tables with a column of each kind, and others of the same name with fewer or other columns."""

from __future__ import annotations

import dataclasses

from booking_assets.tables.contract import (
    Count,
    Day,
    Flag,
    Identifier,
    Instant,
    Json,
    Measure,
    Number,
    Schema,
    Table,
    Text,
)


class Kinds(Schema):
    organization = Text('It\'s the "slug".', nullable=False)
    identifier = Identifier("A UUID.")
    text = Text("Text.")
    json = Json("JSON.")
    flag = Flag("A flag.")
    number = Number("A number.")
    count = Count("A count.")
    measure = Measure("A measure.")
    instant = Instant("An instant.")
    day = Day("A day.")


class FewerKinds(Schema):
    organization = Kinds.organization
    identifier = Kinds.identifier


class OtherKinds(Schema):
    organization = Kinds.organization
    identifier = Text("No longer a UUID.")


class MoreRequiredKinds(Schema):
    organization = Kinds.organization
    identifier = Kinds.identifier
    number = Number("A number.", nullable=False)


def table(columns: type[Schema], grain: tuple[str, ...] = ()) -> Table:
    return Table(name="marts.kinds", columns=columns, row="a kind", grain=grain)


KINDS = table(Kinds)
FEW = dataclasses.replace(table(FewerKinds), name="marts.few")
