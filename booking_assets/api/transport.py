"""Sending one request and reading its response, and counting requests and bytes.

What a status means is decided in `responses`; retries are in `retry`, the settings of the shared
HTTP client in `http_client`, the limits of time and size in `deadline` and `bodies`.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from threading import Lock
from typing import BinaryIO

import httpx

from booking_assets.api import bodies
from booking_assets.api.deadline import deadline
from booking_assets.api.errors import BookingError, CertificateError, ResponseTooLarge
from booking_assets.api.http_client import REASON_EXTENSION, parsed_url
from booking_assets.api.proxies import InvalidEnvironment
from booking_assets.api.responses import OK, Response, rate_limit_headers
from booking_assets.api.retry import RetryableError

logger = logging.getLogger(__name__)

_DEFAULT_SECONDS = 60.0
_ERRORS_WITH_OWN_TEXT = (httpx.TimeoutException, httpx.NetworkError, httpx.DecodingError)


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

    `path` is relative to the base URL; `body` is JSON, encoded once for all attempts. The response
    may have `max_bytes` and take `seconds`, by default the HTTP client's timeout.
    """

    operation: str
    method: str
    path: str
    body: bytes | None = None
    accept: str = "application/json"
    max_bytes: int = bodies.SMALL
    seconds: float | None = None


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
            BookingError: The response has more than `max_bytes`, or the environment names an
                invalid proxy or certificate.
        """
        headers = {"Accept": request.accept}
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        started = time.monotonic()
        seconds = request.seconds or self._http.timeout.read or _DEFAULT_SECONDS
        url = parsed_url(self._base_url + request.path)
        exchange = self._http.stream(request.method, url, content=request.body, headers=headers)
        self.add_usage(requests=1)
        failure: RetryableError | BookingError
        try:
            with deadline(seconds), exchange as stream:
                response = self._read(stream, request, sink)
        except InvalidEnvironment as error:
            failure = self._error(error.error_class, request, str(error))
        except (httpx.TransportError, httpx.DecodingError) as error:
            # The texts of other errors may quote a header or the response.
            text = f": {error}" if isinstance(error, _ERRORS_WITH_OWN_TEXT) else ""
            # Whoever closed the client waits for no further attempt, and has closed the log, too.
            is_final = self._http.is_closed
            failure = RetryableError(f"{type(error).__name__}{text}", is_final=is_final)
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                text = "the server's certificate is not trusted"
                failure = self._error(CertificateError, request, text)
        except RuntimeError:
            if not self._http.is_closed:
                raise
            failure = RetryableError("the HTTP client is closed", is_final=True)
        else:
            limits = rate_limit_headers(response.headers)
            logger.debug(
                "%s: %s: %d in %.0f ms%s",
                self._organization,
                request.operation,
                response.status,
                (time.monotonic() - started) * 1000,
                f", {limits}" if limits else "",
            )
            return response
        # Not chained: the httpx error refers to the request, which contains the credential.
        raise failure

    def _read(self, stream: httpx.Response, request: Request, sink: BinaryIO | None) -> Response:
        status, content = stream.status_code, b""
        is_ok = status == OK
        max_bytes = request.max_bytes if is_ok else bodies.SMALL
        try:
            if is_ok and sink is not None:
                sink.writelines(bodies.chunks(stream, max_bytes))
            else:
                content = bodies.read(stream, max_bytes)
        except bodies.BodyTooLarge:
            if is_ok:
                detail = f"the response has more than {max_bytes:,} bytes"
                raise self._error(ResponseTooLarge, request, detail) from None
        finally:
            self.add_usage(bytes_received=stream.num_bytes_downloaded)
        reason = stream.extensions.get(REASON_EXTENSION, b"").decode("ascii", "replace")
        return Response(status, reason, stream.headers, content, stream.url.host)

    def _error(self, kind: type[BookingError], request: Request, detail: str) -> BookingError:
        return kind(self._organization, request.operation, None, detail)
