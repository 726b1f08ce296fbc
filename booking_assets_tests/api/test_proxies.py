"""Proxies, TLS certificates and clear text: what the environment and base_url may say."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator
from pathlib import Path

import certifi
import httpx
import pytest

from booking_assets.api.client import open_http
from booking_assets.api.errors import BookingError, CertificateError, InvalidProxy
from booking_assets.api.proxies import is_loopback, proxy_variable
from booking_assets.api.retry import RetryPolicy
from booking_assets_tests.api.conftest import ClientFactory
from booking_assets_tests.api.server import Reply, ScriptedServer, json_reply, running_server

SEVEN = json_reply({"Count": 7})
ONCE = RetryPolicy(attempts=1)
CLOSED = "http://127.0.0.1:1"
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def proxy() -> Iterator[ScriptedServer]:
    """A second scripted server, which stands for the proxy and what is behind it."""
    with running_server() as server:
        server.script(SEVEN)
        yield server


def count(make_client: ClientFactory, base_url: str) -> int:
    """Counts with an HTTP client that is opened in the environment of the test."""
    with open_http(timeout_seconds=2) as http:
        return make_client(http=http, base_url=base_url, retry=ONCE).count()


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    "value", [CLOSED, "127.0.0.1:1", "socks5://127.0.0.1:1", "http://[", "x://y"]
)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_loopback_address_never_uses_a_proxy(
    make_client: ClientFactory,
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    host: str,
) -> None:
    monkeypatch.setenv(variable, value)
    server.script(SEVEN)
    assert count(make_client, server.base_url.replace("127.0.0.1", host)) == 7


LOOPBACK = ["127.0.0.1", "127.9.9.9", "::1", "localhost", "api.localhost", "0.0.0.0", "::"]
REMOTE = ["128.0.0.1", "10.0.0.1", "2001:db8::1", "localhost.example", "api.example", ""]


@pytest.mark.parametrize("host", LOOPBACK + REMOTE)
def test_loopback_hosts_are_recognized(host: str) -> None:
    assert is_loopback(host) == (host in LOOPBACK)


def test_another_address_uses_the_proxy(
    make_client: ClientFactory, proxy: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"127.0.0.1:{proxy.port}")
    assert count(make_client, "http://api.example/v2/E01") == 7
    (request,) = proxy.received
    assert request.path == "http://api.example/v2/E01/booking/events/count"


def test_a_response_through_a_proxy_has_the_deadline_too(
    make_client: ClientFactory, proxy: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
    proxy.script(Reply(raw=b"HTTP/1.1 200 OK\r\n", endless=b"X: y\r\n", drip_seconds=0.02))
    with open_http(timeout_seconds=0.2) as http, pytest.raises(BookingError, match=r"after 0\.2 s"):
        make_client(http=http, base_url="http://api.example", retry=ONCE).count()


UNUSABLE = ["not a url", "http://", "http://proxy:99999", "http://proxy:0", "http://a b:3128"]


@pytest.mark.parametrize("value", UNUSABLE)
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
def test_an_unusable_proxy_is_named_without_a_request(
    make_client: ClientFactory, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidProxy, match=f"{variable} is not the address of .*unset") as caught:
        count(make_client, "http://api.example")
    assert value not in str(caught.value).replace("http://host:3128", "")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_dead_proxy_is_named_with_the_remedy(
    make_client: ClientFactory, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv(f"{scheme.upper()}_PROXY", "http://user:hunter2@127.0.0.1:1")
    expected = f"{scheme.upper()}_PROXY names cannot be reached; correct or unset the variable"
    with pytest.raises(BookingError, match=expected) as caught:
        count(make_client, f"{scheme}://api.example")
    assert "hunter2" not in str(caught.value)


def test_a_proxy_that_refuses_the_host_is_named(
    make_client: ClientFactory, proxy: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
    proxy.script(Reply(407))
    with pytest.raises(BookingError, match="HTTPS_PROXY names refuses the request"):
        count(make_client, "https://api.example")


PROXY = "http://proxy.example:3128"
EXCLUSIONS = {
    "none": ("", "api.example", False),
    "the name": ("api.example", "api.example", True),
    "the name in capitals": ("API.EXAMPLE", "api.example", True),
    "a domain": ("example", "api.example", True),
    "a domain with a dot": (".example", "api.example", True),
    "a domain with a star": ("*.example", "api.example", True),
    "the end of another name": ("pi.example", "api.example", False),
    "a star": ("other, *", "api.example", True),
    "blanks": ("other api.example", "api.example", True),
    "the port": ("api.example:8443", "api.example:8443", True),
    "the default port": ("api.example:443", "api.example", True),
    "another port": ("api.example:8443", "api.example", False),
    "an IPv4 address": ("10.0.0.7", "10.0.0.7", True),
    "an IPv4 range": ("10.0.0.0/8", "10.1.2.3", True),
    "another IPv4 range": ("10.0.0.0/16", "10.1.2.3", False),
    "an IPv6 address": ("2001:db8::7", "[2001:db8::7]", True),
    "an IPv6 address in brackets": ("[2001:db8::7]", "[2001:db8:0::7]", True),
    "an IPv6 range": ("fd00::/8,2001:db8::/32", "[2001:db8::7]", True),
    "another IPv6 range": ("fd00::/8", "[2001:db8::7]", False),
    "a range with host bits": ("2001:db8::1/32", "[2001:db8::7]", True),
    "a range for a name": ("10.0.0.0/8", "api.example", False),
    "nonsense": ("://,[,/,::/999,10.0.0.0/99,:", "api.example", False),
    "nonsense for an address": ("://,[,/,::/999,10.0.0.0/99,:", "[2001:db8::7]", False),
}


@pytest.mark.parametrize(("no_proxy", "host", "direct"), EXCLUSIONS.values(), ids=EXCLUSIONS)
def test_no_proxy_lists_names_addresses_and_ranges(no_proxy: str, host: str, direct: bool) -> None:
    proxies = {"https": PROXY, "no": no_proxy}
    assert proxy_variable(httpx.URL(f"https://{host}/v2"), proxies) == (None if direct else "https")


def test_the_proxy_of_the_scheme_comes_before_the_proxy_of_all() -> None:
    url = httpx.URL("https://api.example")
    assert proxy_variable(url, {"https": PROXY, "all": PROXY}) == "https"
    assert proxy_variable(url, {"http": PROXY, "all": PROXY}) == "all"
    assert proxy_variable(url, {"http": PROXY}) is None
    assert proxy_variable(url, {"https": "", "all": ""}) is None


INVALID = {
    "socks5 without its extra": (
        "ALL_PROXY",
        "socks5://me:canary@p",
        "socksio is not installed",
    ),
    "socks5h without its extra": ("HTTPS_PROXY", "socks5h://p.example", "socksio is not installed"),
    "an unknown scheme": (
        "HTTPS_PROXY",
        "ftp://me:canary@p",
        "HTTPS_PROXY is not the address",
    ),
    "not an address": ("ALL_PROXY", "http://me:canary@", "ALL_PROXY is not the address"),
    "an invalid port": ("HTTPS_PROXY", "http://me:canary@p:x", "HTTPS_PROXY is not the"),
}


@pytest.mark.parametrize(("variable", "value", "text"), INVALID.values(), ids=INVALID)
def test_an_invalid_proxy_is_one_sentence_with_a_remedy_and_no_password(
    make_client: ClientFactory,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    text: str,
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidProxy, match=f"acme: events: count was not sent .*{text}") as caught:
        count(make_client, "https://api.example")
    assert "NO_PROXY" in str(caught.value)
    assert "canary" not in str(caught.value)


def certificates(folder: Path, kind: str) -> dict[str, str]:
    """An environment with certificates of this kind."""
    (folder / "empty.pem").touch()
    (folder / "text.pem").write_text("no certificate", encoding="utf-8")
    return {
        "a missing file": {"SSL_CERT_FILE": str(folder / "missing.pem")},
        "a folder": {"SSL_CERT_FILE": str(folder)},
        "an empty file": {"SSL_CERT_FILE": str(folder / "empty.pem")},
        "a file without certificates": {"SSL_CERT_FILE": str(folder / "text.pem")},
        "a missing folder": {"SSL_CERT_DIR": str(folder / "missing")},
    }[kind]


KINDS = [
    "a missing file",
    "a folder",
    "an empty file",
    "a file without certificates",
    "a missing folder",
]


@pytest.mark.parametrize("kind", KINDS)
def test_certificates_that_cannot_be_read_are_one_sentence_with_a_remedy(
    make_client: ClientFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    environment = certificates(tmp_path, kind)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CertificateError, match=r"was not sent .*Set SSL_CERT_FILE") as caught:
        count(make_client, "https://api.example")
    (variable,), (path,) = environment.keys(), environment.values()
    assert f"{variable} names {path}" in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_certificates_that_cannot_be_read_do_not_matter_to_a_loopback_address(
    make_client: ClientFactory,
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    kind: str,
) -> None:
    for name, value in certificates(tmp_path, kind).items():
        monkeypatch.setenv(name, value)
    server.script(SEVEN)
    assert count(make_client, server.base_url) == 7


def test_readable_certificates_are_accepted(
    make_client: ClientFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certifi.where())
    with pytest.raises(BookingError, match=r"was given up .*ConnectError"):
        count(make_client, "https://127.0.0.1:1")


def test_an_untrusted_certificate_is_not_retried(
    make_client: ClientFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise httpx.ConnectError(str(ssl.SSLCertVerificationError("CERTIFICATE_VERIFY_FAILED")))

    monkeypatch.setattr("booking_assets.api.deadline.DeadlineTransport.handle_request", refuse)
    with pytest.raises(CertificateError, match="not trusted") as caught:
        count(make_client, "https://api.example")
    assert caught.value.__context__ is None


def test_plain_http_is_warned_of_once_unless_it_is_loopback(
    make_client: ClientFactory,
    server: ScriptedServer,
    proxy: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
    server.script(SEVEN)
    with open_http(timeout_seconds=2) as http, caplog.at_level(logging.WARNING):
        for base_url in (server.base_url, "http://api.example/v2", "http://api.example/v2"):
            make_client(http=http, base_url=base_url).count()
    (warning,) = (record.getMessage() for record in caplog.records)
    assert warning.startswith(
        "api.example is addressed with http: the token travels in clear text."
    )
