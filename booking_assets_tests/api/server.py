"""A loopback HTTP server that sends scripted replies and records the requests it received.

A `Reply` can also be truncated, slow, or a connection reset. The behavior of the Booking API is in
`booking_assets.sandbox`.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any


@dataclass(frozen=True)
class Reply:
    """One scripted response."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    reason: str | None = None
    missing_bytes: int = 0  # announced in Content-Length, never sent
    drip_seconds: float = 0.0  # between single bytes of the body
    reset: bool = False  # no response: the connection is reset
    raw: bytes = b""  # sent instead of a response, and the connection closed
    endless: bytes = (
        b""  # sent after `raw`, at intervals of `drip_seconds`, until the client closes
    )


@dataclass(frozen=True)
class Received:
    """One received request."""

    method: str
    path: str
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def json_reply(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    """A reply with a JSON body."""
    named = {"Content-Type": "application/json", **(headers or {})}
    return Reply(status, json.dumps(value).encode(), named)


class ScriptedServer:
    """Sends the scripted replies in order, and repeats the last one."""

    def __init__(self) -> None:
        self.port = 0
        self._lock = Lock()
        self.reset()

    def reset(self) -> None:
        """Clears the script and the records, for the next test."""
        self.received: list[Received] = []
        self._replies: list[Reply] = [Reply(418, b"nothing scripted")]
        self._routes: dict[str, Callable[[Received], Reply]] = {}

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v2/E01"

    def script(self, *replies: Reply) -> None:
        self._replies = list(replies)

    def route(self, path: str, handler: Callable[[Received], Reply]) -> None:
        """Lets a function reply at one path, which is relative to the base URL."""
        self._routes[f"/v2/E01{path}"] = handler

    def requests_to(self, path: str) -> list[Received]:
        return [request for request in self.received if request.path == f"/v2/E01{path}"]

    def reply(self, request: Received) -> Reply:
        with self._lock:
            self.received.append(request)
            handler = self._routes.get(request.path)
            if handler is not None:
                return handler(request)
            return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]


class _Server(ThreadingHTTPServer):
    """The listening socket of a `ScriptedServer`."""

    request_queue_size = 128

    def __init__(self, script: ScriptedServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores a client that closes the connection; prints every other error."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Passes each request to the script and sends the reply."""

    server: _Server
    protocol_version = "HTTP/1.1"
    # A loaded machine may stop the client between two requests for longer than one thinks.
    timeout = 60
    # Nagle's algorithm with delayed acknowledgements would cost 40 ms per response.
    disable_nagle_algorithm = True

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        reply = self.server.script.reply(Received(self.command, self.path, self.headers, body))
        self.close_connection = reply.reset or reply.missing_bytes > 0 or reply.raw != b""
        if reply.reset:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            return
        if reply.raw:
            self.wfile.write(reply.raw)
            while reply.endless:
                self.wfile.write(reply.endless)
                time.sleep(reply.drip_seconds)
            return
        self.send_response_only(reply.status, reply.reason)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body) + reply.missing_bytes))
        self.end_headers()
        if self.command != "HEAD":
            self.send_body(reply)

    do_GET = do_HEAD = do_POST = handle_any  # noqa: N815 - the names that http.server looks for

    def send_body(self, reply: Reply) -> None:
        if not reply.drip_seconds:
            self.wfile.write(reply.body)
            return
        for byte in reply.body:
            self.wfile.write(bytes([byte]))
            time.sleep(reply.drip_seconds)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
        """Logs nothing: the script records the requests."""


@contextmanager
def running_server() -> Iterator[ScriptedServer]:
    """Runs a scripted server on a free port; stops it at the end."""
    script = ScriptedServer()
    with _Server(script) as server:
        script.port = server.server_address[1]
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield script
        finally:
            server.shutdown()
            thread.join()
