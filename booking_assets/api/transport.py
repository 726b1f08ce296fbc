"""One request, one answer: sent, read to the end, counted and logged.

What lives here: the shared HTTP client's settings, `Transport`, and the count of its use.
What must not: what a status means (`answers`), asking again (`retry`).
Read more: https://www.python-httpx.org/advanced/clients/
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import version
from threading import Lock
from typing import BinaryIO

import httpx

from booking_assets.api.redaction import redact
from booking_assets.api.responses import OK, Response, throttling
from booking_assets.api.retry import Retryable

logger = logging.getLogger(__name__)

_MAX_CONNECTIONS = 100
_KEEP_ALIVE_SECONDS = 30.0


def open_http(timeout_seconds: float) -> httpx.Client:
    """The one HTTP client of a process, for all organizations; the caller closes it.

    `timeout_seconds` bounds connecting, each read and write, the wait for a free connection, and
    the time in which a whole answer must have come.
    """
    # A cookie of the server's is a credential: one organization's must never travel with another's
    # request over the shared client.
    no_cookies = CookieJar(policy=DefaultCookiePolicy(allowed_domains=()))
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
        cookies=no_cookies,
        follow_redirects=False,
    )


@dataclass(frozen=True)
class Usage:
    """What the client has used so far: requests of all kinds, repeated attempts, body bytes.

    Bytes are counted as they came over the network, compressed or not, also of answers that failed.
    """

    requests: int
    retries: int
    bytes_received: int


class Meter:
    """Counts usage; any thread may add to it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._usage = Usage(0, 0, 0)

    def add(self, *, requests: int = 0, retries: int = 0, bytes_received: int = 0) -> None:
        """Adds to what was counted so far."""
        with self._lock:
            self._usage = Usage(
                self._usage.requests + requests,
                self._usage.retries + retries,
                self._usage.bytes_received + bytes_received,
            )

    @property
    def usage(self) -> Usage:
        """What was counted so far."""
        return self._usage


@dataclass(frozen=True)
class Request:
    """What is asked: `operation` in words for people, the rest for the server.

    `path` is below the base URL; `body` is JSON, encoded once for all attempts.
    """

    operation: str
    method: str
    path: str
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()


class Transport:
    """Sends one organization's requests over the shared client, and knows its secrets.

    Thread-safe, as the shared client is.
    """

    def __init__(
        self, http: httpx.Client, base_url: str, organization: str, secrets: tuple[str, ...]
    ) -> None:
        self.meter = Meter()
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._organization = organization
        self._secrets = secrets
        self._secrets_lock = Lock()

    def conceal(self, secret: str) -> None:
        """Remembers another text that no message may show."""
        with self._secrets_lock:
            self._secrets = (*self._secrets, secret)

    def redact(self, text: str) -> str:
        """The text as one short line without any secret of the organization."""
        return redact(text, self._secrets)

    def send(self, request: Request, token: str | None, sink: BinaryIO | None = None) -> Response:
        """Sends the request once and reads its answer to the end, whatever the status.

        A body that comes with 200 goes to `sink` where one is given, else into the answer.

        Raises:
            Retryable: When no whole answer came.
        """
        headers = dict(request.headers)
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        started = time.monotonic()
        self.meter.add(requests=1)
        try:
            with self._http.stream(
                request.method, self._base_url + request.path, content=request.body, headers=headers
            ) as response:
                answer = self._read(response, sink, started)
        except (httpx.TransportError, httpx.DecodingError) as error:
            # Not chained: the error holds the request, and the request holds the credential.
            failure = Retryable(self.redact(f"{type(error).__name__}: {error}"))
        else:
            self._log(request, answer, time.monotonic() - started)
            return answer
        raise failure

    def _read(self, response: httpx.Response, sink: BinaryIO | None, started: float) -> Response:
        try:
            if sink is not None and response.status_code == OK:
                sink.writelines(response.iter_bytes())
                content = b""
            else:
                content = b"".join(self._in_time(response, started))
        finally:
            self.meter.add(bytes_received=response.num_bytes_downloaded)
        return Response(response.status_code, response.reason_phrase, response.headers, content)

    def _in_time(self, response: httpx.Response, started: float) -> Iterator[bytes]:
        """The body's parts; a server that drips them never runs into the timeout of one read."""
        seconds = self._http.timeout.read
        for part in response.iter_bytes():
            if seconds is not None and time.monotonic() - started > seconds:
                raise httpx.ReadTimeout(f"the answer was not complete after {seconds:g} s")
            yield part

    def _log(self, request: Request, answer: Response, seconds: float) -> None:
        limits = throttling(answer.headers)
        logger.debug(
            "%s: %s: %d in %.0f ms%s",
            self._organization,
            request.operation,
            answer.status,
            seconds * 1000,
            f", {self.redact(str(limits))}" if limits else "",
        )
