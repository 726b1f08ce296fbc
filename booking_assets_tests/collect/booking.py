"""One organization's Booking API on the loopback, whose rows a test may move before any answer.

What lives here: `Booking` and the server around it.
What must not: rows themselves (`events`), promises (the tests).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

from booking_assets_tests.collect.events import identifier, page_of


@dataclass(frozen=True)
class Asked:
    """A request: `count`, `collect`, `search`, or the row that was retrieved."""

    verb: str
    page: int = 0
    size: int = 0


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    total: int | None = None


class Booking:
    """Rows by number, and what a test wants to happen.

    Attributes:
        rows: JSON values, or texts and bytes that stay as they are; sorted by number.
        asked: every request so far, in the order of arrival.
        before: called with each request before it is answered; may move rows, may wait.
        instead: gives an answer in place of the usual one, or None.
        cap: the most rows that a page gets.
        says_total: whether pages have a pagination header.
    """

    def __init__(self) -> None:
        self.rows: dict[int, dict[str, Any] | str | bytes] = {}
        self.asked: list[Asked] = []
        self.before: Callable[[Asked], object] = lambda asked: None
        self.instead: Callable[[Asked], Answer | None] = lambda asked: None
        self.cap = 10**9
        self.says_total = True
        self.port = 0
        self._lock = Lock()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v2/E01"

    def answer(self, asked: Asked) -> Answer:
        with self._lock:
            self.asked.append(asked)
        self.before(asked)
        with self._lock:
            return self.instead(asked) or self._usual(asked)

    def _usual(self, asked: Asked) -> Answer:
        numbers = sorted(self.rows)
        if asked.verb == "count":
            return Answer(200, json.dumps({"Count": len(numbers)}).encode())
        if asked.verb in ("collect", "search"):
            size = min(asked.size, self.cap)
            page = numbers[(asked.page - 1) * size : asked.page * size]
            listed = page_of({"EventIdentifier": identifier(n)} for n in page)
            whole = page_of(self.rows[n] for n in page)
            body = whole if asked.verb == "collect" else listed
            return Answer(200, body, len(numbers) if self.says_total else None)
        found = [row for n, row in self.rows.items() if identifier(n) == asked.verb]
        return Answer(200, page_of(found)[1:-1]) if found else Answer(404, b"{}")


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    # Else Nagle's algorithm and delayed acknowledgements cost 40 ms an answer.
    disable_nagle_algorithm = True

    def reply(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = json.loads(body or b"{}").get("Filter", {})
        verb = self.path.rpartition("/")[2]
        answer = self.server.booking.answer(
            Asked(verb, asked.get("Page", 0), asked.get("PageSize", 0))
        )
        self.send_response_only(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer.body)))
        if answer.total is not None:
            self.send_header("X-Query-Pagination", json.dumps({"TotalCount": answer.total}))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = reply  # noqa: N815 - the names that http.server looks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
        """Requests are in `asked`; the tests' output stays clean."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, booking: Booking) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.booking = booking


@contextmanager
def serving(booking: Booking) -> Iterator[Booking]:
    """Answers on a free port until the block ends."""
    with _Server(booking) as server:
        booking.port = server.server_address[1]
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield booking
        finally:
            server.shutdown()
            thread.join()
