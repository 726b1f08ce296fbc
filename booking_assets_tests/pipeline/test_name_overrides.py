"""A file of names: it wins over the API, and a fault in it is named before anything happens."""

from __future__ import annotations

import pytest

from booking_assets.pipeline.derivation import derive_all
from booking_assets.pipeline.names import name_overrides
from booking_assets.sandbox.draft import venues_of
from booking_assets.sandbox.names import LOST_VENUE
from booking_assets.settings import Names, SettingsError
from booking_assets.tables.raw import COLLECTIONS
from booking_assets_tests.pipeline.conftest import Place, still_world


def write_names(place: Place, text: str) -> None:
    place.names = Names(csv="names.csv")
    (place.root / "names.csv").write_text(text, encoding="utf-8")


@pytest.mark.usefixtures("refreshed")
def test_a_file_of_names_wins_over_the_api_and_names_the_rest(place: Place) -> None:
    first, second = place.organizations
    venues = venues_of(first.identifier)
    write_names(
        place,
        "kind,identifier,name\n"
        f'venue,{str(venues[LOST_VENUE].identifier).upper()},"Lost, and found"\n'
        f"venue,{venues[1].identifier}, Ours \n\n"
        f"organization,{first.slug},First College\n"
        f"organization,{second.identifier},Second College\n"
        "organization,elsewhere,Not configured\n",
    )
    place.derive()
    overrides = place.ask("SELECT kind, name FROM raw.name_overrides WHERE identifier IS NOT NULL")
    assert sorted(overrides) == [
        ("organization", "First College"),
        ("organization", "Second College"),
        ("venue", "Lost, and found"),
        ("venue", "Ours"),
    ]
    labels = place.ask("SELECT organization, label FROM marts.organizations")
    assert dict(labels) == {first.slug: "First College", second.slug: "Second College"}
    referred = dict(place.ask("SELECT venue_identifier, venue_name FROM marts.venues"))
    for venue, name in ((venues[LOST_VENUE], "Lost, and found"), (venues[1], "Ours")):
        assert referred.get(venue.identifier, name) == name
    place.names = Names()
    place.derive()
    assert place.ask("SELECT count(*) FROM raw.name_overrides") == [(0,)]


FAULTS = {
    "no header": ("venue,x,y\n", "line 1: it is not the header; write kind,identifier,name"),
    "a comma too many": ("venue,{0},A, B\n", "line 2: it has 4 fields instead of 3"),
    "another kind": ("room,{0},A\n", "line 2: the kind is none of venue, achievement, organ"),
    "no name": ("venue,{0},\n", "line 2: the name is empty"),
    "no identifier": ("venue,harbour,A\n", "line 2: the identifier is no UUID; correct it"),
    "no slug": ("organization,No Slug,A\n", "line 2: the identifier is no UUID and no slug"),
    "twice": ("venue,{0},A\nvenue,{0},B\n", "line 3: line 2 names the same venue; remove one"),
}


@pytest.mark.parametrize(("lines", "fault"), FAULTS.values(), ids=FAULTS)
def test_a_fault_in_the_file_names_its_line_and_the_remedy(
    place: Place, lines: str, fault: str
) -> None:
    header = "" if fault.startswith("line 1") else "kind,identifier,name\n"
    write_names(place, header + lines.format(still_world().tenants[0].identifier))
    with pytest.raises(SettingsError) as raised:
        name_overrides(place.settings)
    (found,) = raised.value.faults
    assert found.startswith(fault)
    assert str(place.root / "names.csv") in str(raised.value)


def test_a_file_that_is_missing_or_no_text_is_named(place: Place) -> None:
    place.names = Names(csv="names.csv")
    with pytest.raises(SettingsError, match=r"(?s)names\.csv.*No such file"):
        name_overrides(place.settings)
    (place.root / "names.csv").write_bytes(b"kind,identifier,name\nvenue,\xff")
    with pytest.raises(SettingsError, match="cannot be read"):
        name_overrides(place.settings)


@pytest.mark.usefixtures("refreshed")
def test_a_faulty_file_is_named_before_anything_is_collected_and_applies_to_nothing(
    place: Place,
) -> None:
    identifier = venues_of(place.tenants[0].identifier)[1].identifier
    write_names(place, f"kind,identifier,name\nvenue,{identifier},Ours\n")
    place.derive()
    collections = place.warehouse.read(COLLECTIONS).height
    write_names(place, f"kind,identifier,name\nvenue,{identifier},Changed\nvenue,bad,B\n")
    with pytest.raises(SettingsError, match="line 3"):
        place.refresh()
    assert place.warehouse.read(COLLECTIONS).height == collections
    with pytest.raises(SettingsError, match="line 3"):
        derive_all(place.warehouse, place.settings)
    assert place.ask("SELECT name FROM raw.name_overrides") == [("Ours",)]
    assert place.ask("SELECT name FROM raw.name_overrides", snapshot=False) == [("Ours",)]
