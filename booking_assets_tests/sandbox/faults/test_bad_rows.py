"""Bad rows stand among good ones, at positions that are known, and are counted."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from booking_assets.sandbox.faults.data import BAD_ROWS
from booking_assets_tests.sandbox.faults.conftest import EVENTS, SORT, Start, View, total

Pairs = list[tuple[str, Any]]

FAULTY_MEMBERS: dict[str, Pairs] = {
    "not_uuid": [("EventIdentifier", "not-a-uuid")],
    "no_identifier": [],
    "null_identifier": [("EventIdentifier", None)],
    "text_in_number": [("CapacityMaximum", "twelve")],
    "too_large": [("CapacityMaximum", 2**40)],
    "fraction": [("CapacityMaximum", 1.5)],
    "nan": [("CapacityMaximum", math.nan)],
    "impossible_date": [("EventScheduledStart", "2026-02-30T10:00:00-07:00")],
    "text_in_date": [("EventScheduledStart", "soon")],
    "object_in_text": [("EventTitle", [("en", ["text"])])],
    "invalid_utf8": [("EventTitle", "\udcff\udcfe\udc80")],
    "duplicate_members": [("CapacityMaximum", 1), ("CapacityMaximum", 2)],
}
"""What a bad row says in the members that went bad."""


def pages(faulty: View, size: int) -> list[Any]:
    """All rows, as lists of pairs, so that a member that comes twice is seen twice."""
    rows: list[Any] = []
    for page in range(1, 100):
        body = faulty.page(page, size).content.decode(errors="surrogateescape")
        found = json.loads(body, object_pairs_hook=list)
        if not found:
            break
        rows += found
    return rows


@pytest.mark.parametrize("kind", FAULTY_MEMBERS)
def test_three_rows_of_a_kind_are_bad_and_the_others_stay(
    start: Start, sound: View, kind: str
) -> None:
    expected, rows = pages(sound, 20), pages(start(f"bad_rows={kind}"), 20)
    assert len(rows) == len(expected)
    for position, (good, row) in enumerate(zip(expected, rows, strict=True)):
        if position not in {1, 3, 5}:
            assert row == good
            continue
        bad = FAULTY_MEMBERS[kind]
        names = {name for name, _ in bad} or {"EventIdentifier"}
        assert repr([pair for pair in row if pair[0] in names]) == repr(bad)
        assert [pair for pair in row if pair[0] not in names] == [
            pair for pair in good if pair[0] not in names
        ]


def test_a_row_may_be_no_object(start: Start, sound: View) -> None:
    expected, rows = sound.identifiers(1), start("bad_rows=not_object").page(1).json()
    assert [row for row in rows if not isinstance(row, dict)] == [
        [expected[1]],
        [expected[3]],
        [expected[5]],
    ]


@pytest.mark.parametrize("size", [7, 1000])
def test_one_of_each_kind_stands_where_it_stands_at_any_page_size(
    start: Start, sound: View, size: int
) -> None:
    expected, faulty = pages(sound, size), start("bad_rows=all")
    rows = pages(faulty, size)
    bad = [position for position, row in enumerate(rows) if row != expected[position]]
    assert bad == [2 * number + 1 for number in range(len(BAD_ROWS))]


def test_every_kind_is_tested() -> None:
    assert set(BAD_ROWS) == {*FAULTY_MEMBERS, "not_object"}


def test_bad_rows_are_counted_and_can_be_looked_up(start: Start, sound: View) -> None:
    faulty = start("bad_rows=all")
    identifiers = sound.all_pages()
    assert faulty.count() == total(faulty.page(1)) == len(identifiers)
    found = faulty.ask("search", PageSize=0, Sort=SORT).json()
    assert [row["EventIdentifier"] for row in found] == identifiers
    second = f"{EVENTS}/{identifiers[1]}"
    assert faulty.client.get(second).content == sound.client.get(second).content


def test_later_names_go_bad_too(start: Start) -> None:
    rows = start("bad_rows=not_uuid", "era=C").rows(1)
    assert rows[1]["EventId"] == "not-a-uuid"
    assert "EventIdentifier" not in rows[1]
