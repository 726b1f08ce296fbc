"""Tests of the names beside identifiers: overrides, the API's names, labels, and the join."""

from __future__ import annotations

import polars as pl

from booking_assets.tables.capacity import CAPACITY_UTILIZATION
from booking_assets.tables.names import ACHIEVEMENTS, NAME_COLUMNS, ORGANIZATIONS, VENUES
from booking_assets.tables.raw import ACHIEVEMENTS as RAW_ACHIEVEMENTS
from booking_assets.tables.raw import GROUPS, NAME_OVERRIDES
from booking_assets.transforms import names
from booking_assets.transforms.rules import conform_to
from booking_assets_tests.transforms.rows import ACME, AS_OF, BOLT, Row, as_of_frame, identifier

FAR = "12345678-0000-4000-8000-00000000000{0}"


def referred(source: object, *rows: Row) -> pl.DataFrame:
    """Rows beside those of a raw table, as `Warehouse.referred_rows` returns them."""
    assert source in (GROUPS, RAW_ACHIEVEMENTS)
    dtypes = {"identifier": pl.String} | dict(source.dtypes)
    return pl.DataFrame([{"organization": ACME} | row for row in rows], schema=dtypes)


def overrides(*rows: Row) -> pl.DataFrame:
    return pl.DataFrame([*rows], schema=NAME_OVERRIDES.dtypes)


def venues(*rows: Row, known: tuple[str, ...] = (ACME,), over: tuple[Row, ...] = ()) -> list[Row]:
    frame = names.venues(referred(GROUPS, *rows), overrides(*over), known, as_of_frame(ACME, BOLT))
    assert dict(frame.schema) == VENUES.dtypes
    return frame.drop("as_of").to_dicts()


def test_a_venue_has_its_group_s_name_kind_and_code() -> None:
    group: Row = {"group_name": " Harbour ", "group_type": "Venue", "group_code": "V1"}
    assert venues({"identifier": FAR.format(1)} | group) == [
        {
            "organization": ACME,
            "venue_identifier": FAR.format(1),
            "venue_name": "Harbour",
            "label": "Harbour",
            "kind": "Venue",
            "code": "V1",
        }
    ]


def test_a_venue_without_a_name_has_the_first_characters_of_its_identifier_as_label() -> None:
    for row in ({}, {"group_name": "  ", "group_type": "Venue"}):
        (venue,) = venues({"identifier": FAR.format(1)} | row)
        assert (venue["venue_name"], venue["label"]) == (None, "12345678")


def test_names_that_may_not_be_read_are_unknown_in_that_organization_alone() -> None:
    known: Row = {"identifier": FAR.format(1), "group_name": "Harbour", "group_type": "Venue"}
    hers, his = venues(known, known | {"organization": BOLT}, known=(BOLT,))
    assert (hers["venue_name"], hers["kind"]) == (None, None)
    assert (his["venue_name"], his["kind"]) == ("Harbour", "Venue")


def test_an_override_wins_over_the_api_and_names_what_it_does_not() -> None:
    over = tuple(
        {"kind": "venue", "identifier": FAR.format(number), "name": f"Ours {number}"}
        for number in (1, 2)
    )
    other = {"kind": "achievement", "identifier": FAR.format(3), "name": "not a venue"}
    found = venues(
        {"identifier": FAR.format(1), "group_name": "Harbour", "group_type": "Venue"},
        {"identifier": FAR.format(2)},
        {"identifier": FAR.format(3)},
        over=(*over, other),
    )
    assert [(one["venue_name"], one["kind"]) for one in found] == [
        ("Ours 1", "Venue"),
        ("Ours 2", None),
        (None, None),
    ]


def test_an_achievement_has_its_title_and_label() -> None:
    rows = referred(
        RAW_ACHIEVEMENTS,
        {
            "identifier": FAR.format(1),
            "achievement_identifier": FAR.format(1),
            "achievement_title": "Welding",
            "achievement_label": "Level",
        },
        {"identifier": FAR.format(2)},
    )
    frame = names.achievements(rows, overrides(), [ACME], as_of_frame())
    assert dict(frame.schema) == ACHIEVEMENTS.dtypes
    shown = frame.select("achievement_identifier", "achievement_title", "label", "kind")
    assert shown.rows() == [
        (FAR.format(1), "Welding", "Welding", "Level"),
        (FAR.format(2), None, "12345678", None),
    ]


def test_an_organization_is_named_by_the_override_else_by_its_slug() -> None:
    configured = [
        {"organization": slug, "organization_identifier": identifier(n), "timezone": zone}
        for n, (slug, zone) in enumerate([(ACME, "America/Edmonton"), (BOLT, None)])
    ]
    over: Row = {"organization": BOLT, "kind": "organization", "name": "Bolt College"}
    frame = names.organizations(configured, overrides(over), as_of_frame(ACME))
    assert dict(frame.schema) == ORGANIZATIONS.dtypes
    assert frame.drop("organization_identifier").rows() == [
        (ACME, None, ACME, "America/Edmonton", AS_OF),
        (BOLT, "Bolt College", "Bolt College", None, None),
    ]


def test_a_mart_gets_the_names_of_its_own_organization_and_keeps_its_rows_in_order() -> None:
    rows = [
        {"organization": slug, "venue_location_identifier": venue, "events": number}
        for number, (slug, venue) in enumerate(
            [(BOLT, FAR.format(1)), (ACME, None), (ACME, FAR.format(1)), (ACME, FAR.format(2))]
        )
    ]
    dtypes = {name: CAPACITY_UTILIZATION.dtypes[name] for name in rows[0]}
    mart = pl.DataFrame(rows, schema=dtypes)
    frame = pl.concat([CAPACITY_UTILIZATION.empty(), mart], how="diagonal")
    known = pl.DataFrame(
        [{"organization": ACME, "venue_identifier": FAR.format(1), "venue_name": "Harbour"}],
        schema={
            name: VENUES.dtypes[name] for name in ("organization", "venue_identifier", "venue_name")
        },
    )
    named = names.with_names(
        frame, CAPACITY_UTILIZATION, {"venue_name": (NAME_COLUMNS["venue_name"], known)}
    )
    assert dict(named.schema) == CAPACITY_UTILIZATION.dtypes
    assert named.select("events", "venue_name").rows() == [
        (0, None),
        (1, None),
        (2, "Harbour"),
        (3, None),
    ]


def test_a_transform_leaves_the_names_of_its_mart_to_the_join() -> None:
    columns = [name for name in CAPACITY_UTILIZATION.column_names if name != "venue_name"]
    frame = CAPACITY_UTILIZATION.empty().select(columns)
    assert dict(conform_to(frame, CAPACITY_UTILIZATION).schema) == CAPACITY_UTILIZATION.dtypes
