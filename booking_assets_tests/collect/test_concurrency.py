"""Concurrent organizations: each fails alone, the ready are yielded together, nothing hangs."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from booking_assets.api.client import BookingClient
from booking_assets.api.errors import MissingCredential, Unauthorized, Unavailable
from booking_assets.collect.collection import Collected, Collection
from booking_assets.collect.concurrency import (
    Failed,
    Outcome,
    collect_concurrently,
    seconds_together,
)
from booking_assets.collect.contracts import EVENT_ROWS, GROUP_ROWS, REGISTRATION_ROWS
from booking_assets.collect.errors import ForeignRows, Incomplete, LandingFailed, Shrunk
from booking_assets.collect.landings import Landings
from booking_assets.collect.stats import collections_frame
from booking_assets.pipeline.progress import NoProgress
from booking_assets.tables.raw import COLLECTIONS
from booking_assets_tests.collect.booking import Answer, Booking, Request
from booking_assets_tests.collect.conftest import MakeCollection
from booking_assets_tests.collect.events import OTHER, STARTED, event
from booking_assets_tests.collect.outcomes import folder_of, left_on_disk
from booking_assets_tests.commands import SECONDS

Start = Callable[[], Booking]
Change = Callable[[Booking, Collection], Collection]


class Clumsy(NoProgress):
    def received(self, organization: str, resource: str, rows: int, expected: int) -> None:
        raise ZeroDivisionError("a defect of this program")


def answering(answer: Answer, verb: str) -> Change:
    def change(booking: Booking, collection: Collection) -> Collection:
        booking.instead = lambda request: answer if request.verb == verb else None
        return collection

    return change


def without_credential(booking: Booking, collection: Collection) -> Collection:
    def connect() -> BookingClient:
        raise MissingCredential(collection.organization, "BOOKING_TOKEN_B")

    return replace(collection, connect=connect)


def with_a_foreign_row(booking: Booking, collection: Collection) -> Collection:
    booking.rows[1] = event(1, OrganizationIdentifier=str(OTHER))
    return collection


def with_many_stored(booking: Booking, collection: Collection) -> Collection:
    return replace(collection, stored_rows=lambda: 1000)


def without_a_place_to_land(booking: Booking, collection: Collection) -> Collection:
    file = folder_of(collection).with_name("file")
    file.touch()
    return replace(collection, plan=replace(collection.plan, landings=Landings(file)))


def with_a_defect(booking: Booking, collection: Collection) -> Collection:
    return replace(collection, plan=replace(collection.plan, progress=Clumsy()))


FAILURES: dict[str, tuple[Change, type[Exception], str]] = {
    "no credential": (without_credential, MissingCredential, "BOOKING_TOKEN_B"),
    "a refused credential": (
        answering(Answer(401, b""), "count"),
        Unauthorized,
        "events: count was not authorized",
    ),
    "no server": (answering(Answer(503, b""), "collect"), Unavailable, "given up after 3 attempts"),
    "no JSON": (answering(Answer(200, b"{}"), "collect"), Unavailable, "no JSON array"),
    "foreign rows": (with_a_foreign_row, ForeignRows, str(OTHER)),
    "wrong counts": (answering(Answer(200, b'{"Count": 9}'), "count"), Incomplete, "counted 9"),
    "far fewer rows": (with_many_stored, Shrunk, "1 rows where 1000"),
    "no folder": (without_a_place_to_land, LandingFailed, "File exists"),
    "a defect": (with_a_defect, ZeroDivisionError, "unexpected ZeroDivisionError"),
}


@pytest.mark.parametrize(("change", "kind", "reason"), FAILURES.values(), ids=FAILURES)
def test_an_organization_fails_alone_and_says_why(
    start: Start,
    collection_from: MakeCollection,
    change: Change,
    kind: type[Exception],
    reason: str,
) -> None:
    collections = []
    for slug in ("a", "b", "c"):
        booking = start()
        booking.rows = {1: event(1)}
        collection = collection_from(booking, slug)
        collections.append(change(booking, collection) if slug == "b" else collection)
    outcomes = outcomes_of(collections, 2)
    assert [type(outcomes[slug]) for slug in "abc"] == [Collected, Failed, Collected]
    refused = outcomes["b"]
    assert isinstance(refused, Failed)
    assert isinstance(refused.error, kind)
    assert reason in refused.log_row["reason"]
    log = collections_frame([refused.log_row])
    assert [name for name in COLLECTIONS.required if log[name].null_count()] == []


def outcomes_of(collections: Iterable[Collection], max_organizations: int) -> dict[str, Outcome]:
    batches = collect_concurrently([[one] for one in collections], max_organizations)
    return {one.organization: one for batch in batches for (one,) in batch}


def test_a_failure_references_no_page(booking: Booking, collection_from: MakeCollection) -> None:
    booking.instead = lambda request: Answer(200, b"[") if request.verb == "collect" else None
    refused = outcomes_of([collection_from(booking)], 1)["acme"]
    assert isinstance(refused, Failed)
    assert refused.error.__traceback__ is None
    assert refused.error.__context__ is None


def test_ready_organizations_are_yielded_while_others_are_collected(
    start: Start, collection_from: MakeCollection
) -> None:
    slow, quick = start(), start()
    stored = threading.Event()
    slow.before = lambda request: stored.wait(timeout=SECONDS)
    batches = collect_concurrently(
        [[collection_from(slow, "slow")], [collection_from(quick, "quick")]], 2
    )
    assert [one.organization for (one,) in next(batches)] == ["quick"]
    stored.set()
    assert [one.organization for batch in batches for (one,) in batch] == ["slow"]


@pytest.mark.parametrize(("under_way", "seconds"), [(0, 1), (99, 1), (250, 2.5), (2_000, 5)])
def test_the_ready_wait_longer_where_many_are_under_way(under_way: int, seconds: float) -> None:
    assert seconds_together(1, under_way) == seconds
    assert seconds_together(0, under_way) == 0


def registrations(collection: Collection) -> Collection:
    return replace(collection, contract=REGISTRATION_ROWS)


def test_the_first_of_an_organizations_collections_counts_alone(
    start: Start, collection_from: MakeCollection
) -> None:
    first, other = start(), start()
    others_began = threading.Event()
    began_with_count: list[bool] = []

    def before_first(request: Request) -> None:
        if request.verb == "count" and not began_with_count:
            began_with_count.append(others_began.wait(timeout=0.2))

    first.before = before_first
    other.before = lambda _: others_began.set()
    both = [collection_from(first, "acme"), registrations(collection_from(other, "acme"))]
    ((outcomes,),) = collect_concurrently([both], 4)
    assert [type(one) for one in outcomes] == [Collected, Collected]
    assert began_with_count == [False]


def test_after_its_first_count_an_organizations_collections_run_side_by_side(
    start: Start, collection_from: MakeCollection
) -> None:
    servers = [start() for _ in range(3)]
    together = threading.Barrier(3, timeout=SECONDS)

    def wait_for_others(request: Request) -> None:
        if request.verb == "collect":
            together.wait()

    for server in servers:
        server.before = wait_for_others
    contracts = (EVENT_ROWS, REGISTRATION_ROWS, GROUP_ROWS)
    collections = [
        replace(collection_from(server, "acme"), contract=contract)
        for server, contract in zip(servers, contracts, strict=True)
    ]
    ((outcomes,),) = collect_concurrently([collections], 4)
    assert [type(outcome) for outcome in outcomes] == [Collected] * 3


def test_an_organizations_collections_share_their_requests_in_flight(
    start: Start, collection_from: MakeCollection
) -> None:
    servers, slots, lock = [start() for _ in range(3)], threading.Semaphore(1), threading.Lock()

    def alone(_: Request) -> None:
        assert lock.acquire(blocking=False)
        time.sleep(0.01)
        lock.release()

    collections = []
    for server, contract in zip(servers, (EVENT_ROWS, REGISTRATION_ROWS, GROUP_ROWS), strict=True):
        server.before = alone
        made = collection_from(server, "acme")
        collections.append(replace(made, contract=contract, slots=slots))
    ((outcomes,),) = collect_concurrently([collections], 4)
    assert [type(outcome) for outcome in outcomes] == [Collected] * 3


def test_an_organizations_collections_share_ticket_and_start(
    start: Start, collection_from: MakeCollection
) -> None:
    instants = iter(STARTED + timedelta(seconds=n) for n in range(100))
    runs = []
    for _ in range(2):
        one, other = (
            collection_from(start(), "acme", clock=lambda: next(instants)) for _ in range(2)
        )
        ((outcomes,),) = collect_concurrently([[one, registrations(other)]], 4)
        rows = [one.landing.log_row for one in outcomes if isinstance(one, Collected)]
        runs.append([(row["sequence"], row["started_at"]) for row in rows])
    assert [[sequence for sequence, _ in run] for run in runs] == [[1, 1], [2, 2]]
    assert [len({started_at for _, started_at in run}) for run in runs] == [1, 1]


def test_where_the_first_count_fails_the_organizations_other_collections_do_not_start(
    start: Start, collection_from: MakeCollection
) -> None:
    failing, other = start(), start()
    failing.instead = lambda request: Answer(401, b"")
    both = [collection_from(failing, "acme"), collection_from(other, "acme")]
    ((outcomes,),) = collect_concurrently([both], 4)
    assert [type(one) for one in outcomes] == [Failed]
    assert other.requests == []


def test_after_a_failure_the_organizations_other_collections_end_and_are_dropped(
    start: Start, collection_from: MakeCollection
) -> None:
    failing, other = start(), start()
    page_of_other, failed = threading.Event(), threading.Event()

    def fail(request: Request) -> Answer | None:
        if request.verb != "collect":
            return None
        page_of_other.wait(timeout=SECONDS)
        failed.set()
        return Answer(401, b"")

    def hold(request: Request) -> None:
        if request.verb == "collect":
            page_of_other.set()
            failed.wait(timeout=SECONDS)
            time.sleep(0.3)

    failing.instead, other.before = fail, hold
    other.rows = {n: event(n) for n in range(1, 500)}
    second = registrations(collection_from(other, "acme", page_size=1))
    ((outcomes,),) = collect_concurrently([[collection_from(failing, "acme"), second]], 4)
    assert [type(one) for one in outcomes] == [Failed]
    assert len(other.requests) < 10
    assert partial_folders(folder_of(second)) == []


def test_what_is_complete_before_the_first_one_fails_does_not_land(
    start: Start, collection_from: MakeCollection
) -> None:
    failing, other = start(), start()
    other_is_complete = threading.Event()

    def fail(request: Request) -> Answer | None:
        if request.verb == "count":
            return None
        other_is_complete.wait(timeout=SECONDS)
        time.sleep(0.1)
        return Answer(401, b"")

    failing.instead = fail
    other.before = lambda _: other_is_complete.set() if len(other.requests) == 2 else None
    second = registrations(collection_from(other, "acme"))
    ((outcomes,),) = collect_concurrently([[collection_from(failing, "acme"), second]], 4)
    assert [type(one) for one in outcomes] == [Failed]
    assert [request.verb for request in other.requests] == ["count", "collect"]
    assert left_on_disk(second) == []


def test_concurrent_organizations_are_bounded(
    start: Start, collection_from: MakeCollection
) -> None:
    booking, lock = start(), threading.Lock()
    active: set[str] = set()
    most = 0

    def collection(slug: str) -> Collection:
        one = collection_from(booking, slug)

        def connect() -> BookingClient:
            nonlocal most
            with lock:
                active.add(slug)
                most = max(most, len(active))
            return one.connect()

        return replace(one, connect=connect)

    for batch in collect_concurrently([[collection(f"slug-{n}")] for n in range(6)], 1):
        active.difference_update(one.organization for (one,) in batch)
    assert most <= 2


def test_no_organizations_yield_no_batch() -> None:
    assert list(collect_concurrently([], 1)) == []


def partial_folders(root: Path) -> list[Path]:
    return list(root.glob("*/.partial-*"))


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Lets the servers' hanging answers go when the test is over."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Has an interrupt raised also where the tests run in the background of a shell."""
    handler = signal.getsignal(signal.SIGINT)
    # Not where it is the usual one: polars stands behind that, and must stay there.
    if handler is not signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    if handler is not signal.default_int_handler:
        signal.signal(signal.SIGINT, handler)


@pytest.mark.usefixtures("_interruptible")
def test_an_interrupt_ends_the_run_although_a_request_hangs(
    start: Start, collection_from: MakeCollection, released: threading.Event
) -> None:
    hanging, waiting = start(), start()
    main = threading.get_ident()

    def hang(request: Request) -> None:
        if request.verb == "collect":
            signal.pthread_kill(main, signal.SIGINT)
            released.wait(timeout=SECONDS)

    hanging.before = hang
    collections = [[collection_from(hanging, "hanging")], [collection_from(waiting, "waiting")]]
    with pytest.raises(KeyboardInterrupt):
        list(collect_concurrently(collections, 1, grace_seconds=0.01))
    assert not released.is_set()
    assert waiting.requests == []


def test_closing_the_iterator_does_not_wait_for_what_has_not_begun(
    start: Start, collection_from: MakeCollection
) -> None:
    first, waiting = start(), start()
    began, released = threading.Event(), threading.Event()

    def hold(request: Request) -> None:
        began.set()
        released.wait(timeout=SECONDS)

    first.before = hold
    both = [[collection_from(first, "first")], [collection_from(waiting, "waiting")]]
    batches = collect_concurrently(both, 1, grace_seconds=60)
    began.wait(timeout=SECONDS)
    threading.Timer(0.1, released.set).start()
    started = time.monotonic()
    batches.close()
    assert time.monotonic() - started < 30
    assert waiting.requests == []


def test_closing_the_iterator_ends_each_collection_after_its_page(
    start: Start, collection_from: MakeCollection
) -> None:
    quick, large, waiting = start(), start(), start()
    large.rows = {n: event(n) for n in range(1, 500)}
    first_page, closing = threading.Event(), threading.Event()

    def hold(request: Request) -> None:
        if request.verb == "collect":
            first_page.set()
            closing.wait(timeout=SECONDS)
            time.sleep(0.1)

    large.before = hold
    slow = collection_from(large, "large", page_size=1)
    batches = collect_concurrently(
        [[collection_from(quick, "quick")], [slow], [collection_from(waiting, "waiting")]],
        2,
        grace_seconds=SECONDS,
    )
    assert [one.organization for (one,) in next(batches)] == ["quick"]
    first_page.wait(timeout=SECONDS)
    threading.Timer(1, closing.set).start()
    batches.close()
    assert len(large.requests) < 10
    assert partial_folders(folder_of(slow)) == []
