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

import polars as pl

from booking_assets.api.client import BookingClient, Page
from booking_assets.collect.decoding import DecodedPage, Decoder
from booking_assets.collect.keys import keys_of

T = TypeVar("T")
Given = TypeVar("Given")


def row_pages(
    client: BookingClient, decoder: Decoder, page_size: int, expected: int, concurrency: int
) -> Iterator[Page[DecodedPage]]:
    """The pages of a resource's rows, in the order in which they arrive."""

    def ask(page: int, size: int) -> Page[DecodedPage]:
        return client.collect(page, size, decoder)

    return walk(ask, lambda content: content.received, page_size, expected, concurrency)


def listed_keys(
    client: BookingClient, page_size: int, expected: int, concurrency: int
) -> pl.Series:
    """The keys of a resource's rows, each once; none of an identifier that is no UUID."""
    pages = walk(client.search, lambda listing: listing.rows, page_size, expected, concurrency)
    keys = [keys_of(pl.Series(page.content.identifiers, dtype=pl.String)) for page in pages]
    return pl.concat(keys).unique()


def walk(
    ask: Callable[[int, int], Page[T]],
    length: Callable[[T], int],
    page_size: int,
    expected: int,
    concurrency: int,
) -> Iterator[Page[T]]:
    """Page 1, which tells how large a page the server serves, then the others, each once.

    The walk ends at the last page that a total calls for; without totals, at a page that is not
    full. A total may grow meanwhile, but not for ever: twice the first plan is the end.

    Args:
        ask: gives a page, from its number and size.
        length: how many rows a page's content has.
        page_size: rows a page.
        expected: how many rows there should be, for servers that name no total.
        concurrency: pages that are asked for at the same time.

    Raises:
        BookingError: a page failed for good; no further page is asked for.
    """
    first = ask(1, page_size)
    yield first
    rows = length(first.content)
    total = expected if first.total_count is None else first.total_count
    # A server may cap the size, say so or not: if there is more, page 1 is as long as pages are.
    size = rows if 0 < rows < total else max(rows, page_size)
    last = max(1, math.ceil(max(expected, total) / size))
    limit = 2 * last + 1
    if first.total_count is None and rows == size:
        last = max(last, 2)
    number = 2
    pending: set[Future[Page[T]]] = set()
    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="page")
    try:
        while pending or number <= min(last, limit):
            while number <= min(last, limit) and len(pending) < concurrency:
                pending.add(pool.submit(ask, number, size))
                number += 1
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            while done:
                page = done.pop().result()
                if page.total_count is not None:
                    last = max(last, math.ceil(page.total_count / size))
                elif page.number == last and length(page.content) == size:
                    last += 1
                yield page
    finally:
        pool.shutdown(cancel_futures=True)


def each(ask: Callable[[Given], T], given: Iterable[Given], concurrency: int) -> Iterator[T]:
    """The answers to several single questions, a few at a time, in the order of the questions."""
    with ThreadPoolExecutor(concurrency, thread_name_prefix="row") as pool:
        yield from pool.map(ask, given)
