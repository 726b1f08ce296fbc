"""A proxy on loopback that limits the bandwidth of all responses together and records the requests.

The time before a response's first byte is the sandbox's fault `latency`.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_HOST = "127.0.0.1"
_CHUNK = 2**16
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_AUTHORIZATION = re.compile(rb"\r\nauthorization: *([^\r]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Request:
    """A request as it was sent."""

    method: str
    path: str
    authorization: str
    body: str

    @property
    def operation(self) -> tuple[str, str]:
        """Resource and operation: `events`, `collect`."""
        *_, resource, operation = self.path.split("/")
        return resource, operation


@dataclass
class Throttle:
    """What the proxy forwards to, at how many bytes a second, and what it has seen.

    Bodies are kept where they are text, as `keeps_bodies` says.
    """

    upstream: str
    bytes_a_second: float
    keeps_bodies: bool = True
    base_url: str = ""
    requests: list[Request] = field(default_factory=list)
    _free_at: float = 0

    async def _send(self, writer: asyncio.StreamWriter, chunk: bytes) -> None:
        """Send when the link is free: it carries the chunks of all connections in turn."""
        now = asyncio.get_running_loop().time()
        self._free_at = max(self._free_at, now) + len(chunk) / self.bytes_a_second
        await asyncio.sleep(self._free_at - now)
        writer.write(chunk)
        await writer.drain()

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length[1])) if length else b""
            method, path, _ = head.split(b" ", 2)
            token = _AUTHORIZATION.search(head)
            kept = body if self.keeps_bodies else b""
            sent = (method, path, token[1] if token else b"", kept)
            self.requests.append(Request(*(part.decode() for part in sent)))
            writer.write(head + body)
            await writer.drain()

    async def _responses(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(_CHUNK):
            await self._send(writer, chunk)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward a connection until either side closes it."""
        host = urlsplit(self.upstream)
        up_reader, up_writer = await asyncio.open_connection(host.hostname, host.port)
        ends = asyncio.wait(
            {
                asyncio.ensure_future(self._requests(reader, up_writer)),
                asyncio.ensure_future(self._responses(up_reader, writer)),
            },
            return_when=asyncio.FIRST_COMPLETED,
        )
        done, pending = await ends
        for task in (*done, *pending):
            task.cancel()
        # A closed connection ends its tasks in an error.
        await asyncio.gather(*done, *pending, return_exceptions=True)
        writer.close()
        up_writer.close()


@contextmanager
def throttled(
    upstream: str, bytes_a_second: float, *, keeps_bodies: bool = True
) -> Iterator[Throttle]:
    """Forward to a base URL until the block ends; `base_url` of the result is the proxy's."""
    throttle = Throttle(upstream, bytes_a_second, keeps_bodies)
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(throttle.connected, _HOST, 0))
    parts = urlsplit(upstream)
    port = server.sockets[0].getsockname()[1]
    throttle.base_url = parts._replace(netloc=f"{_HOST}:{port}").geturl()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield throttle
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
