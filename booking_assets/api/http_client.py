"""`open_http`: the HTTP client that all organizations share: limits, cookies, proxies, TLS.

One request is sent in `transport`; the deadline of a response is in `deadline`, the choice of a
proxy in `proxies`.
"""

from __future__ import annotations

import logging
import os
import ssl
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.request import getproxies

import httpx

from booking_assets.api.circuit_breaker import CircuitBreaker
from booking_assets.api.deadline import DeadlineTransport
from booking_assets.api.errors import CertificateError, InvalidProxy
from booking_assets.api.proxies import (
    InvalidEnvironment,
    is_loopback,
    open_proxy,
    proxy_variable,
    unreachable_proxy,
)

logger = logging.getLogger(__name__)

REASON_EXTENSION = "server_reason_phrase"
"""The response extension with the status line's reason, in bytes."""

_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=30.0)


class HttpClient(httpx.Client):
    """An HTTP client with a circuit breaker for each host, shared by all organizations."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._breakers: dict[bytes, CircuitBreaker] = {}

    def breaker(self, base_url: str) -> CircuitBreaker:
        """Returns the circuit breaker of a base URL's host."""
        return self._breakers.setdefault(parsed_url(base_url).netloc, CircuitBreaker())


@lru_cache
def parsed_url(text: str) -> httpx.URL:
    """The URL of a text; organizations of one server have the same few."""
    return httpx.URL(text)


def open_http(timeout_seconds: float) -> HttpClient:
    """Opens the HTTP client that all organizations of a process share; the caller closes it.

    `timeout_seconds` limits connecting, each read and write, the wait for a free connection, and
    the time until a response is complete.
    """
    logging.getLogger("httpcore.http11").addFilter(_quotes_no_response)
    return HttpClient(
        headers={
            "Accept-Encoding": "gzip",
            "User-Agent": f"booking-assets/{version('booking-assets')}",
        },
        timeout=timeout_seconds,
        transport=_RoutingTransport(),
        trust_env=False,  # `_RoutingTransport` reads the environment
        # A cookie may be a credential: it must not be sent with another organization's request.
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=())),
        follow_redirects=False,
    )


class _RoutingTransport(httpx.BaseTransport):
    """Sends each request directly or through the environment's proxy.

    A route is opened by the first request that needs it: an invalid proxy or certificate file is
    an error only for the addresses that it is used for.
    """

    def __init__(self) -> None:
        self._proxies = getproxies()
        self._routes: dict[tuple[str, str | None], DeadlineTransport] = {}
        self._warned: set[str] = set()
        self._lock = Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends the request; moves the reason, which httpx would log, to another extension."""
        url = request.url
        with self._lock:
            if url.scheme == "http" and url.host not in self._warned and not is_loopback(url.host):
                self._warned.add(url.host)
                logger.warning(
                    "%s is addressed with http: the token travels in clear text. Set base_url in "
                    "booking.toml to the https address.",
                    url.host,
                )
            key = proxy_variable(url, self._proxies)
            route = self._route(url.scheme, key)
        try:
            response = route.handle_request(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            # A certificate is not the proxy's: the request went through it.
            if key is None or "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise
            raise unreachable_proxy(key, error) from None
        response.extensions[REASON_EXTENSION] = response.extensions.pop("reason_phrase", b"")
        return response

    def close(self) -> None:
        """Closes all connections."""
        for route in self._routes.values():
            route.close()

    def _route(self, scheme: str, key: str | None) -> DeadlineTransport:
        if (scheme, key) not in self._routes:
            proxy = None if key is None else open_proxy(key, self._proxies)
            needs_tls = scheme == "https" or (proxy is not None and proxy.url.scheme == "https")
            # Without TLS no certificates are loaded: this context would trust no server.
            verify = _ssl_context() if needs_tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            try:
                route = DeadlineTransport(verify=verify, limits=_LIMITS, proxy=proxy)
            except ImportError:
                detail = f"{str(key).upper()}_PROXY is a socks5 proxy, and socksio is not installed"
                raise InvalidEnvironment(InvalidProxy, detail) from None
            self._routes[scheme, key] = route
        return self._routes[scheme, key]


def _ssl_context() -> ssl.SSLContext:
    """Returns the TLS settings with the certificates that the environment names, or httpx's own."""
    folder = os.environ.get("SSL_CERT_DIR", "")
    file = os.environ.get("SSL_CERT_FILE", "")
    if folder and not file and not Path(folder).is_dir():
        raise InvalidEnvironment(CertificateError, f"SSL_CERT_DIR names {folder}, not a folder")
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        detail = f"SSL_CERT_FILE names {file}, which cannot be read as certificates ({error})"
        raise InvalidEnvironment(CertificateError, detail) from None


def _quotes_no_response(record: logging.LogRecord) -> bool:
    """Filters httpcore's debug log: a server may echo a credential in any header or body."""
    message = record.getMessage()
    return "receive_response" not in message or ".started" in message
