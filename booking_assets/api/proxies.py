"""The proxy for an address: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`.

The HTTP client that uses it, and the TLS certificates, are in `http_client`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpx

from booking_assets.api.errors import BookingError, InvalidProxy

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[\w.-]+|[0-9a-fA-F:.]+")


class InvalidEnvironment(Exception):
    """A variable of the environment is invalid; `error_class` is what the client raises for it."""

    def __init__(self, error_class: type[BookingError], detail: str) -> None:
        super().__init__(detail)
        self.error_class = error_class


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    address = _address(host)
    if address is None:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def proxy_variable(url: httpx.URL, proxies: Mapping[str, str]) -> str | None:
    """Returns the key in `proxies` of the proxy for `url`: its scheme or "all"; None if direct.

    `proxies` is what `urllib.request.getproxies` returns; `NO_PROXY` may list names, domains,
    addresses, and ranges of IPv4 and IPv6. A loopback address never goes through a proxy.
    """
    key = url.scheme if proxies.get(url.scheme) else "all"
    if not proxies.get(key) or is_loopback(url.host):
        return None
    excluded = re.split(r"[,\s]+", proxies.get("no", ""))
    return None if any(_excludes(item, url) for item in excluded) else key


def open_proxy(key: str, proxies: Mapping[str, str]) -> httpx.Proxy:
    """Returns the proxy under `key`. Its address may contain a password and is in no message.

    Raises:
        InvalidEnvironment: The address is invalid, or its scheme is not supported.
    """
    value = proxies[key]
    try:
        proxy = httpx.Proxy(value if "://" in value else f"http://{value}")
    except (ValueError, httpx.InvalidURL):
        proxy = None
    if proxy is None or not _HOST.fullmatch(proxy.url.host) or not _is_port(proxy.url.port):
        detail = (
            f"{key.upper()}_PROXY is not the address of an http, https or socks5 proxy, such as "
            "http://host:3128"
        )
        raise InvalidEnvironment(InvalidProxy, detail)
    return proxy


def unreachable_proxy(key: str, error: httpx.TransportError) -> httpx.ConnectError:
    """Returns the error of a request that did not get through the proxy under `key`."""
    what = "refuses the request" if isinstance(error, httpx.ProxyError) else "cannot be reached"
    return httpx.ConnectError(
        f"the proxy that {key.upper()}_PROXY names {what}; correct or unset the variable, or list "
        "the host in NO_PROXY"
    )


def _is_port(port: int | None) -> bool:
    return port is None or 0 < port < 2**16


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _excludes(item: str, url: httpx.URL) -> bool:
    """Whether an item of `NO_PROXY` is for `url`: "*", an address, a range, or a name[:port]."""
    address = _address(url.host)
    if address is not None:
        try:
            return address in ip_network(item.strip("[]"), strict=False)
        except ValueError:
            pass
    name, _, port = item.lower().partition(":")
    if port and port != str(url.port or _DEFAULT_PORTS.get(url.scheme)):
        return False
    name = name.removeprefix("*").removeprefix(".")
    return item == "*" or (name != "" and f".{url.host}".endswith(f".{name}"))
