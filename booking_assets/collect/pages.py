"""Requests the pages of a resource concurrently, in a bounded number, and lists its identifiers.

Pages are decoded in `decoding`; whether all rows arrived is decided in `verification`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

import polars as pl

from booking_assets.api.client import BookingClient, Page
from booking_assets.collect.parts import keys_of

T = TypeVar("T")
Argument = TypeVar("Argument")


def listed_keys(client: BookingClient, page_size: int, count: int, concurrency: int) -> pl.Series:
    """The keys of the rows that `search` lists, as far as they are UUIDs; some may be repeated."""
    pages = fetch_pages(client.search, lambda listing: listing.rows, page_size, count, concurrency)
    keys = [keys_of(pl.Series(page.content.identifiers, dtype=pl.String)) for page in pages]
    return pl.concat(keys)


def fetch_pages(
    fetch: Callable[[int, int], Page[T]],
    length: Callable[[T], int],
    page_size: int,
    count: int,
    concurrency: int,
) -> Iterator[Page[T]]:
    """Fetches page 1, which shows how large a page the server serves, then the others, each once.

    The pages follow from the count alone: a total beside a page plans nothing, since it may be
    wrong by any number. An empty page ends them.

    Args:
        fetch: requests a page by its number and size.
        length: how many rows a page's content has.
        page_size: rows a page.
        count: how many rows there should be.
        concurrency: pages that are requested at the same time.

    Raises:
        BookingError: a page failed for good; no further page is requested.
    """
    first = fetch(1, page_size)
    yield first
    rows = length(first.content)
    # A server may cap the size silently: if there is more, page 1 is as long as its pages are.
    size = rows if 0 < rows < count else max(rows, page_size)
    last = math.ceil(count / size) if rows else 1
    number = 2
    pending: set[Future[Page[T]]] = set()
    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="page")
    try:
        while pending or number <= last:
            while number <= last and len(pending) < concurrency:
                pending.add(pool.submit(fetch, number, size))
                number += 1
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            while done:
                page = done.pop().result()
                if not length(page.content):
                    last = min(last, page.number)
                yield page
    finally:
        pool.shutdown(cancel_futures=True)


def map_concurrently(
    fetch: Callable[[Argument], T], arguments: Iterable[Argument], concurrency: int
) -> Iterator[T]:
    """The results of single requests, several at a time, in the order of the arguments."""
    with ThreadPoolExecutor(concurrency, thread_name_prefix="row") as pool:
        yield from pool.map(fetch, arguments)
