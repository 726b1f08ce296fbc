"""A warehouse comes back from its landings, whole; and an organization goes for good."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from booking_assets.pipeline.marts import derive_all, publish
from booking_assets.pipeline.rebuild import forget, rebuild
from booking_assets.warehouse.errors import WarehouseError
from booking_assets_tests.pipeline.conftest import EVENTS_EACH, Place, still_world


def landings(place: Place, slug: str, resource: str = "events") -> list[Path]:
    return sorted((place.settings.landing_path / slug).glob(f"{resource}-*"))


def rebuilt(place: Place) -> dict[str, str]:
    """Rebuild, derive and publish; gives the faults."""
    result = rebuild(place.warehouse, place.settings)
    derive_all(place.warehouse, place.settings)
    publish(place.warehouse, place.settings)
    return dict(result.faults)


def damage(file: Path) -> None:
    file.write_bytes(b"noise" * 100)


def remove(file: Path) -> None:
    file.unlink()


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-10])


@pytest.mark.parametrize("harm", [damage, remove, cut])
def test_a_damaged_landing_is_passed_over_and_stops_no_other_organization(
    place: Place, harm: Callable[[Path], None]
) -> None:
    place.refresh()
    place.refresh(world=still_world(EVENTS_EACH + 2))
    first, second = place.organizations
    harm(next(landings(place, first.slug)[-1].glob("rows-*.parquet")))
    faults = rebuilt(place)
    assert list(faults) == [first.slug]
    assert place.published() == {first.slug: EVENTS_EACH, second.slug: EVENTS_EACH + 2}


def test_rows_that_no_landing_holds_are_not_replaced_by_none(place: Place) -> None:
    place.refresh()
    first, _ = place.organizations
    for landing in landings(place, first.slug):
        damage(next(landing.glob("rows-*.parquet")))
    before = place.settings.warehouse_path.read_bytes()
    with pytest.raises(WarehouseError, match=f"No landing of {first.slug}, events is intact"):
        rebuild(place.warehouse, place.settings)
    assert place.settings.warehouse_path.read_bytes() == before


def test_an_organization_that_is_lost_with_the_warehouse_is_named(place: Place) -> None:
    place.refresh()
    first, second = place.organizations
    for landing in landings(place, first.slug):
        damage(next(landing.glob("rows-*.parquet")))
    place.settings.warehouse_path.write_bytes(b"noise")
    faults = rebuilt(place)
    assert "is damaged" in faults[first.slug]
    assert place.published() == {second.slug: EVENTS_EACH}


@pytest.mark.parametrize("harm", [damage, remove, cut])
def test_without_an_intact_landing_nothing_is_changed(
    place: Place, harm: Callable[[Path], None]
) -> None:
    with pytest.raises(WarehouseError, match="There is no intact landing"):
        rebuild(place.warehouse, place.settings)
    place.refresh()
    for file in place.settings.landing_path.glob("*/*/rows-*.parquet"):
        harm(file)
    before = place.settings.warehouse_path.read_bytes()
    with pytest.raises(WarehouseError, match="Nothing was changed"):
        rebuild(place.warehouse, place.settings)
    assert place.settings.warehouse_path.read_bytes() == before


def test_a_lost_warehouse_is_rebuilt_before_one_organization_is_refreshed(place: Place) -> None:
    place.refresh()
    first, second = place.organizations
    place.settings.warehouse_path.unlink()
    assert place.refresh(slugs=[first.slug]).failed_organizations == ()
    assert place.published() == {first.slug: EVENTS_EACH, second.slug: EVENTS_EACH}


def test_a_forgotten_organization_is_nowhere(place: Place) -> None:
    place.refresh()
    place.refresh(world=still_world(EVENTS_EACH + 1))
    first, second = place.organizations
    place.organizations = (second,)
    removed = forget(place.warehouse, place.settings, first.slug)
    assert removed["raw.events"] == EVENTS_EACH + 1
    assert place.published() == {second.slug: EVENTS_EACH + 1}
    names = (first.slug.encode(), str(first.identifier).encode())
    for path in place.root.rglob("*"):
        assert first.slug not in path.name
        assert not path.is_file() or not any(name in path.read_bytes() for name in names), path


def test_nothing_is_removed_of_an_organization_that_nobody_knows(place: Place) -> None:
    place.refresh()
    assert forget(place.warehouse, place.settings, "nobody") == {}
    assert len(place.published()) == 2
