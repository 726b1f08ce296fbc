"""A collection is complete against its counts, or fails with the numbers."""

from __future__ import annotations

import pickle

import polars as pl
import pytest

from booking_assets.api.errors import Unauthorized, Unavailable
from booking_assets.collect import verification
from booking_assets.collect.collection import Collected
from booking_assets.collect.errors import (
    CollectionFailed,
    ForeignRows,
    Incomplete,
    Shrunk,
    Stopped,
)
from booking_assets.collect.landing import read_landing
from booking_assets.collect.stats import collections_frame
from booking_assets.pipeline.progress import NoProgress
from booking_assets.transforms.check_rules import unaccounted
from booking_assets_tests.collect.booking import Answer, Booking, Request
from booking_assets_tests.collect.conftest import MakeCollection
from booking_assets_tests.collect.events import OTHER, event, identifier, page_of
from booking_assets_tests.collect.outcomes import before, fill, landed, left_on_disk, run, titles


def test_unchanged_rows_are_counted_collected_counted_again_and_landed(
    booking: Booking, collection_from: MakeCollection
) -> None:
    fill(booking, 25)
    outcome, stats = run(collection_from(booking, max_concurrency=1))
    assert landed(outcome) == titles(booking)
    pages = [Request("collect", page, 10) for page in (1, 2, 3)]
    assert booking.requests[:4] == [Request("count"), *pages]
    listing = Request("search", 1, verification.SEARCH_PAGE_SIZE)
    assert {*booking.requests[4:]} == {Request("count"), listing}
    assert (stats.count_before, stats.count_after, stats.rows_received) == (25, 25, 25)
    assert (stats.pages, stats.requests, stats.retries) == (3, 6, 0)
    assert stats.bytes_received > len(page_of(booking.rows.values()))
    assert stats.status == "complete"


@pytest.mark.parametrize("sends_total", [True, False])
def test_a_single_page_with_a_total_needs_no_list_of_identifiers_and_no_other_count(
    booking: Booking, collection_from: MakeCollection, sends_total: bool
) -> None:
    fill(booking, 10)
    booking.sends_total = sends_total
    outcome, stats = run(collection_from(booking))
    assert landed(outcome) == titles(booking)
    again = [] if sends_total else [Request("count")]
    assert booking.requests == [Request("count"), Request("collect", 1, 10), *again]
    assert (stats.count_before, stats.count_after) == (10, 10)


@pytest.mark.parametrize("total", [9, 11])
def test_a_single_page_whose_total_is_not_the_number_of_its_rows_is_counted_again(
    booking: Booking, collection_from: MakeCollection, total: int
) -> None:
    fill(booking, 10)
    booking.total = total
    outcome, _ = run(collection_from(booking))
    assert landed(outcome) == titles(booking)
    verbs = [request.verb for request in booking.requests]
    assert verbs[:4] == ["count", "collect", "count", "search"]


def test_a_landing_records_the_stats(booking: Booking, collection_from: MakeCollection) -> None:
    booking.rows = {1: event(1, Novelty=1), 2: event(2, CapacityMaximum="x")}
    collection = collection_from(booking)
    outcome, stats = run(collection)
    assert isinstance(outcome, Collected)
    assert left_on_disk(collection) == [outcome.landing.folder]
    stored = read_landing(outcome.landing.folder).log_row
    assert stored == stats.log_row() | {"finished_at": stored["finished_at"]}
    assert (stored["rows_loaded"], stored["rows_rejected"]) == (1, 1)
    rows = pl.concat([pl.read_parquet(path) for path in outcome.landing.rows])
    assert rows["collected_at"].to_list() == [stats.started_at]
    assert outcome.unknown == {"Novelty"}


def test_nothing_counted_and_nothing_collected_is_an_empty_slice(
    booking: Booking, collection_from: MakeCollection
) -> None:
    outcome, stats = run(collection_from(booking))
    assert landed(outcome) == {}
    assert (stats.count_before, stats.pages, stats.status) == (0, 1, "complete")


def test_rejected_rows_count_as_rows(booking: Booking, collection_from: MakeCollection) -> None:
    booking.rows = {1: event(1), 2: event(2, CapacityMaximum="x"), 3: "null", 4: "null"}
    outcome, stats = run(collection_from(booking))
    assert len(landed(outcome)) == 1
    assert (stats.rows_received, stats.rows_rejected) == (4, 3)


def test_one_foreign_row_among_many_stores_nothing(
    booking: Booking, collection_from: MakeCollection
) -> None:
    fill(booking, 25)
    booking.rows[44] = event(44, OrganizationIdentifier=str(OTHER))
    collection = collection_from(booking)
    outcome, _ = run(collection)
    assert isinstance(outcome, ForeignRows)
    assert left_on_disk(collection) == []


def test_a_count_that_no_page_confirms_fails_with_the_numbers_after_bounded_attempts(
    booking: Booking, collection_from: MakeCollection
) -> None:
    fill(booking, 25)
    booking.instead = lambda request: (
        Answer(200, b'{"Count": 27}') if request.verb == "count" else None
    )
    collection = collection_from(booking)
    outcome, stats = run(collection)
    assert isinstance(outcome, Incomplete)
    assert "25 distinct rows arrived" in outcome.reason
    assert "27 before and 27 after" in outcome.reason
    assert (
        len([request for request in booking.requests if request == Request("collect", 1, 10)]) == 3
    )
    assert left_on_disk(collection) == []
    assert (stats.rows_loaded, stats.count_after) == (25, 27)


@pytest.mark.parametrize("sends_total", [True, False], ids=["with totals", "without a header"])
def test_a_server_that_caps_its_pages_loses_no_row(
    booking: Booking, collection_from: MakeCollection, sends_total: bool
) -> None:
    fill(booking, 25)
    booking.cap, booking.sends_total = 4, sends_total
    outcome, stats = run(collection_from(booking))
    assert landed(outcome) == titles(booking)
    assert stats.duplicates_dropped == 0


@pytest.mark.parametrize(
    ("stored_rows", "allow_shrink", "refused"),
    [
        pytest.param(None, False, False, id="first load"),
        pytest.param(4, False, False, id="half is left"),
        pytest.param(7, False, False, id="no more than the floor would go"),
        pytest.param(8, False, True, id="more than half would go"),
        pytest.param(8, True, False, id="a person allows it"),
    ],
)
def test_a_slice_that_shrinks_sharply_fails_until_a_person_allows_it(
    booking: Booking,
    collection_from: MakeCollection,
    stored_rows: int | None,
    allow_shrink: bool,
    refused: bool,
) -> None:
    fill(booking, 2)
    collection = collection_from(booking, stored_rows=stored_rows, allow_shrink=allow_shrink)
    outcome, stats = run(collection)
    assert isinstance(outcome, Shrunk) is refused
    if isinstance(outcome, Shrunk):
        assert "2 rows where 8 are stored" in str(outcome)
        assert "--allow-shrink" in str(outcome)
        assert left_on_disk(collection) == []
        assert (stats.rows_loaded, stats.count_after) == (2, 2)


def test_a_first_load_that_rejects_every_row_is_not_complete(
    booking: Booking, collection_from: MakeCollection
) -> None:
    booking.rows = {n: event(n, CapacityMaximum="x") for n in range(1, 4)}
    collection = collection_from(booking)
    outcome, stats = run(collection)
    assert isinstance(outcome, Incomplete)
    assert "every row was rejected, the first because CapacityMaximum" in outcome.reason
    assert left_on_disk(collection) == []
    assert (stats.rows_loaded, stats.rows_rejected, stats.count_after) == (0, 3, 3)


def test_the_count_that_held_in_the_end_is_kept(
    booking: Booking, collection_from: MakeCollection
) -> None:
    """An insertion between the count and the pages."""
    fill(booking, 5)
    before(booking, Request("collect", 1, 10), lambda: booking.rows.update({99: event(99)}))
    outcome, stats = run(collection_from(booking))
    assert landed(outcome) == titles(booking)
    assert isinstance(outcome, Collected)
    assert outcome.landing.event_count()["event_count"].to_list() == [6]
    assert (stats.count_before, stats.count_after) == (5, 6)
    assert (stats.count_lowest, stats.count_highest) == (6, 6)


def test_the_counts_that_a_collection_was_accepted_by_are_logged(
    booking: Booking, collection_from: MakeCollection
) -> None:
    """2504 before, 2504 after, and 2503 rows in between, at a smaller scale."""
    fill(booking, 25)
    answers = iter([25, 24, 25])
    booking.instead = lambda request: (
        Answer(200, b'{"Count": %d}' % next(answers)) if request.verb == "count" else None
    )
    before(booking, Request("collect", 1, 10), lambda: booking.rows.pop(2))
    outcome, stats = run(collection_from(booking))
    assert landed(outcome) == titles(booking)
    assert (stats.count_before, stats.count_after, stats.rows_distinct) == (25, 25, 24)
    assert (stats.count_lowest, stats.count_highest) == (24, 25)
    logged = collections_frame([stats.log_row()]).with_columns(
        stored_loaded="rows_loaded", stored_rejected="rows_rejected"
    )
    assert unaccounted(logged) == []


@pytest.mark.parametrize("listed", ["nothing", "others"])
def test_a_list_of_other_identifiers_fails_with_what_it_lists(
    booking: Booking, collection_from: MakeCollection, listed: str
) -> None:
    fill(booking, 250)
    others = [] if listed == "nothing" else [{"EventIdentifier": identifier(9_999)}]
    booking.instead = lambda request: (
        Answer(200, page_of(others), 250) if request.verb == "search" else None
    )
    outcome, _ = run(collection_from(booking))
    assert isinstance(outcome, Incomplete)
    assert "counted 250 rows and 250 identifiers arrived" in outcome.reason
    assert f"search lists {len(others)}" in outcome.reason
    assert "250 that arrived are not listed" in outcome.reason


def test_a_truncated_page_is_requested_again(
    booking: Booking, collection_from: MakeCollection
) -> None:
    fill(booking, 25)
    cut = [page_of([event(1)])[:-20]]
    booking.instead = lambda request: (
        Answer(200, cut.pop(), 25) if request == Request("collect", 2, 10) and cut else None
    )
    outcome, stats = run(collection_from(booking))
    assert landed(outcome) == titles(booking)
    assert (stats.requests, stats.retries) == (7, 1)


@pytest.mark.parametrize(("status", "kind"), [(401, Unauthorized), (503, Unavailable)])
@pytest.mark.parametrize("failing", ["count", "collect"])
def test_a_request_that_fails_for_good_is_never_an_empty_answer(
    booking: Booking,
    collection_from: MakeCollection,
    status: int,
    kind: type[Exception],
    failing: str,
) -> None:
    fill(booking, 25)
    booking.instead = lambda request: Answer(status, b"") if request.verb == failing else None
    collection = collection_from(booking)
    outcome, stats = run(collection)
    assert isinstance(outcome, kind)
    assert stats.requests == len(booking.requests)
    assert left_on_disk(collection) == []


def test_progress_is_reported_after_every_page(
    booking: Booking, collection_from: MakeCollection
) -> None:
    heard = []

    class Watcher(NoProgress):
        def received(self, organization: str, resource: str, rows: int, expected: int) -> None:
            heard.append((organization, resource, rows, expected))

    fill(booking, 25)
    run(collection_from(booking, max_concurrency=1, progress=Watcher()))
    assert heard == [("acme", "events", rows, 25) for rows in (10, 20, 25)]


def test_a_stopped_collection_ends_after_the_page_and_leaves_nothing(
    booking: Booking, collection_from: MakeCollection
) -> None:
    fill(booking, 25)
    collection = collection_from(booking)
    with pytest.raises(Stopped):
        collection.run(collection.begin(), stopped=lambda: True)
    assert booking.requests == [Request("count"), Request("collect", 1, 10)]
    assert left_on_disk(collection) == []


def test_errors_can_be_pickled() -> None:
    for error in (Shrunk("acme", "reason", "remedy"), Stopped("acme")):
        again = pickle.loads(pickle.dumps(error))
        assert isinstance(again, CollectionFailed)
        assert (type(again), str(again), again.reason) == (type(error), str(error), error.reason)
