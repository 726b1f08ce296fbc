"""Pages overlap, skip, are capped, or come with numbers that do not agree."""

from __future__ import annotations

import json

import pytest

from booking_assets_tests.sandbox.faults.conftest import SIZE, Start, View, total


@pytest.mark.parametrize(("name", "told"), [("cap_page_size", 7), ("cap_page_size_silently", SIZE)])
def test_a_cap_cuts_the_pages(start: Start, sound: View, name: str, told: int) -> None:
    expected = sound.all_pages()
    faulty = start(f"{name}=7")
    answer = faulty.page(1)
    assert len(answer.json()) == 7
    assert json.loads(answer.headers["x-query-pagination"]) == {
        "Page": 1,
        "PageSize": told,
        "TotalCount": len(expected),
    }
    assert len(faulty.page(0, size=0).json()) == 7
    assert len(faulty.page(1, size=3).json()) == 3
    assert faulty.all_pages() == expected


def test_rows_repeat_over_the_boundaries_and_the_last_never_come(start: Start, sound: View) -> None:
    expected = sound.all_pages()
    faulty = start("repeat_rows=2")
    assert faulty.identifiers(1) == expected[:SIZE]
    assert faulty.identifiers(2) == expected[SIZE - 2 : 2 * SIZE - 2]
    assert faulty.count() == total(faulty.page(2)) == len(expected)


def test_rows_are_skipped_after_the_first_page(start: Start, sound: View) -> None:
    expected = sound.all_pages()
    faulty = start("skip_rows=2")
    assert faulty.all_pages() == expected[:SIZE] + expected[SIZE + 2 :]
    assert faulty.count() == total(faulty.page(2)) == len(expected)


def test_an_ignored_sort_repeats_and_misses_rows(start: Start, sound: View) -> None:
    expected = sound.all_pages()
    seen = start("unsorted").all_pages()
    assert len(seen) == len(expected)
    assert set(seen) < set(expected)


def test_the_count_is_off_alone(start: Start, sound: View) -> None:
    rows = len(sound.all_pages())
    faulty = start("count_off=-3")
    assert faulty.count() == rows - 3
    assert total(faulty.page(1)) == len(faulty.all_pages()) == rows
    assert start("count_off=-1000").count() == 0


def test_the_header_is_off_alone(start: Start, sound: View) -> None:
    rows = len(sound.all_pages())
    faulty = start("header_off=4")
    assert total(faulty.page(1)) == total(faulty.ask("search")) == rows + 4
    assert faulty.count() == len(faulty.all_pages()) == rows


def test_pages_may_come_without_a_header(start: Start) -> None:
    faulty = start("no_header")
    for operation in ("collect", "search"):
        answer = faulty.ask(operation)
        assert len(answer.json()) == SIZE
        assert "x-query-pagination" not in answer.headers
