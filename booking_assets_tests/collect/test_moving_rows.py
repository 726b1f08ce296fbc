"""Rows that move while they are read: each is found, kept or removed, also where counts hide it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from booking_assets.collect import verification
from booking_assets.collect.collection import Collected
from booking_assets.collect.errors import ForeignRows, Incomplete
from booking_assets_tests.collect.booking import Answer, Booking, Request
from booking_assets_tests.collect.conftest import MakeCollection
from booking_assets_tests.collect.events import OTHER, event, identifier, page_of, spliced
from booking_assets_tests.collect.outcomes import before, fill, landed, run, titles


@pytest.mark.parametrize("gone", [1, 5, 10])
@pytest.mark.parametrize("new", [11.5, 24.5, 99])
@pytest.mark.parametrize("at_once", [verification.BUCKET_KEYS, 4])
def test_a_deletion_and_an_insertion_that_every_count_hides_are_found(
    booking: Booking,
    collection_from: MakeCollection,
    monkeypatch: pytest.MonkeyPatch,
    gone: int,
    new: float,
    at_once: int,
) -> None:
    """One row moves from the next page to the last one and is skipped; all totals stay."""
    monkeypatch.setattr(verification, "BUCKET_KEYS", at_once)
    booking.rows = {2 * n: event(2 * n) for n in range(1, 26)}

    def move(request: Request) -> None:
        if request == Request("collect", 2, 10) and 2 * gone in booking.rows:
            del booking.rows[2 * gone]
            booking.rows[int(2 * new)] = event(int(2 * new))

    booking.before = move
    outcome, stats = run(collection_from(booking, max_concurrency=1))
    assert landed(outcome) == titles(booking)
    assert stats.counts == {25}


@pytest.mark.parametrize("status", [403, 404])
def test_without_permission_to_list_identifiers_stable_counts_suffice(
    booking: Booking, collection_from: MakeCollection, status: int
) -> None:
    fill(booking, 25)
    booking.instead = lambda request: Answer(status, b"") if request.verb == "search" else None
    outcome, _ = run(collection_from(booking))
    assert landed(outcome) == titles(booking)


def test_rows_whose_identifiers_are_no_uuids_are_counted_and_not_requested(
    booking: Booking, collection_from: MakeCollection
) -> None:
    fill(booking, 15)
    many = verification.MAX_REFETCHED_ROWS + 1
    odd = {n: event(n, EventIdentifier=f"number {n}") for n in range(100, 100 + many)}
    booking.rows |= odd
    usual = [{"EventIdentifier": identifier(n)} for n in range(1, 16)]
    listed = page_of([*usual, *({"EventIdentifier": f"number {n}"} for n in odd)])
    booking.instead = lambda request: Answer(200, listed) if request.verb == "search" else None
    outcome, stats = run(collection_from(booking))
    assert isinstance(outcome, Collected)
    assert (stats.rows_loaded, stats.rows_rejected) == (15, many)


@pytest.mark.parametrize("row", [{"EventNumber": 7}, "[]", {"EventIdentifier": 5}])
def test_a_rejected_row_without_identifier_is_not_requested_again(
    booking: Booking, collection_from: MakeCollection, row: dict[str, Any] | str
) -> None:
    fill(booking, 25)
    booking.rows[next(iter(booking.rows))] = row
    outcome, stats = run(collection_from(booking))
    assert isinstance(outcome, Collected)
    assert (stats.rows_loaded, stats.rows_rejected, stats.requests) == (24, 1, 6)


WITHOUT_IDENTIFIER = {
    "no identifier": event(7, EventIdentifier=None),
    "a number as identifier": event(7, EventIdentifier=7),
    "an identifier in camel case": event(7, EventIdentifier=None, eventIdentifier=identifier(7)),
    "no object": "null",
}


@pytest.mark.parametrize("row", WITHOUT_IDENTIFIER.values(), ids=WITHOUT_IDENTIFIER)
@pytest.mark.parametrize("moving", [False, True], ids=["at rest", "while rows move"])
def test_a_row_without_identifier_among_several_pages_costs_only_itself(
    booking: Booking, collection_from: MakeCollection, row: dict[str, Any] | str, moving: bool
) -> None:
    fill(booking, 25)
    booking.rows[7] = row

    def listed() -> bytes:
        return page_of(
            {} if number == 7 else {"EventIdentifier": identifier(number)}
            for number in sorted(booking.rows)
        )

    booking.instead = lambda request: (
        Answer(200, listed(), len(booking.rows)) if request.verb == "search" else None
    )
    if moving:
        before(booking, Request("collect", 2, 10), lambda: inserted_behind(booking.rows))
    outcome, stats = run(collection_from(booking, max_concurrency=1))
    good = {identifier(number): f"Event {number}" for number in booking.rows if number != 7}
    assert landed(outcome) == good
    assert (stats.rows_loaded, stats.rows_rejected) == (25 + moving, 1)
    assert stats.retries == 0


@pytest.mark.parametrize("depth", [1_500, 3_000, 50_000])
@pytest.mark.parametrize("moving", [False, True], ids=["at rest", "while rows move"])
def test_a_deep_row_among_several_pages_costs_only_itself(
    booking: Booking, collection_from: MakeCollection, depth: int, moving: bool
) -> None:
    fill(booking, 25)
    booking.rows[7] = spliced(7, "Novelty", "[" * depth + "]" * depth)
    if moving:
        before(booking, Request("collect", 2, 10), lambda: inserted_behind(booking.rows))
    outcome, stats = run(collection_from(booking, max_concurrency=1))
    assert isinstance(outcome, Collected)
    assert (stats.rows_loaded, stats.rows_rejected) == (25 + moving, 1)
    assert stats.retries == 0


def deleted_behind(rows: dict[int, Any]) -> None:
    rows.pop(2)


def deleted_ahead(rows: dict[int, Any]) -> None:
    rows.pop(50)


def inserted_behind(rows: dict[int, Any]) -> None:
    rows[1] = event(1)


def inserted_ahead(rows: dict[int, Any]) -> None:
    rows[49] = event(49)


def inserted_at_the_end(rows: dict[int, Any]) -> None:
    rows.update({number: event(number) for number in range(100, 120)})


def inserted_rejected(rows: dict[int, Any]) -> None:
    rows[1] = event(1, EventTitle="rejected", CapacityMaximum="x")


def replaced(rows: dict[int, Any]) -> None:
    deleted_behind(rows)
    inserted_at_the_end(rows)


def many_deleted(rows: dict[int, Any]) -> None:
    for number in range(2, 20, 2):
        rows.pop(number)


MOVES = [
    *(deleted_behind, deleted_ahead, inserted_behind, inserted_ahead, inserted_at_the_end),
    *(inserted_rejected, replaced, many_deleted),
]


@pytest.mark.parametrize("page", [2, 3])
@pytest.mark.parametrize("move", MOVES, ids=lambda move: move.__name__)
def test_rows_that_move_while_they_are_read_are_all_there_in_the_end(
    booking: Booking, collection_from: MakeCollection, move: Callable[[object], None], page: int
) -> None:
    fill(booking, 25)
    before(booking, Request("collect", page, 10), lambda: move(booking.rows))
    outcome, stats = run(collection_from(booking, max_concurrency=1))
    rows = landed(outcome)
    expected = titles(booking)
    assert rows == {one: title for one, title in expected.items() if title != "rejected"}
    assert stats.rows_distinct == stats.count_after == len(booking.rows)
    # Reconciled with single requests, not collected again.
    assert len([request for request in booking.requests if request.verb == "collect"]) <= 5


def test_a_row_that_changes_between_two_arrivals_is_kept_as_it_is_now(
    booking: Booking, collection_from: MakeCollection
) -> None:
    fill(booking, 15)

    def move() -> None:
        booking.rows[1] = event(1)
        booking.rows[20] = event(20, EventTitle="now", LastChangeTime="2026-02-01T00:00:00+00:00")

    before(booking, Request("collect", 2, 10), move)
    outcome, stats = run(collection_from(booking, max_concurrency=1))
    assert landed(outcome)[identifier(20)] == "now"
    assert stats.duplicates_dropped == 1


@pytest.mark.parametrize("wrong", [(1, 1), (1, 3)], ids=["page 2 repeats page 1", "page 2 skips"])
def test_pages_that_repeat_and_skip_rows_are_reconciled(
    booking: Booking, collection_from: MakeCollection, wrong: tuple[int, int]
) -> None:
    fill(booking, 25)
    numbers = sorted(booking.rows)
    start, stop = (wrong[0] - 1) * 10, wrong[1] * 10
    page = page_of(booking.rows[n] for n in numbers[start:stop][:10])
    booking.instead = lambda request: (
        Answer(200, page, 25) if request == Request("collect", 2, 10) else None
    )
    outcome, stats = run(collection_from(booking))
    assert landed(outcome) == titles(booking)
    assert (stats.rows_received, stats.duplicates_dropped) == (35, 10)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.integers(0, 12),
    moves=st.lists(st.integers(0, 30), max_size=6),
    deleting=st.booleans(),
    page_size=st.integers(1, 5),
)
def test_whenever_rows_come_or_go_those_that_stayed_are_there_and_none_that_never_was(
    booking: Booking,
    collection_from: MakeCollection,
    rows: int,
    moves: list[int],
    deleting: bool,
    page_size: int,
) -> None:
    booking.rows = {}
    fill(booking, rows)
    remaining = list(moves)
    counted: list[dict[str, str]] = []

    def move(request: Request) -> None:
        if remaining and (number := remaining.pop()):
            if deleting:
                booking.rows.pop(2 * number, None)
            else:
                booking.rows[2 * number + 1] = event(2 * number + 1)
        if request.verb == "count":
            counted.append(titles(booking))

    booking.before = move
    outcome, _ = run(collection_from(booking, page_size=page_size, max_concurrency=1))
    if not isinstance(outcome, Incomplete):
        first, *others = (set(titles) for titles in counted)
        assert first.intersection(*others) <= set(landed(outcome)) <= first.union(*others)


def test_totals_beside_pages_that_differ_from_the_count_are_reconciled(
    booking: Booking, collection_from: MakeCollection
) -> None:
    fill(booking, 5)
    booking.instead = lambda request: (
        Answer(200, page_of(booking.rows.values()), 6) if request.verb == "collect" else None
    )
    outcome, _ = run(collection_from(booking))
    assert landed(outcome) == titles(booking)
    assert Request("search", 1, 5000) in booking.requests


def test_too_many_mismatched_rows_are_collected_again(
    booking: Booking, collection_from: MakeCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "MAX_REFETCHED_ROWS", 4)
    fill(booking, 25)
    before(booking, Request("collect", 2, 10), lambda: many_deleted(booking.rows))
    outcome, stats = run(collection_from(booking, max_concurrency=1))
    assert landed(outcome) == titles(booking)
    assert (stats.rows_received, stats.count_before) == (16, 16)
    assert {request.verb for request in booking.requests} == {"count", "collect", "search"}


@pytest.mark.parametrize("status", [403, 404])
def test_a_release_that_gives_no_identifiers_has_moving_rows_collected_again(
    booking: Booking, collection_from: MakeCollection, status: int
) -> None:
    fill(booking, 25)
    before(booking, Request("collect", 2, 10), lambda: deleted_behind(booking.rows))
    booking.instead = lambda request: Answer(status, b"") if request.verb == "search" else None
    outcome, _ = run(collection_from(booking, max_concurrency=1))
    assert landed(outcome) == titles(booking)


def test_an_incomplete_list_of_identifiers_drops_no_row(
    booking: Booking, collection_from: MakeCollection
) -> None:
    fill(booking, 25)
    before(booking, Request("collect", 2, 10), lambda: inserted_behind(booking.rows))
    listed = page_of([{"EventIdentifier": identifier(2)}])
    booking.instead = lambda request: Answer(200, listed, 1) if request.verb == "search" else None
    outcome, _ = run(collection_from(booking, max_concurrency=1))
    assert landed(outcome) == titles(booking)


@pytest.mark.parametrize("answered", [40, 99], ids=["an event that arrived", "an unknown event"])
@pytest.mark.parametrize("happened", ["insertion", "deletion"])
def test_another_event_than_the_requested_one_is_never_stored_in_its_place(
    booking: Booking, collection_from: MakeCollection, answered: int, happened: str
) -> None:
    fill(booking, 25)
    move = inserted_behind if happened == "insertion" else deleted_behind
    before(booking, Request("collect", 2, 10), lambda: move(booking.rows))
    other = page_of([event(answered)])[1:-1]
    verbs = ("count", "collect", "search")
    booking.instead = lambda request: Answer(200, other) if request.verb not in verbs else None
    outcome, _ = run(collection_from(booking, max_concurrency=1, attempts=1))
    assert isinstance(outcome, Incomplete)
    assert "another row where" in outcome.reason


def test_a_refetched_row_may_be_foreign_too(
    booking: Booking, collection_from: MakeCollection
) -> None:
    fill(booking, 25)
    foreign = event(1, OrganizationIdentifier=str(OTHER))
    before(booking, Request("collect", 2, 10), lambda: booking.rows.update({1: foreign}))
    outcome, _ = run(collection_from(booking, max_concurrency=1))
    assert isinstance(outcome, ForeignRows)
