"""Rows come, go and change after so many pages, in every answer of the server alike."""

from __future__ import annotations

from uuid import UUID

import pytest

from booking_assets.sandbox import wire
from booking_assets_tests.sandbox.faults.conftest import EVENTS, SIZE, Start, View, total

LATEST = "LastChangeTime desc,EventIdentifier"


def test_a_row_inserted_between_pages_repeats_one_over_the_boundary(
    start: Start, sound: View
) -> None:
    expected = sound.all_pages()
    faulty = start("insert_between=1")
    before = faulty.count()
    first, second = faulty.identifiers(1), faulty.identifiers(2)
    assert (before, faulty.count()) == (len(expected), len(expected) + 1)
    assert (first, second[0]) == (expected[:SIZE], expected[SIZE - 1])
    inserted, *rest = faulty.all_pages()
    assert rest == expected
    assert faulty.identifiers(1, sort=LATEST)[0] == inserted
    found = faulty.ask("search", PageSize=0, Sort="EventIdentifier").json()
    assert [row["EventIdentifier"] for row in found] == [inserted, *expected]
    row = faulty.client.get(f"{EVENTS}/{inserted}").json()
    assert row["EventIdentifier"] == inserted
    assert row == faulty.rows(1)[0]


def test_rows_inserted_without_end_keep_the_order_of_identifiers(start: Start) -> None:
    faulty = start("insert_every=2")
    counts = []
    for _ in range(6):
        counts.append(faulty.count())
        faulty.page(1)
    assert [count - counts[0] for count in counts] == [0, 0, 1, 1, 2, 2]
    identifiers = faulty.identifiers(1, size=0)
    assert identifiers == sorted(identifiers, key=lambda text: wire.identifier_order(UUID(text)))
    assert len(set(identifiers)) == len(identifiers)


def test_a_row_deleted_between_pages_hides_another_and_the_numbers_agree(
    start: Start, sound: View
) -> None:
    expected = sound.all_pages()
    faulty = start("delete_between=1")
    seen = faulty.all_pages()
    assert seen == expected[:SIZE] + expected[SIZE + 1 :]
    assert faulty.count() == total(faulty.page(2)) == len(seen) == len(expected) - 1
    assert faulty.client.get(f"{EVENTS}/{expected[0]}").status_code == 404
    assert faulty.client.get(f"{EVENTS}/{expected[1]}").status_code == 200


def test_rows_changed_between_pages_keep_their_place_but_by_latest_change(
    start: Start, sound: View
) -> None:
    expected = sound.all_pages()
    faulty = start("change_between=1")
    before = faulty.rows(1, size=0)
    after = faulty.rows(1, size=0)
    changed = [old["EventIdentifier"] for old, new in zip(before, after, strict=True) if old != new]
    assert changed == [expected[0], expected[-1]]
    assert [row["EventIdentifier"] for row in after] == expected
    assert faulty.identifiers(1, sort=LATEST)[:2] == changed
    assert faulty.count() == len(expected)


@pytest.mark.parametrize("rows", [0, 5])
def test_a_rebuilt_read_model_answers_200_with_too_few_rows(start: Start, rows: int) -> None:
    faulty = start(f"rebuild={rows}")
    answer = faulty.page(1)
    assert (answer.status_code, len(answer.json()), total(answer)) == (200, rows, rows)
    assert faulty.count() == rows
    assert len(faulty.ask("search").json()) == rows


def test_only_what_moves_is_written_anew(start: Start, sound: View) -> None:
    faulty = start("insert_between=1")
    assert faulty.page(1).content == sound.page(1).content
    assert faulty.page(2).json()[1:] == sound.page(2).json()[:-1]
    retrieved = f"{EVENTS}/{sound.identifiers(3)[0]}"
    assert faulty.client.get(retrieved).content == sound.client.get(retrieved).content
    assert faulty.client.head(retrieved).status_code == 200
