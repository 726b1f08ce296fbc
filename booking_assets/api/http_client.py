"""`open_http`: the settings of the HTTP client that all organizations share.

One request is sent in `transport`; the deadline of a response is in `deadline`.
"""

from __future__ import annotations

import logging
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import version

import httpx

from booking_assets.api.deadline import DeadlineTransport

REASON_EXTENSION = "server_reason_phrase"
"""The response extension that holds the status line's reason, in bytes."""

_MAX_CONNECTIONS = 100
_KEEP_ALIVE_SECONDS = 30.0


def open_http(timeout_seconds: float) -> httpx.Client:
    """Opens the HTTP client that all organizations of a process share; the caller closes it.

    `timeout_seconds` limits connecting, each read and write, the wait for a free connection, and
    the time until a response is complete.
    """
    logging.getLogger("httpcore.http11").addFilter(_quotes_no_response)
    limits = httpx.Limits(
        max_connections=_MAX_CONNECTIONS,
        max_keepalive_connections=_MAX_CONNECTIONS,
        keepalive_expiry=_KEEP_ALIVE_SECONDS,
    )
    return httpx.Client(
        headers={
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": f"booking-assets/{version('booking-assets')}",
        },
        timeout=httpx.Timeout(timeout_seconds),
        transport=_Transport(limits=limits),
        # A cookie may be a credential: it must not be sent with another organization's request.
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=())),
        follow_redirects=False,
    )


class _Transport(DeadlineTransport):
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends the request; moves the reason, which httpx would log, to another extension."""
        response = super().handle_request(request)
        reason = response.extensions.pop("reason_phrase", b"")
        response.extensions[REASON_EXTENSION] = reason
        return response


def _quotes_no_response(record: logging.LogRecord) -> bool:
    """Filters httpcore's debug log: a server may echo a credential in any header or body."""
    message = record.getMessage()
    return "receive_response" not in message or ".started" in message
