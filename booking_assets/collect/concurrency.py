"""Many organizations at once: each succeeds or fails alone, and the ready ones come in batches.

What lives here: the threads, and turning a failure into an outcome.
What must not: how one organization is collected (`collection`), storing (`warehouse`).
Read more: `docs/reliability.md`, "One organization fails alone".
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from booking_assets.api.errors import BookingError
from booking_assets.collect.collection import Collected, Collection
from booking_assets.collect.errors import CollectionRefused
from booking_assets.collect.tally import Tally

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Refused:
    """A collection whose rows are not stored; `entry` is its row of raw.collections."""

    organization: str
    entry: dict[str, Any]
    error: Exception


Outcome = Collected | Refused


def ready_outcomes(
    collections: Iterable[Collection], max_organizations: int
) -> Iterator[list[Outcome]]:
    """Runs the collections, a few at a time, and yields the outcomes that are ready together.

    Whoever stores the outcomes pays once a batch: while it stores, the next ones get ready.
    """
    pool = ThreadPoolExecutor(max_organizations, thread_name_prefix="organization")
    try:
        pending: set[Future[Outcome]] = {pool.submit(_outcome, one) for one in collections}
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            yield [future.result() for future in done]
    finally:
        pool.shutdown(cancel_futures=True)


def _outcome(collection: Collection) -> Outcome:
    tally = collection.begin("full")
    try:
        return collection.run(tally)
    except CollectionRefused as error:
        tally.verdict = error.verdict
        return _refused(tally, error)
    except (BookingError, OSError) as error:
        tally.verdict = str(error)
        return _refused(tally, error)
    except Exception as error:
        # A defect of ours must not take the other organizations down with it.
        _logger.exception("%s: the collection failed unexpectedly", tally.organization)
        tally.verdict = f"unexpected {type(error).__name__}"
        return _refused(tally, error)


def _refused(tally: Tally, error: Exception) -> Refused:
    tally.finished_at = tally.finished_at or tally.started_at
    return Refused(tally.organization, tally.entry(), error)
