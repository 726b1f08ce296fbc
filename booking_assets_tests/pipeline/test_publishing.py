"""What is published of an organization: the raw rows of what it asks for and may be read."""

from __future__ import annotations

import pytest

from booking_assets.settings import Names
from booking_assets_tests.pipeline.conftest import Place

RAW = ("registrations", "groups", "achievements")


def raw_rows(place: Place, *, snapshot: bool = True) -> dict[str, dict[str, int]]:
    """The rows of each organization, by raw table."""
    return {
        name: dict(
            place.ask(
                f"SELECT organization, count(*) FROM raw.{name} GROUP BY ALL", snapshot=snapshot
            )
        )
        for name in RAW
    }


@pytest.mark.usefixtures("refreshed")
def test_raw_rows_of_resources_that_are_switched_off_are_stored_and_not_published(
    place: Place,
) -> None:
    first, second = (tenant.slug for tenant in place.tenants)
    stored = raw_rows(place, snapshot=False)
    assert raw_rows(place) == stored
    assert all(stored[name].keys() == {first, second} for name in RAW)
    place.configure(first, registrations=False)
    place.configure(second, names=False)
    place.refresh()
    assert raw_rows(place, snapshot=False) == stored
    assert raw_rows(place) == {
        "registrations": {second: stored["registrations"][second]},
        "groups": {first: stored["groups"][first]},
        "achievements": {first: stored["achievements"][first]},
    }
    place.configure(first, registrations=True)
    place.configure(second, names=True)
    place.derive()
    assert raw_rows(place) == stored
    place.names = Names(collect=False)
    place.derive()
    assert raw_rows(place) == {
        "registrations": stored["registrations"],
        "groups": {},
        "achievements": {},
    }


@pytest.mark.usefixtures("refreshed")
def test_raw_rows_that_may_not_be_read_any_more_are_stored_and_not_published(place: Place) -> None:
    first, second = (tenant.slug for tenant in place.tenants)
    stored = raw_rows(place, snapshot=False)
    place.refresh(f"forbidden=registrations@{first}", f"forbidden=groups@{second}")
    assert raw_rows(place, snapshot=False) == stored
    assert raw_rows(place) == {
        "registrations": {second: stored["registrations"][second]},
        "groups": {first: stored["groups"][first]},
        "achievements": stored["achievements"],
    }
    seats = "SELECT DISTINCT organization FROM marts.capacity_by_event WHERE seats_taken >= 0"
    assert place.ask(seats) == [(second,)]
    # A failure for another reason leaves the last seats and names in use.
    place.refresh("unauthorized=registrations", slugs=[second])
    assert raw_rows(place)["registrations"] == {second: stored["registrations"][second]}
