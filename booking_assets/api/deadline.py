"""A deadline for a whole HTTP response: connecting, headers, `100 Continue` and body.

httpx's timeouts apply to each read, so that a server that sends a byte now and then is never given
up. The limits of a response's size are in `bodies`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from typing import Any

import httpx

_thread = threading.local()


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Limits all network operations of this thread in the block to `seconds` in total.

    Raises:
        httpx.ReadTimeout: In the operation that the deadline ends.
    """
    _thread.seconds, _thread.ends_at = seconds, time.monotonic() + seconds
    try:
        yield
    finally:
        _thread.ends_at = inf


class DeadlineTransport(httpx.HTTPTransport):
    """An HTTP transport whose connections observe the `deadline` of the thread that uses them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # httpx has no public option for it; the tests with slow servers fail if this changes.
        pool: Any = self._pool
        pool._network_backend = _Backend(pool._network_backend)  # noqa: SLF001


class _Backend:
    """Implements `httpcore.NetworkBackend`."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, **options: Any
    ) -> _Stream:
        return _Stream(self._backend.connect_tcp(host, port, _remaining(timeout), **options))


class _Stream:
    """Implements `httpcore.NetworkStream`."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.close = stream.close
        self.get_extra_info = stream.get_extra_info

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            data: bytes = self._stream.read(max_bytes, _remaining(timeout))
        finally:
            _remaining(timeout)  # raises where the deadline passed during the read
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _remaining(timeout))

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> _Stream:
        seconds = _remaining(timeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, seconds))


def _remaining(timeout: float | None) -> float | None:
    """Returns the timeout of one operation: the given one, or what is left until the deadline."""
    left = getattr(_thread, "ends_at", inf) - time.monotonic()
    if left <= 0:
        message = f"the response was not complete after {_thread.seconds:g} s"
        raise httpx.ReadTimeout(message) from None
    return timeout if left == inf else min(left, inf if timeout is None else timeout)
