"""Tickets in an object store: few are kept, and never is one taken twice or out of order."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest

from booking_assets.collect.object_landings import TICKETS_KEPT, ObjectLandings
from booking_assets.objects import Objects
from booking_assets_tests.storage.conftest import BOTH

IDENTIFIER = UUID(int=7)
TAKERS, EACH = 8, 15

Take = Callable[..., int]


@pytest.fixture
def landings(tmp_path: Path, objects: Objects) -> ObjectLandings:
    return ObjectLandings(tmp_path / "scratch", objects)


@pytest.fixture
def take(landings: ObjectLandings) -> Take:
    def taken(after: int = 0) -> int:
        return landings.take_ticket("slug", IDENTIFIER, after)

    return taken


def stored(landings: ObjectLandings) -> list[int]:
    return sorted(landings.listing().tickets[IDENTIFIER])


def before_the_next_creation(monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> None:
    """Do something between a taker's list and its creation."""
    create = Objects.create

    def created(objects: Objects, key: str, content: bytes) -> None:
        monkeypatch.setattr(Objects, "create", create)
        do()
        create(objects, key, content)

    monkeypatch.setattr(Objects, "create", created)


@BOTH
def test_few_tickets_are_kept_and_the_highest_of_them_always(
    landings: ObjectLandings, take: Take
) -> None:
    assert [take() for _ in range(7)] == [*range(1, 8)]
    assert stored(landings) == [5, 6, 7]
    assert take(after=99) == 100
    assert stored(landings) == [100]
    assert take() == 101


@BOTH
@pytest.mark.parametrize("others", [1, TICKETS_KEPT, TICKETS_KEPT + 1, 5 * TICKETS_KEPT])
def test_a_taker_that_stopped_before_it_created_gets_no_ticket_of_those_who_passed(
    landings: ObjectLandings, take: Take, monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    assert [take(), take()] == [1, 2]
    passed: list[int] = []
    before_the_next_creation(monkeypatch, lambda: passed.extend(take() for _ in range(others)))
    ticket = take()
    assert passed == [*range(3, 3 + others)]
    assert ticket == 3 + others
    assert take() == ticket + 1
    assert stored(landings) == [*range(ticket + 2 - TICKETS_KEPT, ticket + 2)]


def test_a_taker_that_stopped_gets_no_number_that_others_left_out(
    take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    take()
    before_the_next_creation(monkeypatch, lambda: take(after=99))
    assert take() == 101


@BOTH
def test_racing_takers_that_stop_anywhere_get_different_tickets_in_the_order_of_time(
    landings: ObjectLandings, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(7)
    create, delete = Objects.create, Objects.delete

    def pause() -> None:
        # Most are quick, so that many pass one that is slow.
        time.sleep(chance.choice([0, 0, 0, 0, 0.15]))

    def slow_create(objects: Objects, key: str, content: bytes) -> None:
        pause()
        create(objects, key, content)
        pause()

    def slow_delete(objects: Objects, keys: list[str]) -> None:
        pause()
        delete(objects, keys)

    monkeypatch.setattr(Objects, "create", slow_create)
    monkeypatch.setattr(Objects, "delete", slow_delete)

    def takes(_: int) -> list[tuple[float, int, float]]:
        return [(time.monotonic(), take(), time.monotonic()) for _ in range(EACH)]

    with ThreadPoolExecutor(TAKERS) as pool:
        taken = [one for own in pool.map(takes, range(TAKERS)) for one in own]
    assert len({ticket for _, ticket, _ in taken}) == TAKERS * EACH
    for begun, ticket, _ in taken:
        assert all(other < ticket for _, other, ended in taken if ended < begun)
    assert stored(landings)[-1] == max(ticket for _, ticket, _ in taken)
    take()
    assert len(stored(landings)) <= TICKETS_KEPT
