"""`Booking`: an organization's Booking API on the loopback; a test may move rows before any answer.

Rows are built in `events`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, Literal
from uuid import UUID

from booking_assets_tests.collect.events import identifier, page_of


@dataclass(frozen=True)
class Request:
    """A request: `count`, `collect`, `search`, or the identifier of a retrieved row."""

    verb: str
    page: int = 0
    size: int = 0
    sort: str = field(default="", compare=False)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    total: int | None = None


class Booking:
    """Rows by number, and how the server answers.

    Attributes:
        rows: JSON values, or texts and bytes that stay as they are; sorted by number.
        requests: every request so far, in the order of arrival.
        before: called with each request before it is answered; may move rows, may wait.
        instead: returns an answer in place of the usual one, or None.
        cap: the maximum of rows a page.
        skips_by_cap: whether a capped page begins where capped pages would, or as requested.
        sorts: whether the requested order is followed; else rows are sorted by number.
        sort_key: by what of the change time rows are sorted.
        unstamped: how rows without a change time are sorted: as the lowest or the highest change
            time, or always first or last.
        now: the server's clock, which is sent as `Date`; None where it is not sent.
        sends_total: whether pages have a pagination header.
        total: the total in it; None for the number of rows.
    """

    def __init__(self) -> None:
        self.rows: dict[int, dict[str, Any] | str | bytes] = {}
        self.requests: list[Request] = []
        self.before: Callable[[Request], object] = lambda request: None
        self.instead: Callable[[Request], Answer | None] = lambda request: None
        self.cap = 10**9
        self.skips_by_cap = True
        self.sends_total = True
        self.total: int | None = None
        self.sorts = True
        self.sort_key: Callable[[str], str] = lambda stamp: stamp
        self.unstamped: Literal["low", "high", "first", "last"] = "low"
        self.now: datetime | None = datetime.now(UTC)
        self.port = 0
        self._lock = Lock()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v2/E01"

    def answer(self, request: Request) -> Answer:
        with self._lock:
            self.requests.append(request)
        self.before(request)
        with self._lock:
            return self.instead(request) or self._usual(request)

    def _usual(self, request: Request) -> Answer:
        numbers = self._in_order(request.sort)
        if request.verb == "count":
            return Answer(200, json.dumps({"Count": len(numbers)}).encode())
        if request.verb in ("collect", "search"):
            size = min(request.size, self.cap)
            start = (request.page - 1) * (size if self.skips_by_cap else request.size)
            page = numbers[start : start + size]
            is_whole = request.verb == "collect"
            rows = (self.rows[n] if is_whole else {"EventIdentifier": identifier(n)} for n in page)
            total = len(numbers) if self.total is None else self.total
            return Answer(200, page_of(rows), total if self.sends_total else None)
        row = self.rows.get(UUID(request.verb).int)
        return Answer(404, b"{}") if row is None else Answer(200, page_of([row])[1:-1])

    def _in_order(self, sort: str) -> list[int]:
        numbers = sorted(self.rows)
        if not self.sorts or not sort.startswith("LastChangeTime"):
            return numbers
        descending = "desc" in sort
        stamps = {number: _change_time(self.rows[number]) for number in numbers}
        stamped = [number for number in numbers if stamps[number]]
        stamped.sort(key=lambda number: self.sort_key(str(stamps[number])), reverse=descending)
        unstamped = [number for number in numbers if not stamps[number]]
        is_first = {"low": not descending, "high": descending, "first": True, "last": False}
        if is_first[self.unstamped]:
            return unstamped + stamped
        return stamped + unstamped


def _change_time(row: dict[str, Any] | str | bytes) -> str | None:
    """As text: events of the tests are all stamped in UTC, to the microsecond."""
    return row.get("LastChangeTime") if isinstance(row, dict) else None


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    # Else Nagle's algorithm and delayed acknowledgements cost 40 ms an answer.
    disable_nagle_algorithm = True

    def reply(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        paging = json.loads(body or b"{}").get("Filter", {})
        verb = self.path.rpartition("/")[2]
        answer = self.server.booking.answer(
            Request(verb, paging.get("Page", 0), paging.get("PageSize", 0), paging.get("Sort", ""))
        )
        self.send_response_only(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer.body)))
        if self.server.booking.now is not None:
            self.send_header("Date", format_datetime(self.server.booking.now, usegmt=True))
        if answer.total is not None:
            self.send_header("X-Query-Pagination", json.dumps({"TotalCount": answer.total}))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = reply  # noqa: N815 - the names that http.server looks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
        """Requests are in `requests`; the tests' output stays clean."""


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
