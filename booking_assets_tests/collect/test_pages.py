"""The walk through pages: every page once, in a bounded number, whatever the server says."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from booking_assets.api.client import Page
from booking_assets.collect.pages import each, walk


class Shelf:
    """A server of numbers: `cap` limits its pages, `says_total` and `says_size` fill its header."""

    def __init__(
        self, rows: int, *, cap: int = 10**9, says_total: bool = True, says_size: bool = True
    ) -> None:
        self.rows = rows
        self.asked: list[tuple[int, int]] = []
        self._cap = cap
        self._says_total = says_total
        self._says_size = says_size
        self._lock = threading.Lock()

    def page(self, number: int, size: int) -> Page[list[int]]:
        with self._lock:
            self.asked.append((number, size))
        served = min(size, self._cap)
        rows = list(range(self.rows))[(number - 1) * served : number * served]
        return Page(
            number,
            rows,
            self.rows if self._says_total else None,
            (served if self._says_size else size) if self._says_total else None,
        )

    def walk(self, page_size: int, expected: int, concurrency: int = 3) -> list[int]:
        pages = walk(self.page, len, page_size, expected, concurrency)
        return [row for page in pages for row in page.content]


@settings(deadline=None)
@given(
    rows=st.integers(0, 60),
    page_size=st.integers(1, 70),
    cap=st.integers(1, 70),
    says_total=st.booleans(),
    says_size=st.booleans(),
    concurrency=st.integers(1, 4),
)
def test_every_row_comes_once_when_nothing_moves(
    rows: int, page_size: int, cap: int, says_total: bool, says_size: bool, concurrency: int
) -> None:
    shelf = Shelf(rows, cap=cap, says_total=says_total, says_size=says_size)
    assert sorted(shelf.walk(page_size, rows, concurrency)) == list(range(rows))
    assert len({number for number, _ in shelf.asked}) == len(shelf.asked)
    assert len(shelf.asked) <= rows // min(page_size, cap) + 2


def test_pages_and_their_size_are_asked_for_by_number() -> None:
    shelf = Shelf(25)
    shelf.walk(10, 25)
    assert sorted(shelf.asked) == [(1, 10), (2, 10), (3, 10)]


@pytest.mark.parametrize("says_size", [True, False], ids=["and says so", "in silence"])
def test_a_server_that_caps_the_size_is_asked_for_what_it_serves(says_size: bool) -> None:
    shelf = Shelf(25, cap=10, says_size=says_size)
    shelf.walk(1000, 25)
    assert sorted(shelf.asked) == [(1, 1000), (2, 10), (3, 10)]


def test_a_server_that_ignores_the_size_is_not_asked_again_and_again() -> None:
    asked = []

    def everything(number: int, size: int) -> Page[list[int]]:
        asked.append(number)
        return Page(number, list(range(500)), 500, None)

    pages = list(walk(everything, len, 5, 500, 2))
    assert (len(pages), asked) == (1, [1])


def test_a_resource_without_rows_is_asked_for_one_page() -> None:
    shelf = Shelf(0)
    assert shelf.walk(10, 0) == []
    assert shelf.asked == [(1, 10)]


@pytest.mark.parametrize("says_total", [True, False], ids=["with totals", "without totals"])
def test_rows_that_appear_meanwhile_are_walked_to(says_total: bool) -> None:
    shelf = Shelf(20, says_total=says_total)

    def page(number: int, size: int) -> Page[list[int]]:
        answer = shelf.page(number, size)
        shelf.rows = 35
        return answer

    rows = {row for page in walk(page, len, 10, 20, 1) for row in page.content}
    assert rows == set(range(35))


def test_rows_that_vanish_meanwhile_leave_empty_pages() -> None:
    shelf = Shelf(30)

    def page(number: int, size: int) -> Page[list[int]]:
        answer = shelf.page(number, size)
        shelf.rows = 5
        return answer

    assert [len(page.content) for page in walk(page, len, 10, 30, 1)] == [10, 0, 0]


@pytest.mark.parametrize("says_total", [True, False], ids=["with totals", "without totals"])
def test_growth_without_end_comes_to_an_end(says_total: bool) -> None:
    def full(number: int, size: int) -> Page[list[int]]:
        return Page(number, [0] * size, 10**9 * number if says_total and number > 1 else None, None)

    pages = list(walk(full, len, 10, 100, 4))
    assert len(pages) == 21


def test_a_failed_page_ends_the_walk_before_further_pages_are_asked_for() -> None:
    shelf = Shelf(1000)

    def page(number: int, size: int) -> Page[list[int]]:
        answer = shelf.page(number, size)
        if number == 3:
            raise OSError("page 3")
        return answer

    with pytest.raises(OSError, match="page 3"):
        list(walk(page, len, 1, 1000, 2))
    assert len(shelf.asked) <= 5


def test_whoever_stops_listening_stops_the_asking() -> None:
    shelf = Shelf(1000)
    pages = walk(shelf.page, len, 1, 1000, 2)
    assert [next(pages).number for _ in range(2)]
    pages.close()  # type: ignore[attr-defined]  # a generator
    assert len(shelf.asked) <= 4


def test_no_more_pages_are_in_flight_than_agreed() -> None:
    in_flight, most = 0, 0
    lock = threading.Lock()
    both = threading.Barrier(2)

    def page(number: int, size: int) -> Page[list[int]]:
        nonlocal in_flight, most
        with lock:
            in_flight += 1
            most = max(most, in_flight)
        if number in (2, 3):
            both.wait(timeout=10)
        with lock:
            in_flight -= 1
        return Page(number, [number], 9, 1)

    list(walk(page, len, 1, 9, 2))
    assert most == 2


def test_single_questions_are_answered_in_their_order() -> None:
    assert list(each(str, [3, 1, 2], 2)) == ["3", "1", "2"]
