"""Circuit breaker: while the API's host is down, requests of all organizations fail fast.

Without it, each organization would retry for two minutes, and a thousand of them for hours. How
long one organization retries is decided in `retry`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from math import inf
from threading import Lock

from booking_assets.api.errors import BookingError
from booking_assets.api.retry import RetryableError

OUTAGE_SECONDS = 120.0
"""Time without a success after which an organization that failed gives up."""
PROBE_SECONDS = 10.0
"""Time after the last failure until the next request is sent to see whether the host is back."""
_NO_RESPONSE = frozenset({None, 502, 503, 504})


class CircuitBreaker:
    """Records the requests to one host, and rejects them during an outage. Thread-safe.

    The breaker opens when nothing but failures came for `OUTAGE_SECONDS`. It then rejects the
    organizations that failed. Another organization's request is sent as a probe, one at a time:
    only if that fails too, all are rejected, so that a few slow organizations stop no other.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Takes a monotonic clock in seconds."""
        self._clock = clock
        self._lock = Lock()
        self._probe_lock = Lock()
        self._close()

    @contextmanager
    def request(self, organization: str) -> Iterator[None]:
        """Wraps the sending of one request, and records whether the host responded.

        Raises:
            RetryableError: The breaker is open; `is_final` is set.
        """
        is_probe = self._is_open
        with self._probe_lock if is_probe else nullcontext():
            self._reject_during_outage(organization)
            started = self._clock()
            try:
                yield
            except RetryableError as error:
                if error.throttled or error.status not in _NO_RESPONSE:
                    self._close()
                    raise
                self._record_failure(organization, started, error.detail, is_probe=is_probe)
                self._reject_during_outage(organization)
                raise
            except BookingError:
                self._close()
                raise
            self._close()

    def _close(self) -> None:
        with self._lock:
            self._is_open = self._is_confirmed = False
            self._failed: set[str] = set()
            self._closed_at = self._clock()
            self._last_failure = -inf

    def _record_failure(
        self, organization: str, started: float, detail: str, *, is_probe: bool
    ) -> None:
        with self._lock:
            now = self._clock()
            if started - self._last_failure > OUTAGE_SECONDS:  # no series of failures
                self._failed.clear()
                self._failing_since = max(started, self._closed_at)
            self._failed.add(organization)
            self._last_failure, self._detail = now, detail
            self._is_open = now - self._failing_since >= OUTAGE_SECONDS
            self._is_confirmed = self._is_open and (self._is_confirmed or is_probe)

    def _reject_during_outage(self, organization: str) -> None:
        with self._lock:
            now = self._clock()
            is_rejected = self._is_confirmed or organization in self._failed
            if self._is_open and is_rejected and now - self._last_failure < PROBE_SECONDS:
                raise RetryableError(
                    f"no response for {now - self._failing_since:.0f} s, "
                    f"organizations that failed: {len(self._failed)}, last error: {self._detail}",
                    is_final=True,
                ) from None
