"""Landings that are not needed any more go, by what the load has listed, and no others."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import pytest

from booking_assets.collect.landing import MANIFEST
from booking_assets.objects import Objects
from booking_assets.pipeline.landings import load_landings
from booking_assets.warehouse.warehouse import Warehouse
from booking_assets_tests.pipeline.conftest import EVENTS_EACH
from booking_assets_tests.storage.conftest import BOTH, Shared
from booking_assets_tests.storage.test_landings import collected, loaded, log, stored

RESOURCES = 4


class Requests:
    """The lists and deletions that an object store was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lists: list[str] = []
        self.deletions: list[Collection[str]] = []
        list_folder, delete = Objects.list_folder, Objects.delete

        def listed(objects: Objects, folder: str) -> Any:
            self.lists.append(folder)
            return list_folder(objects, folder)

        def deleted(objects: Objects, keys: Collection[str]) -> None:
            self.deletions.append([*keys])
            delete(objects, keys)

        monkeypatch.setattr(Objects, "list_folder", listed)
        monkeypatch.setattr(Objects, "delete", deleted)


def before_the_next_transaction(monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> None:
    """Do something while landings are loaded: after they were listed."""
    store = Warehouse.store

    def stored(warehouse: Warehouse, *args: Any) -> Any:
        monkeypatch.setattr(Warehouse, "store", store)
        do()
        return store(warehouse, *args)

    monkeypatch.setattr(Warehouse, "store", stored)


def manifests(shared: Shared, resource: str = "events") -> list[str]:
    return [key for key in shared.keys(f"/{resource}/") if key.endswith(MANIFEST)]


@BOTH
def test_the_store_is_listed_once_however_many_landings_are_loaded(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, organizations = shared.settings.collect.landing_keep, len(shared.organizations)
    for number in range(kept):
        collected(shared.machine("worker"), run_id=str(number))
    load_landings(shared.warehouse, shared.settings)
    collected(shared.machine("worker"), run_id="next")
    requests = Requests(monkeypatch)
    assert load_landings(shared.warehouse, shared.settings) == organizations * RESOURCES
    assert requests.lists == ["landings"]
    # Manifests, then files; no failures.
    first, _, rest = requests.deletions
    assert len(first) == organizations * RESOURCES
    assert rest == []
    assert len(manifests(shared)) == organizations * kept
    assert shared.keys("/0000000001-") == []


def test_an_outage_of_many_rounds_is_loaded_and_pruned_to_the_newest(shared: Shared) -> None:
    kept, rounds = shared.settings.collect.landing_keep, 7
    for number in range(rounds):
        collected(shared.machine("worker"), run_id=str(number))
    loaded(shared)
    assert len(manifests(shared)) == kept * len(shared.organizations)
    newest = {f"{number:010}" for number in range(rounds - kept + 1, rounds + 1)}
    assert {key.split("/")[3].partition("-")[0] for key in manifests(shared)} == newest


def test_a_landing_that_arrives_while_others_are_loaded_stays_and_is_loaded_next(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = shared.settings.collect.landing_keep
    for number in range(kept + 1):
        collected(shared.machine("worker"), run_id=str(number))
        load_landings(shared.warehouse, shared.settings)
    collected(shared.machine("worker"), run_id="last")
    before_the_next_transaction(
        monkeypatch,
        lambda: collected(shared.machine("late"), events=EVENTS_EACH + 1, run_id="late"),
    )
    loaded(shared)
    assert len([key for key in manifests(shared) if "-late of late/" in key]) == 2
    assert len(manifests(shared)) == (kept + 1) * len(shared.organizations)
    loaded(shared)
    assert stored(shared) == dict.fromkeys(shared.settings.slugs, EVENTS_EACH + 1)
    assert len(manifests(shared)) == kept * len(shared.organizations)


def test_a_slow_collection_that_ends_while_newer_ones_are_loaded_is_overtaken(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected(shared.machine("slow"), run_id="0")
    unfinished = {key: shared.objects.read(key) for key in shared.keys(MANIFEST)}
    shared.objects.delete([*unfinished])
    for number in range(1, shared.settings.collect.landing_keep + 2):
        collected(shared.machine("quick"), events=EVENTS_EACH + 1, run_id=str(number))

    def finish() -> None:
        for key, manifest in unfinished.items():
            shared.objects.create(key, manifest)

    before_the_next_transaction(monkeypatch, finish)
    loaded(shared)
    assert shared.keys("/0000000001-0 of slow/rows-") == []
    loaded(shared)
    assert {status for _, number, status in log(shared) if number == 1} == {"overtaken"}
    assert {status for _, _, status in log(shared)} == {"overtaken", "complete"}
    assert stored(shared) == dict.fromkeys(shared.settings.slugs, EVENTS_EACH + 1)


def test_a_slow_collection_stays_while_all_newer_ones_are_damaged(shared: Shared) -> None:
    collected(shared.machine("worker"), run_id="0")
    collected(shared.machine("slow"), events=EVENTS_EACH + 1, run_id="1")
    unfinished = {key: shared.objects.read(key) for key in shared.keys(f"1 of slow/{MANIFEST}")}
    shared.objects.delete([*unfinished])
    for number in range(3, 3 + shared.settings.collect.landing_keep):
        collected(shared.machine("worker"), run_id=str(number))
        shared.objects.delete(shared.keys(f"-{number} of worker/rows-"))
    loaded(shared)
    assert stored(shared) == dict.fromkeys(shared.settings.slugs, EVENTS_EACH)
    for key, manifest in unfinished.items():
        shared.objects.create(key, manifest)
    loaded(shared)
    assert stored(shared) == dict.fromkeys(shared.settings.slugs, EVENTS_EACH + 1)
