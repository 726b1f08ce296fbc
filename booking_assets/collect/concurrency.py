"""Collects many organizations concurrently: each succeeds or fails alone, in batches of the ready.

How an organization is collected is in `collection`; its outcome is stored by `pipeline`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import Any

from booking_assets.api.errors import BookingError
from booking_assets.collect.collection import Collected, Collection, Start
from booking_assets.collect.errors import CollectionFailed, LandingFailed
from booking_assets.collect.stats import CollectionStats
from booking_assets.objects import StorageError

_logger = logging.getLogger(__name__)

REPORT = "Report this to the maintainers with the log"

GRACE_SECONDS = 1.0
"""How long an interrupted run waits for the requests in flight."""
_POLL_SECONDS = 0.2
"""polars has waits go on after a signal: Python sees an interrupt only where a wait ends."""


@dataclass(frozen=True)
class Failed:
    """A collection whose rows are not stored; `log_row` is its row of raw.collections."""

    organization: str
    log_row: dict[str, Any]
    error: Exception


Outcome = Collected | Failed


def collect_concurrently(
    organizations: Iterable[Sequence[Collection]],
    max_organizations: int,
    grace_seconds: float = GRACE_SECONDS,
    together_seconds: float = 0,
) -> Generator[list[list[Outcome]], None, None]:
    """Collects several organizations at a time, and yields those that are ready together.

    Requests are sent from this call on, also before the first batch is asked for.

    Of an organization's collections, the first one counts alone, which proves the credential; then
    all run side by side. They are yielded together, so that they can be stored in one transaction,
    with the same ticket and start. The others land after the first one. Where that fails, they end
    after their current page, and nothing of them is kept; each of them fails alone.

    Those that are ready wait `together_seconds` for others, and longer where many are under way,
    since each batch has its own cost.
    The next organizations are collected while the caller stores a batch. When the caller is
    interrupted or closes the iterator, each collection ends after its current page.
    """
    batches = _batches(organizations, max_organizations, grace_seconds, together_seconds)
    next(batches)
    return batches


def _batches(
    organizations: Iterable[Sequence[Collection]],
    max_organizations: int,
    grace_seconds: float,
    together_seconds: float,
) -> Generator[list[list[Outcome]], None, None]:
    """The batches, after an empty one when the organizations are submitted."""
    stop = Event()
    pool = ThreadPoolExecutor(max_organizations, thread_name_prefix="organization")
    pending: set[Future[list[Outcome]]] = set()
    try:
        pending.update(pool.submit(_outcomes, one, stop.is_set) for one in organizations)
        yield []
        while pending:
            done, pending = wait(pending, _POLL_SECONDS, return_when=FIRST_COMPLETED)
            if done:
                ends = time.monotonic() + seconds_together(together_seconds, len(pending))
                while pending and (left := ends - time.monotonic()) > 0:
                    more, pending = wait(pending, min(left, together_seconds))
                    done |= more
                yield [future.result() for future in done]
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
        # `wait` would wait in vain for those that were canceled before they began.
        wait({one for one in pending if not one.cancelled()}, timeout=grace_seconds)


def seconds_together(together_seconds: float, under_way: int) -> float:
    """How long the ready organizations wait for others, of which so many are under way.

    A transaction costs as much as loading 50 small organizations; the last ones wait the least.
    """
    return together_seconds * min(max(1, under_way / 100), 5)


def _outcomes(collections: Sequence[Collection], stopped: Callable[[], bool]) -> list[Outcome]:
    first, *others = collections
    try:
        start = first.start()
    except Exception as error:  # noqa: BLE001 - a defect must not stop the other organizations
        return [_failed(first, first.begin(Start(None, first.plan.clock())), error)]
    pending: list[Future[Outcome]] = []
    first_ended, failed = Event(), Event()

    def has_landed() -> bool:
        first_ended.wait()
        return not failed.is_set()

    def run_others() -> None:
        for other in others if not pending else ():
            run = partial(other.run, stopped=lambda: stopped() or failed.is_set())
            pending.append(pool.submit(_outcome, other, start, partial(run, may_land=has_landed)))

    with ThreadPoolExecutor(len(collections), thread_name_prefix="resource") as pool:
        outcome = _outcome(first, start, partial(first.run, stopped=stopped, counted=run_others))
        if isinstance(outcome, Failed):
            failed.set()
        first_ended.set()
        if failed.is_set():
            return [outcome]
        run_others()
        return [outcome, *(other.result() for other in pending)]


def _outcome(
    collection: Collection, start: Start, run: Callable[[CollectionStats], Collected]
) -> Outcome:
    stats = collection.begin(start)
    try:
        return run(stats)
    except Exception as error:  # noqa: BLE001 - a defect must not stop the other organizations
        return _failed(collection, stats, error)


def _failed(collection: Collection, stats: CollectionStats, error: Exception) -> Failed:
    if isinstance(error, StorageError):
        remedy = f"The stored rows stay. {error.remedy}"
        error = LandingFailed(stats.organization, error.reason, remedy)
    elif isinstance(error, OSError):
        error = LandingFailed(
            stats.organization,
            f"the {stats.resource} could not be written to {collection.plan.landings} ({error})",
            "The stored rows stay; free space there or correct its permissions, and run it again",
        )
    stats.status = error.status if isinstance(error, CollectionFailed) else "failed"
    if isinstance(error, CollectionFailed | BookingError):
        stats.reason, stats.remedy = error.reason, error.remedy
    else:
        stats.reason, stats.remedy = f"unexpected {type(error).__name__}", REPORT
        message = "%s: the collection failed unexpectedly"
        _logger.error(message, stats.organization, exc_info=error)
    stats.finished_at = stats.finished_at or stats.started_at
    # The frames of a traceback reference pages of rows, and the error lives as long as the run.
    error.__cause__ = error.__context__ = None
    return Failed(stats.organization, stats.log_row(), error.with_traceback(None))
