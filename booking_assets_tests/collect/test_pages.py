"""Fetching pages: every page once, in a bounded number, for any answers of the server."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from booking_assets.api.client import Page
from booking_assets.collect.pages import fetch_pages, map_concurrently
from booking_assets_tests.commands import SECONDS


class Shelf:
    """A server of numbers; `cap` limits its pages, `sends_total` fills its header."""

    def __init__(self, rows: int, *, cap: int = 10**9, sends_total: bool = True) -> None:
        self.rows = rows
        self.requests: list[tuple[int, int]] = []
        self._cap = cap
        self._sends_total = sends_total
        self._lock = threading.Lock()

    def page(self, number: int, size: int) -> Page[list[int]]:
        with self._lock:
            self.requests.append((number, size))
        served = min(size, self._cap)
        rows = list(range(self.rows))[(number - 1) * served : number * served]
        return Page(number, rows, self.rows if self._sends_total else None)

    def fetch(self, page_size: int, expected: int, concurrency: int = 3) -> list[int]:
        pages = fetch_pages(self.page, len, page_size, expected, concurrency)
        return [row for page in pages for row in page.content]


@settings(deadline=None)
@given(
    rows=st.integers(0, 60),
    page_size=st.integers(1, 70),
    cap=st.integers(1, 70),
    sends_total=st.booleans(),
    concurrency=st.integers(1, 4),
)
def test_every_row_arrives_once_when_nothing_moves(
    rows: int, page_size: int, cap: int, sends_total: bool, concurrency: int
) -> None:
    shelf = Shelf(rows, cap=cap, sends_total=sends_total)
    assert sorted(shelf.fetch(page_size, rows, concurrency)) == list(range(rows))
    assert len({number for number, _ in shelf.requests}) == len(shelf.requests)
    assert len(shelf.requests) <= rows // min(page_size, cap) + 2


def test_pages_are_requested_by_number_and_size() -> None:
    shelf = Shelf(25)
    shelf.fetch(10, 25)
    assert sorted(shelf.requests) == [(1, 10), (2, 10), (3, 10)]


def test_a_capped_page_size_is_used_for_the_other_pages() -> None:
    shelf = Shelf(25, cap=10)
    shelf.fetch(1000, 25)
    assert sorted(shelf.requests) == [(1, 1000), (2, 10), (3, 10)]


def test_a_server_that_ignores_the_size_gets_a_single_request() -> None:
    requests = []

    def everything(number: int, size: int) -> Page[list[int]]:
        requests.append(number)
        return Page(number, list(range(500)), 500)

    pages = list(fetch_pages(everything, len, 5, 500, 2))
    assert (len(pages), requests) == (1, [1])


def test_a_resource_without_rows_takes_one_request() -> None:
    shelf = Shelf(0)
    assert shelf.fetch(10, 0) == []
    assert shelf.requests == [(1, 10)]


def test_rows_that_vanish_meanwhile_leave_empty_pages() -> None:
    shelf = Shelf(30)

    def page(number: int, size: int) -> Page[list[int]]:
        answer = shelf.page(number, size)
        shelf.rows = 5
        return answer

    assert [len(page.content) for page in fetch_pages(page, len, 10, 30, 1)] == [10, 0]


@pytest.mark.parametrize("total", [10**7, 31, 3, 0, None])
def test_pages_follow_from_the_count_and_not_from_a_total(total: int | None) -> None:
    shelf = Shelf(30)

    def page(number: int, size: int) -> Page[list[int]]:
        return replace(shelf.page(number, size), total_count=total)

    rows = [row for page in fetch_pages(page, len, 10, 30, 4) for row in page.content]
    assert sorted(rows) == list(range(30))
    assert sorted(shelf.requests) == [(1, 10), (2, 10), (3, 10)]


@pytest.mark.parametrize("count", [10**7, 333_334, 41])
def test_an_empty_page_ends_the_pages_of_a_count_that_is_too_high(count: int) -> None:
    shelf = Shelf(30, sends_total=False)
    rows = shelf.fetch(10, count, concurrency=4)
    assert sorted(rows) == list(range(30))
    assert len(shelf.requests) <= 30 // 10 + 4 + 1


def test_a_short_page_is_the_last_only_where_the_count_says_so() -> None:
    shelf = Shelf(30)

    def page(number: int, size: int) -> Page[list[int]]:
        answer = shelf.page(number, size)
        return replace(answer, content=answer.content[:4]) if number == 2 else answer

    assert [len(page.content) for page in fetch_pages(page, len, 10, 30, 1)] == [10, 4, 10]


def test_a_failed_page_stops_further_requests() -> None:
    shelf = Shelf(1000)

    def page(number: int, size: int) -> Page[list[int]]:
        answer = shelf.page(number, size)
        if number == 3:
            raise OSError("page 3")
        return answer

    with pytest.raises(OSError, match="page 3"):
        list(fetch_pages(page, len, 1, 1000, 2))
    assert len(shelf.requests) <= 5


def test_closing_the_pages_stops_further_requests() -> None:
    shelf = Shelf(1000)
    pages = fetch_pages(shelf.page, len, 1, 1000, 2)
    assert [next(pages).number for _ in range(2)]
    pages.close()  # type: ignore[attr-defined]  # a generator
    assert len(shelf.requests) <= 4


def test_pages_in_flight_are_bounded() -> None:
    in_flight, most = 0, 0
    lock = threading.Lock()
    both = threading.Barrier(2)

    def page(number: int, size: int) -> Page[list[int]]:
        nonlocal in_flight, most
        with lock:
            in_flight += 1
            most = max(most, in_flight)
        if number in (2, 3):
            both.wait(timeout=SECONDS)
        with lock:
            in_flight -= 1
        return Page(number, [number], 9)

    list(fetch_pages(page, len, 1, 9, 2))
    assert most == 2


def test_single_requests_keep_the_order_of_their_arguments() -> None:
    assert list(map_concurrently(str, [3, 1, 2], 2)) == ["3", "1", "2"]
