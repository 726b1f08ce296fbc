"""Which pages to ask for, and asking for several at once.

What lives here: the walk through a resource's pages, with a stop rule by construction, and the list
of its identifiers.
What must not: what the pages hold (`decoding`), when it is enough (`collection`).
Read more: `docs/reliability.md`, "Paging".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from booking_assets.api.client import BookingClient, Page
from booking_assets.collect.decoding import DecodedPage, Decoder

T = TypeVar("T")
Given = TypeVar("Given")


def row_pages(
    client: BookingClient, decoder: Decoder, page_size: int, expected: int, concurrency: int
) -> Iterator[Page[DecodedPage]]:
    """The pages of a resource's rows, in the order in which they arrive."""

    def ask(page: int, size: int) -> Page[DecodedPage]:
        return client.collect(page, size, decoder)

    return _pages(ask, lambda content: content.received, page_size, expected, concurrency)


def all_identifiers(
    client: BookingClient, page_size: int, expected: int, concurrency: int
) -> set[str]:
    """The identifiers of a resource's rows, in lower case."""
    pages = _pages(client.search, len, page_size, expected, concurrency)
    return {identifier.lower() for page in pages for identifier in page.content}


def _pages(
    ask: Callable[[int, int], Page[T]],
    length: Callable[[T], int],
    page_size: int,
    expected: int,
    concurrency: int,
) -> Iterator[Page[T]]:
    """Page 1, which tells how large a page the server serves, then the others.

    The walk ends at the last page that a total calls for; without totals, at a page that is not
    full. A total may grow meanwhile, but not for ever: twice the first plan is the end.
    """
    first = ask(1, page_size)
    yield first
    size = _served_size(first, length(first.content), page_size)
    last = math.ceil(max(expected, first.total_count or 0) / size)
    limit = 2 * last + 1
    if first.total_count is None and length(first.content) == size:
        last = max(last, 2)
    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="page")
    pending: set[Future[Page[T]]] = set()
    try:
        number = 2
        while pending or number <= min(last, limit):
            while number <= min(last, limit) and len(pending) < concurrency:
                pending.add(pool.submit(ask, number, size))
                number += 1
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                page = future.result()
                yield page
                if page.total_count is not None:
                    last = max(last, math.ceil(page.total_count / size))
                elif page.number == last and length(page.content) == size:
                    last += 1
    finally:
        pool.shutdown(cancel_futures=True)


def _served_size(first: Page[T], rows: int, asked: int) -> int:
    """How many rows the server puts on a page: it may cap what was asked for."""
    named = first.page_size or asked
    more = first.total_count is not None and first.total_count > rows
    return min(named, asked, rows if more and rows else asked)


def each(ask: Callable[[Given], T], given: Iterable[Given], concurrency: int) -> Iterator[T]:
    """The answers to several single questions, a few at a time."""
    with ThreadPoolExecutor(concurrency, thread_name_prefix="row") as pool:
        yield from pool.map(ask, given)
