"""A warehouse comes back from its landings, whole; and an organization goes for good."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from booking_assets.pipeline.rebuild import Rebuilt, forget, rebuild
from booking_assets.tables.catalog import HISTORY_TABLES
from booking_assets.warehouse.errors import WarehouseError
from booking_assets_tests.pipeline.conftest import EVENTS_EACH, Place, copied, still_world


def landings(place: Place, slug: str, resource: str = "events") -> list[Path]:
    return sorted((place.settings.landing_path / slug).glob(f"{resource}-*"))


def rebuilt(place: Place) -> dict[str, str]:
    """Rebuild, derive and publish; gives the faults."""
    return dict(completely_rebuilt(place).faults)


def completely_rebuilt(place: Place) -> Rebuilt:
    """Rebuild, derive and publish."""
    result = rebuild(place.warehouse, place.settings)
    place.derive()
    return result


def histories(place: Place) -> dict[str, list[tuple[Any, ...]]]:
    """The published rows of every history."""
    return {one.name: place.ask(f"FROM {one.name} ORDER BY ALL") for one in HISTORY_TABLES}


@pytest.fixture(scope="module")
def grown_root(refreshed_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a place to which events and seats came after the first refresh."""
    root = tmp_path_factory.mktemp("grown")
    copied(refreshed_root, root).refresh(world=still_world(EVENTS_EACH + 2))
    return root


@pytest.fixture(scope="module")
def changed_root(grown_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after a third refresh: what came is gone again."""
    root = tmp_path_factory.mktemp("changed")
    place = copied(grown_root, root)
    place.refresh()
    assert all(histories(place).values())
    return root


@pytest.fixture
def grown(grown_root: Path, tmp_path: Path) -> Place:
    return copied(grown_root, tmp_path)


@pytest.fixture
def changed(changed_root: Path, tmp_path: Path) -> Place:
    return copied(changed_root, tmp_path)


def damage(file: Path) -> None:
    file.write_bytes(b"noise" * 100)


def remove(file: Path) -> None:
    file.unlink()


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-10])


def test_a_damaged_landing_is_passed_over_and_stops_no_other_organization(grown: Place) -> None:
    first, second = grown.organizations
    damage(next(landings(grown, first.slug)[-1].glob("rows-*.parquet")))
    faults = rebuilt(grown)
    assert list(faults) == [first.slug]
    assert grown.published() == {first.slug: EVENTS_EACH, second.slug: EVENTS_EACH + 2}


@pytest.mark.usefixtures("refreshed")
def test_rows_that_no_landing_holds_are_not_replaced_by_none(place: Place) -> None:
    first, _ = place.organizations
    for landing in landings(place, first.slug):
        damage(next(landing.glob("rows-*.parquet")))
    before = place.settings.warehouse_path.read_bytes()
    with pytest.raises(WarehouseError, match=f"No landing of {first.slug}, events is intact"):
        rebuild(place.warehouse, place.settings)
    assert place.settings.warehouse_path.read_bytes() == before


@pytest.mark.usefixtures("refreshed")
def test_an_organization_that_is_lost_with_the_warehouse_is_named(place: Place) -> None:
    first, second = place.organizations
    for landing in landings(place, first.slug):
        damage(next(landing.glob("rows-*.parquet")))
    place.settings.warehouse_path.write_bytes(b"noise")
    faults = rebuilt(place)
    assert "is damaged" in faults[first.slug]
    assert place.published() == {second.slug: EVENTS_EACH}


def test_without_a_landing_nothing_is_rebuilt(place: Place) -> None:
    with pytest.raises(WarehouseError, match="There is no intact landing"):
        rebuild(place.warehouse, place.settings)


@pytest.mark.parametrize("harm", [damage, remove, cut])
@pytest.mark.usefixtures("refreshed")
def test_without_an_intact_landing_nothing_is_changed(
    place: Place, harm: Callable[[Path], None]
) -> None:
    for file in place.settings.landing_path.glob("*/*/rows-*.parquet"):
        harm(file)
    before = place.settings.warehouse_path.read_bytes()
    with pytest.raises(WarehouseError, match="Nothing was changed"):
        rebuild(place.warehouse, place.settings)
    assert place.settings.warehouse_path.read_bytes() == before


def test_a_rebuild_keeps_the_histories_and_changes_nothing_in_them(changed: Place) -> None:
    before = histories(changed)
    assert completely_rebuilt(changed).lost is None
    assert histories(changed) == before


def test_histories_go_on_after_a_rebuild(changed: Place) -> None:
    before = histories(changed)
    rebuild(changed.warehouse, changed.settings)
    changed.refresh(world=still_world(EVENTS_EACH + 1))
    after = histories(changed)
    for name, own in after.items():
        current = [row for row in before[name] if row[-1] is None or row[-2] is None]
        assert {*own} >= {*before[name]} - {*current}
        assert len(own) > len(before[name])
    # One event came in each organization; that is not in the landings of before.
    new = {*after["marts.event_changes"]} - {*before["marts.event_changes"]}
    assert {row[3] for row in new} == {"inserted"}
    assert len(new) == 2


def test_a_renamed_slug_keeps_its_histories_in_a_rebuild(changed: Place) -> None:
    first, _ = changed.organizations
    before = {name: len(rows) for name, rows in histories(changed).items()}
    changed.configure(first.slug, slug="renamed")
    completely_rebuilt(changed)
    after = histories(changed)
    assert {name: len(rows) for name, rows in after.items()} == before
    assert {row[0] for rows in after.values() for row in rows} >= {"renamed"}
    assert first.slug not in {row[0] for rows in after.values() for row in rows}


def test_the_histories_of_an_organization_without_landings_are_not_closed(changed: Place) -> None:
    first, _ = changed.organizations
    before = changed.ask("FROM marts.event_history ORDER BY ALL", snapshot=False)
    shutil.rmtree(changed.settings.landing_path / first.slug)
    completely_rebuilt(changed)
    assert changed.ask("FROM marts.event_history ORDER BY ALL", snapshot=False) == before


def noise(place: Place) -> None:
    damage(place.settings.warehouse_path)


def missing(place: Place) -> None:
    remove(place.settings.warehouse_path)


def damaged_history(place: Place) -> None:
    """Damage the blocks of one table: the file can be opened, and its log be read."""
    query = "SELECT DISTINCT block_id FROM pragma_storage_info('{}') WHERE block_id >= 0"
    blocks, others = (
        {block for (block,) in place.ask(query.format(name), snapshot=False)}
        for name in ("marts.event_history", "raw.collections")
    )
    with place.settings.warehouse_path.open("r+b") as file:
        for block in blocks - others:
            file.seek(3 * 4096 + block * 262_144 + 4096)
            file.write(b"noise" * 100)


def other_columns(place: Place) -> None:
    place.change("ALTER TABLE marts.seat_history ALTER seats_confirmed TYPE VARCHAR")


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (noise, "not a valid DuckDB database file"),
        (missing, "there was no file"),
        (damaged_history, "Corrupt database file"),
        (other_columns, "seats_confirmed is VARCHAR NOT NULL, the contract says BIGINT NOT NULL"),
    ],
)
def test_histories_that_cannot_be_read_begin_anew_and_that_is_said(
    changed: Place, harm: Callable[[Place], None], why: str
) -> None:
    harm(changed)
    lost = completely_rebuilt(changed).lost or ""
    names = "marts.event_history, marts.event_changes, marts.seat_history"
    assert lost.startswith(f"{names} begin anew, and what they said of the past is lost: ")
    assert why in lost
    assert "\n" not in lost
    assert {row[-1] for row in histories(changed)["marts.event_history"]} == {"inserted"}
    assert histories(changed)["marts.event_changes"] == []


@pytest.mark.usefixtures("refreshed")
def test_a_lost_warehouse_is_rebuilt_before_one_organization_is_refreshed(place: Place) -> None:
    first, second = place.organizations
    place.settings.warehouse_path.unlink()
    assert place.refresh(slugs=[first.slug]).failed_organizations == ()
    assert place.published() == {first.slug: EVENTS_EACH, second.slug: EVENTS_EACH}


def test_a_forgotten_organization_is_nowhere(grown: Place) -> None:
    first, second = grown.organizations
    grown.organizations = (second,)
    removed = forget(grown.warehouse, grown.settings, first.slug)
    assert removed["raw.events"] == EVENTS_EACH + 2
    assert grown.published() == {second.slug: EVENTS_EACH + 2}
    names = (first.slug.encode(), str(first.identifier).encode())
    for path in grown.root.rglob("*"):
        assert first.slug not in path.name
        assert not path.is_file() or not any(name in path.read_bytes() for name in names), path


@pytest.mark.usefixtures("refreshed")
def test_nothing_is_removed_of_an_organization_that_nobody_knows(place: Place) -> None:
    assert forget(place.warehouse, place.settings, "nobody") == {}
    assert len(place.published()) == 2
