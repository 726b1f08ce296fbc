"""Asking again: which failures pass, how long to wait, and when to stop.

What lives here: `RetryPolicy`, the signal `Retryable`, and `retried`, which drives stamina.
What must not: which answers are retryable (`answers`), sending (`transport`).
Read more: https://stamina.hynek.me/en/stable/motivation.html
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import stamina

from booking_assets.api.errors import RateLimited, Unavailable

T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RetryPolicy:
    """How long the client goes on: waits double from the initial one, plus a random jitter.

    No wait begins after `timeout_seconds`, and none that the server asks for reaches beyond it.
    The defaults outlast two minutes without a server.
    """

    attempts: int = 10
    timeout_seconds: float = 300.0
    wait_initial_seconds: float = 0.5
    wait_max_seconds: float = 30.0
    wait_jitter_seconds: float = 1.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.timeout_seconds <= 0:
            raise ValueError("a retry policy needs at least one attempt and a time above zero")


class Retryable(Exception):
    """A failure that may pass.

    `retry_after` is the wait in seconds that the server asks for, or None; `throttled` tells
    whether it asks to slow down. The detail is redacted already.
    """

    def __init__(
        self,
        detail: str,
        status: int | None = None,
        *,
        retry_after: float | None = None,
        throttled: bool = False,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.retry_after = retry_after
        self.throttled = throttled


def retried(
    attempt: Callable[[], T],
    policy: RetryPolicy,
    *,
    organization: str,
    operation: str,
    clock: Callable[[], float],
    on_retry: Callable[[], None],
) -> T:
    """What `attempt` returns, asked again while it raises `Retryable` and the policy allows.

    Raises:
        RateLimited: When attempts or time ran out and the last failure was a limit.
        Unavailable: When they ran out otherwise.
    """
    started = clock()
    attempts = 0

    def numbered() -> T:
        nonlocal attempts
        if attempts:
            on_retry()
        attempts += 1
        return attempt()

    def backoff(error: Exception) -> bool | float:
        """False: no more. True: stamina's own wait. Seconds: the server's wish, spread a little."""
        if not isinstance(error, Retryable):
            return False
        # stamina holds both bounds as well, but only later: no warning may announce a retry that
        # does not come.
        remaining = policy.timeout_seconds - (clock() - started)
        wish = error.retry_after or 0.0
        if attempts >= policy.attempts or wish >= remaining:
            return False
        logger.warning(
            "%s: %s: attempt %d of %d failed (status %s: %s); trying again %s",
            organization,
            operation,
            attempts,
            policy.attempts,
            error.status,
            error.detail,
            f"in {wish:.0f} s, as the server asks" if wish else "soon",
        )
        # The spread keeps many waiting threads from coming back in the same instant.
        spread = random.uniform(0, policy.wait_jitter_seconds)  # noqa: S311 - no cryptography
        return min(wish + spread, remaining) if wish else True

    caller = stamina.RetryingCaller(
        attempts=policy.attempts,
        timeout=policy.timeout_seconds,
        wait_initial=policy.wait_initial_seconds,
        wait_max=policy.wait_max_seconds,
        wait_jitter=policy.wait_jitter_seconds,
    )
    try:
        return caller(backoff, numbered)
    except Retryable as last:
        kind = RateLimited if last.throttled else Unavailable
        seconds = clock() - started
        raise kind(organization, operation, last.status, last.detail, attempts, seconds) from None


def silence_stamina() -> None:
    """Have stamina keep quiet in this process, as `retried` logs each retry itself.

    stamina's own hook prints through structlog wherever that is installed, and Dagster installs
    it: each retry would stand on the standard output once more. For the process's entry point.
    """
    stamina.instrumentation.set_on_retry_hooks(())
