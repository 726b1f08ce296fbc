"""Retries with exponential backoff: `RetryPolicy`, `RetryableError` and the loop around stamina.

Which responses are retryable is decided in `responses`, which also reads `Retry-After`; how long an
outage of the host is waited for by all organizations together, in `circuit_breaker`.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from http import HTTPStatus
from typing import TypeVar

import stamina

from booking_assets.api.errors import MalformedBody, RateLimited, Unavailable, WrongShape

T = TypeVar("T")

logger = logging.getLogger(__name__)

WRONG_SHAPES = 3
"""The responses of a wrong shape after which a request is given up."""


@dataclass(frozen=True)
class RetryPolicy:
    """Limits of the retries: waits double from the initial one, plus a random jitter.

    No wait starts after `timeout_seconds`, and no `Retry-After` is waited for beyond it. The
    defaults bridge two minutes without a server; `circuit_breaker` ends longer outages.
    `on_wait` is called before each wait with the organization, the seconds and the reason.
    """

    attempts: int = 10
    timeout_seconds: float = 300.0
    wait_initial_seconds: float = 0.5
    wait_max_seconds: float = 30.0
    wait_jitter_seconds: float = 1.0
    on_wait: Callable[[str, float, str], None] = lambda _organization, _seconds, _reason: None

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.timeout_seconds <= 0:
            raise ValueError("a retry policy needs at least one attempt and a timeout above zero")


@dataclass(eq=False)
class RetryableError(Exception):
    """A failed attempt that may succeed when it is repeated.

    Attributes:
        detail: What failed, in known words (see `redaction`).
        status: The HTTP status; None where no response came.
        retry_after: The server's `Retry-After` in seconds, or None.
        throttled: Whether the server named a rate limit.
        is_final: Whether no further attempt must follow: the host is down, or a retry cannot help.
    """

    detail: str
    status: int | None = None
    _: KW_ONLY
    retry_after: float | None = None
    throttled: bool = False
    is_final: bool = False


def call_with_retries(
    attempt: Callable[[], T],
    policy: RetryPolicy,
    *,
    organization: str,
    operation: str,
    clock: Callable[[], float],
    on_retry: Callable[[], None],
) -> T:
    """Calls `attempt` again after `RetryableError` and `MalformedBody`, while the policy allows.

    Raises:
        RateLimited: Attempts or time ran out, and the last failure was a rate limit.
        Unavailable: Attempts or time ran out otherwise.
    """
    started, attempts, wrong_shapes, longest = clock(), 0, 0, policy.wait_max_seconds

    def counted() -> T:
        nonlocal attempts, wrong_shapes
        if attempts:
            on_retry()
        attempts += 1
        try:
            return attempt()
        except MalformedBody as error:
            wrong_shapes += isinstance(error, WrongShape)
            is_final = wrong_shapes >= WRONG_SHAPES
            raise RetryableError(str(error), HTTPStatus.OK.value, is_final=is_final) from None

    def backoff(error: Exception) -> bool | float:
        """False: give up. A number: `Retry-After`, or the exponential backoff, plus a jitter."""
        if not isinstance(error, RetryableError) or error.is_final:
            return False
        # stamina checks both limits too, but later: a warning must not announce a retry that does
        # not follow.
        remaining = policy.timeout_seconds - (clock() - started)
        wait = error.retry_after or 0.0
        if attempts >= policy.attempts or wait >= remaining:
            return False
        logger.warning(
            "%s: %s: attempt %d of %d failed (status %s: %s); retrying %s",
            organization,
            operation,
            attempts,
            policy.attempts,
            error.status,
            error.detail,
            f"in {wait:.0f} s (Retry-After)" if wait else "with backoff",
        )
        # The jitter keeps waiting threads from retrying at the same instant.
        jitter = random.uniform(0, policy.wait_jitter_seconds)  # noqa: S311 - not cryptography
        if wait:
            wait = min(wait + jitter, remaining)
        else:
            wait = min(policy.wait_initial_seconds * 2 ** (attempts - 1) + jitter, longest)
        policy.on_wait(organization, wait, error.detail)
        return wait

    caller = stamina.RetryingCaller(attempts=policy.attempts, timeout=policy.timeout_seconds)
    try:
        return caller(backoff, counted)
    except RetryableError as last:
        error_class = RateLimited if last.throttled else Unavailable
        raise error_class(
            organization, operation, last.status, last.detail, attempts, clock() - started
        ) from None


def silence_stamina() -> None:
    """Disables stamina's own log of retries in this process: `call_with_retries` logs each one.

    stamina prints through structlog where that is installed, and Dagster installs it. For the
    process's entry point.
    """
    stamina.instrumentation.set_on_retry_hooks(())
