"""Limits of one response: its time until it is complete, and its size after decompression."""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from booking_assets.api import bodies
from booking_assets.api.client import BookingClient, open_http
from booking_assets.api.errors import NotFound, ResponseTooLarge, Unavailable
from booking_assets.api.retry import RetryPolicy
from booking_assets_tests.api.conftest import ClientFactory
from booking_assets_tests.api.server import Reply, ScriptedServer, json_reply

SEVEN = json_reply({"Count": 7})
GZIP = {"Content-Encoding": "gzip"}
ONCE = RetryPolicy(attempts=1)
SECONDS = 1
"""The timeout: short, and long enough for a good answer on a busy machine."""
EVENT = "0b2a5d5e-0000-4000-8000-000000000001"

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# A gzip header, then stored blocks without content.
GZIP_START = CHUNKED + b"Content-Encoding: gzip\r\n\r\nA\r\n\x1f\x8b\x08\0\0\0\0\0\0\xff\r\n"
EMPTY_BLOCK = b"5\r\n\0\0\0\xff\xff\r\n"
EMPTY_MEMBER = gzip.compress(b"")
EMPTY_MEMBER_CHUNK = b"%x\r\n%b\r\n" % (len(EMPTY_MEMBER), EMPTY_MEMBER)

SLOW = {
    "header lines": Reply(raw=OK, endless=b"X-Slow: 1\r\n", drip_seconds=0.02),
    "a header byte by byte": Reply(raw=OK + b"X-Slow: ", endless=b"x", drip_seconds=0.02),
    "a status line byte by byte": Reply(raw=b"HTTP/1.1 200 ", endless=b"O", drip_seconds=0.02),
    "100 Continue": Reply(raw=CONTINUE, endless=CONTINUE, drip_seconds=0.02),
    "100 Continue without a pause": Reply(raw=CONTINUE, endless=CONTINUE * 1000),
    "103 Early Hints": Reply(
        raw=CONTINUE, endless=b"HTTP/1.1 103 Early\r\n\r\n", drip_seconds=0.02
    ),
    "gzip blocks without content": Reply(raw=GZIP_START, endless=EMPTY_BLOCK, drip_seconds=0.02),
    "gzip blocks without content or pause": Reply(raw=GZIP_START, endless=EMPTY_BLOCK * 1000),
    "gzip members without content": Reply(
        raw=CHUNKED + b"Content-Encoding: gzip\r\n\r\n", endless=EMPTY_MEMBER_CHUNK * 100
    ),
    "a chunked body": Reply(raw=CHUNKED + b"\r\n", endless=b"1\r\n \r\n", drip_seconds=0.02),
    "a chunk extension": Reply(raw=CHUNKED + b"\r\n1;", endless=b"x", drip_seconds=0.02),
    "trailers": Reply(
        raw=CHUNKED + b"\r\n1\r\n7\r\n0\r\n", endless=b"X-Slow: 1\r\n", drip_seconds=0.02
    ),
    "the body of an error": Reply(
        raw=b"HTTP/1.1 503 Busy\r\nContent-Length: 9999\r\n\r\n", endless=b"x", drip_seconds=0.02
    ),
}


@pytest.mark.parametrize("reply", SLOW.values(), ids=SLOW)
def test_a_response_that_never_ends_is_given_up_at_the_deadline(
    make_client: ClientFactory, server: ScriptedServer, reply: Reply
) -> None:
    server.script(reply, SEVEN)
    with open_http(timeout_seconds=SECONDS) as http:
        client = make_client(http=http, retry=ONCE)
        started = time.monotonic()
        with pytest.raises(Unavailable, match=f"the response was not complete after {SECONDS} s"):
            client.count()
        assert SECONDS <= time.monotonic() - started < 60 * SECONDS
        assert client.count() == 7  # on a new connection


def test_a_reused_connection_has_the_deadline_too(
    make_client: ClientFactory, server: ScriptedServer
) -> None:
    server.script(SEVEN, SLOW["header lines"])
    with open_http(timeout_seconds=SECONDS) as http:
        client = make_client(http=http, retry=ONCE)
        client.count()
        with pytest.raises(Unavailable, match="not complete"):
            client.count()


def test_a_download_may_take_longer_than_a_response(
    make_client: ClientFactory, server: ScriptedServer, tmp_path: Path
) -> None:
    server.script(Reply(200, b"[" + b" " * 28 + b"]", drip_seconds=0.06))
    with open_http(timeout_seconds=SECONDS) as http:
        client = make_client(http=http, retry=ONCE)
        assert client.download(tmp_path / "events.json", "json").stat().st_size == 30


def test_a_download_has_a_deadline_too(
    make_client: ClientFactory,
    server: ScriptedServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("booking_assets.api.client.DOWNLOAD_SECONDS", SECONDS)
    server.script(SLOW["a chunked body"])
    with pytest.raises(Unavailable, match="not complete"):
        make_client(retry=ONCE).download(tmp_path / "events.json", "json")
    assert list(tmp_path.iterdir()) == []


def zeros(size: int) -> bytes:
    """`size` zero bytes as gzip, which is a thousandth of it."""
    packer = zlib.compressobj(wbits=31)
    return b"".join(packer.compress(bytes(2**20)) for _ in range(size >> 20)) + packer.flush()


TOO_LARGE: dict[str, tuple[Callable[[BookingClient], object], int]] = {
    "count": (lambda client: client.count(), bodies.SMALL),
    "search": (lambda client: client.search(1, 10), bodies.ROW),
    "retrieve": (lambda client: client.retrieve(EVENT), bodies.ROW),
}


@pytest.mark.parametrize("compressed", [True, False], ids=["gzip", "plain"])
@pytest.mark.parametrize(("call", "limit"), TOO_LARGE.values(), ids=TOO_LARGE)
def test_a_response_beyond_its_size_is_stopped_once_and_names_the_limit(
    client: BookingClient,
    server: ScriptedServer,
    call: Callable[[BookingClient], object],
    limit: int,
    compressed: bool,
) -> None:
    size = 2 * limit
    server.script(Reply(200, zeros(size), GZIP) if compressed else Reply(200, bytes(size)))
    with pytest.raises(ResponseTooLarge, match=f"has more than {limit:,} bytes.*page_size"):
        call(client)
    assert len(server.received) == 1


def test_a_page_has_a_limit(
    client: BookingClient, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "PAGE", 2**22)
    server.script(Reply(200, zeros(2**23), GZIP))
    with pytest.raises(ResponseTooLarge, match=r"collect page 3 was stopped.*4,194,304 bytes"):
        client.collect(3, 10, json.loads)


def test_a_download_has_a_limit_and_keeps_the_old_file(
    client: BookingClient, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bodies, "FILE", 2**20)
    path = tmp_path / "events.json"
    path.write_text("yesterday")
    server.script(Reply(200, zeros(2**21), GZIP))
    with pytest.raises(ResponseTooLarge):
        client.download(path, "json")
    assert path.read_text() == "yesterday"


def test_a_decompression_bomb_takes_little_memory(
    client: BookingClient, server: ScriptedServer
) -> None:
    bomb = zeros(2**28)  # as a whole, 256 MiB
    server.script(Reply(200, bomb, GZIP))
    tracemalloc.start()
    with pytest.raises(ResponseTooLarge):
        client.count()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * 2**20


def test_the_body_of_an_error_beyond_the_limit_is_cut(
    client: BookingClient, server: ScriptedServer
) -> None:
    server.script(Reply(503, zeros(2**23), GZIP), Reply(503, bytes(2**23)), SEVEN)
    assert client.count() == 7
    assert client.usage.retries == 2
    server.script(Reply(404, bytes(2**23)))
    with pytest.raises(NotFound):
        client.count()


BODY = json.dumps({"Count": 7}).encode()
COMPRESSED = {
    "gzip": (gzip.compress(BODY), "gzip"),
    "x-gzip in capitals": (gzip.compress(BODY), "X-GZIP"),
    "deflate": (zlib.compress(BODY), "deflate"),
    "two members": (gzip.compress(BODY[:5]) + gzip.compress(BODY[5:]), "gzip"),
    "identity": (BODY, "identity"),
}


@pytest.mark.parametrize(("body", "encoding"), COMPRESSED.values(), ids=COMPRESSED)
def test_a_compressed_body_is_read(
    client: BookingClient, server: ScriptedServer, body: bytes, encoding: str
) -> None:
    server.script(Reply(200, body, {"Content-Encoding": encoding}))
    assert client.count() == 7
    assert len(server.received) == 1


def test_a_large_compressed_body_is_read_whole(
    client: BookingClient, server: ScriptedServer
) -> None:
    rows = [{"EventTitle": f"{number:040x}" * 20} for number in range(5_000)]
    body = json.dumps(rows).encode()
    blanks = gzip.compress(b" " * 2**26, 1)
    server.script(Reply(200, gzip.compress(body, 1), GZIP), Reply(200, blanks, GZIP))
    assert client.collect(1, 5_000, bytes).content == body
    assert client.collect(2, 5_000, len).content == 2**26


BROKEN = {
    "truncated gzip": Reply(200, gzip.compress(BODY)[:-4], GZIP),
    "garbage after the gzip": Reply(200, gzip.compress(BODY) + b"garbage", GZIP),
    "not gzip": Reply(200, BODY, GZIP),
    "an encoding that was not requested": Reply(200, BODY, {"Content-Encoding": "br"}),
}


@pytest.mark.parametrize("reply", BROKEN.values(), ids=BROKEN)
def test_an_invalid_compressed_body_is_requested_again(
    client: BookingClient, server: ScriptedServer, reply: Reply
) -> None:
    server.script(reply, SEVEN)
    assert client.count() == 7
    server.script(replace(reply, status=500), SEVEN)
    assert client.count() == 7
