"""Sending one request and reading its response; the shared HTTP client; requests and bytes used.

What a status means is decided in `responses`; retries are in `retry`.
"""

from __future__ import annotations

import logging
import time
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import version
from threading import Lock
from typing import BinaryIO

import httpx

from booking_assets.api.responses import OK, Response, rate_limit_headers
from booking_assets.api.retry import RetryableError

logger = logging.getLogger(__name__)

_MAX_CONNECTIONS = 100
_KEEP_ALIVE_SECONDS = 30.0


def open_http(timeout_seconds: float) -> httpx.Client:
    """Opens the HTTP client that all organizations of a process share; the caller closes it.

    `timeout_seconds` limits connecting, each read and write, the wait for a free connection, and
    the time until a response is complete.
    """
    return httpx.Client(
        headers={
            "Accept": "application/json",
            "User-Agent": f"booking-assets/{version('booking-assets')}",
        },
        timeout=httpx.Timeout(timeout_seconds),
        limits=httpx.Limits(
            max_connections=_MAX_CONNECTIONS,
            max_keepalive_connections=_MAX_CONNECTIONS,
            keepalive_expiry=_KEEP_ALIVE_SECONDS,
        ),
        # A cookie may be a credential: it must not be sent with another organization's request.
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=())),
        follow_redirects=False,
    )


@dataclass(frozen=True)
class Usage:
    """Requests (retries and token requests included), retries, and body bytes of a client.

    Bytes are counted as received, before decompression, also of failed responses.
    """

    requests: int
    retries: int
    bytes_received: int


@dataclass(frozen=True)
class Request:
    """A request to send: `operation` names it in logs and errors.

    `path` is relative to the base URL; `body` is JSON, encoded once for all attempts.
    """

    operation: str
    method: str
    path: str
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()


class Transport:
    """Sends one organization's requests through the shared HTTP client. Thread-safe."""

    def __init__(self, http: httpx.Client, base_url: str, organization: str) -> None:
        self.usage = Usage(0, 0, 0)
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._organization = organization
        self._lock = Lock()

    def add_usage(self, *, requests: int = 0, retries: int = 0, bytes_received: int = 0) -> None:
        """Adds to `usage`."""
        with self._lock:
            self.usage = Usage(
                self.usage.requests + requests,
                self.usage.retries + retries,
                self.usage.bytes_received + bytes_received,
            )

    def send(self, request: Request, token: str | None, sink: BinaryIO | None = None) -> Response:
        """Sends the request once and reads the response of any status to its end.

        The body of a 200 is written to `sink` if given, else returned as `content`.

        Raises:
            RetryableError: No complete response came.
        """
        headers = dict(request.headers)
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        started = time.monotonic()
        self.add_usage(requests=1)
        try:
            with self._http.stream(
                request.method, self._base_url + request.path, content=request.body, headers=headers
            ) as stream:
                response = self._read(stream, sink, started)
        except (httpx.TransportError, httpx.DecodingError) as error:
            # Raised below and not chained: the httpx error refers to the request's credential.
            failure = RetryableError(_network_error_text(error))
        else:
            self._log(request, response, time.monotonic() - started)
            return response
        raise failure

    def _read(self, stream: httpx.Response, sink: BinaryIO | None, started: float) -> Response:
        try:
            if sink is not None and stream.status_code == OK:
                sink.writelines(stream.iter_bytes())
                content = b""
            else:
                content = b"".join(self._chunks(stream, started))
        finally:
            self.add_usage(bytes_received=stream.num_bytes_downloaded)
        content = content.removeprefix(BOM_UTF8)
        reason, host = stream.reason_phrase, stream.url.host
        return Response(stream.status_code, reason, stream.headers, content, host)

    def _chunks(self, stream: httpx.Response, started: float) -> Iterator[bytes]:
        """Yields the body; a slow body never exceeds httpx's timeout, which is for one read."""
        seconds = self._http.timeout.read
        for chunk in stream.iter_bytes():
            if seconds is not None and time.monotonic() - started > seconds:
                raise httpx.ReadTimeout(f"the response was not complete after {seconds:g} s")
            yield chunk

    def _log(self, request: Request, response: Response, seconds: float) -> None:
        limits = rate_limit_headers(response.headers)
        logger.debug(
            "%s: %s: %d in %.0f ms%s",
            self._organization,
            request.operation,
            response.status,
            seconds * 1000,
            f", {limits}" if limits else "",
        )


def _network_error_text(error: httpx.TransportError | httpx.DecodingError) -> str:
    """Returns the error's class, with its text unless that quotes a header or the response."""
    own_text = (httpx.TimeoutException, httpx.NetworkError, httpx.DecodingError)
    name = type(error).__name__
    return f"{name}: {error}" if isinstance(error, own_text) else name
