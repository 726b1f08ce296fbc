"""Many organizations at once: each succeeds or fails alone, and the ready ones come in batches.

What lives here: the threads, the order of one organization's collections, and turning a failure
into an outcome.
What must not: how one organization is collected (`collection`), storing (`warehouse`).
Read more: `docs/reliability.md`, "One organization fails alone".
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Event
from typing import Any

from booking_assets.api.errors import BookingError
from booking_assets.collect.collection import Collected, Collection
from booking_assets.collect.errors import CollectionFailed, LandingFailed
from booking_assets.collect.stats import CollectionStats
from booking_assets.tables.raw import Status

_logger = logging.getLogger(__name__)

REPORT = "Report this to the maintainers with the log"

GRACE_SECONDS = 5.0
"""How long an interrupted run waits for the requests in flight."""
_SECONDS_UNHEARD = 0.2
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
) -> Iterator[list[list[Outcome]]]:
    """Collects a few organizations at a time, and yields those that are ready together.

    An organization's collections run one after the other and come together, so that they can be
    stored together. After one that is refused, the organization's others are not begun.

    Whoever stores the outcomes pays once a batch: while it stores, the next ones get ready.
    Interrupted or closed, it lets each collection end after the page that it is at.
    """
    stop = Event()
    pool = ThreadPoolExecutor(max_organizations, thread_name_prefix="organization")
    pending: set[Future[list[Outcome]]] = set()
    try:
        pending.update(pool.submit(_outcomes, one, stop.is_set) for one in organizations)
        while pending:
            done, pending = wait(pending, _SECONDS_UNHEARD, return_when=FIRST_COMPLETED)
            if done:
                yield [future.result() for future in done]
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
        wait(pending, timeout=grace_seconds)


def _outcomes(collections: Sequence[Collection], stopped: Callable[[], bool]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for collection in collections:
        outcomes.append(_outcome(collection, stopped))
        if isinstance(outcomes[-1], Failed):
            break
    return outcomes


def _outcome(collection: Collection, stopped: Callable[[], bool]) -> Outcome:
    stats = collection.begin()
    try:
        return collection.run(stats, stopped)
    except CollectionFailed as error:
        return _failed(stats, error.status, error.reason, error.remedy, error)
    except BookingError as error:
        return _failed(stats, "failed", error.reason, error.remedy, error)
    except OSError as error:
        unlanded = LandingFailed(
            stats.organization,
            f"the {stats.resource} could not be written to {collection.plan.landing} ({error})",
            "The stored rows stay; make room there, or see to its permissions, and run it again",
        )
        return _failed(stats, "failed", unlanded.reason, unlanded.remedy, unlanded)
    except Exception as error:
        # A defect of ours must not take the other organizations down with it.
        _logger.exception("%s: the collection failed unexpectedly", stats.organization)
        return _failed(stats, "failed", f"unexpected {type(error).__name__}", REPORT, error)


def _failed(
    stats: CollectionStats, status: Status, reason: str, remedy: str, error: Exception
) -> Failed:
    stats.status, stats.reason, stats.remedy = status, reason, remedy
    stats.finished_at = stats.finished_at or stats.started_at
    # The frames behind an error hold pages of rows, and the error lives as long as the run.
    error.__cause__ = error.__context__ = None
    return Failed(stats.organization, stats.log_row(), error.with_traceback(None))
