"""Runs a collection, reads its landing, and moves the server's rows while it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from booking_assets.collect.collection import Collected, Collection
from booking_assets.collect.landing import TICKETS
from booking_assets.collect.staging import LOCK
from booking_assets.collect.stats import CollectionStats
from booking_assets.tables.raw import EVENTS
from booking_assets_tests.collect.booking import Booking, Request
from booking_assets_tests.collect.events import event, identifier


def run(collection: Collection) -> tuple[Collected | Exception, CollectionStats]:
    """The outcome, and the stats, which add up in any case."""
    stats = collection.begin()
    outcome: Collected | Exception
    try:
        outcome = collection.run(stats)
    except Exception as error:  # noqa: BLE001 - the tests look at it
        outcome = error
    assert stats.rows_received == stats.rows_distinct + stats.duplicates_dropped
    assert stats.finished_at is not None
    return outcome, stats


def landed(outcome: Collected | Exception) -> dict[str, str | None]:
    """Identifier and title of each landed row."""
    assert isinstance(outcome, Collected), outcome
    files = [pl.read_parquet(path) for path in outcome.landing.rows]
    rows = pl.concat([EVENTS.empty(), *files]).select("event_identifier", "event_title").rows()
    assert len(rows) == len(dict(rows))
    return dict(rows)


def titles(booking: Booking) -> dict[str, str]:
    rows = {identifier(n): row for n, row in booking.rows.items()}
    return {name: row["EventTitle"] for name, row in rows.items() if isinstance(row, dict)}


def fill(booking: Booking, rows: int) -> None:
    booking.rows.update({2 * n: event(2 * n) for n in range(1, rows + 1)})


def before(booking: Booking, request: Request, move: Callable[[], object]) -> None:
    """Moves rows just before the first such request is answered."""
    moves = [move]
    booking.before = lambda now: now == request and moves and moves.pop()()


def folder_of(collection: Collection) -> Path:
    """The folder of its landings."""
    return collection.plan.landings.root


def left_on_disk(collection: Collection) -> list[Path]:
    files = folder_of(collection).glob("*/*")
    return [path for path in files if path.name not in (LOCK, TICKETS)]
