"""Running the sandbox: in a thread of this process, or in the foreground until it is stopped.

What lives here: sockets, the thread, signals. `SandboxServer` is for tests and for commands that
need an API and have none; `serve` is for a command line.
What must not: routes (`application`).
Read more: https://uvicorn.dev/settings/
"""

from __future__ import annotations

import gc
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType, TracebackType

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware

from booking_assets.sandbox.application import PREFIX, application
from booking_assets.sandbox.faults.delivery import BreakableProtocol
from booking_assets.sandbox.faults.middleware import fault_middleware
from booking_assets.sandbox.faults.selection import NO_FAULTS, Faults
from booking_assets.sandbox.request_log import RequestLog
from booking_assets.sandbox.world import World

HOST = "127.0.0.1"
_GRACE_SECONDS = 5
_KEEP_ALIVE_SECONDS = 120
"""How long an idle connection stays open: IIS, which serves the vendor's API, leaves it so long.

Source: https://learn.microsoft.com/iis/configuration/system.applicationhost/sites/site/limits
"""


class SandboxServer:
    """The sandbox on a loopback port, in a thread, from `__enter__` to `__exit__`.

    Attributes:
        world: Tenants, tokens and events.
        log: Every request so far.
        base_url: What precedes `/booking`, such as `http://127.0.0.1:40123/v2/E01`; known from
            `__enter__` on.
    """

    base_url: str

    def __init__(
        self,
        world: World,
        *,
        port: int = 0,
        middleware: Sequence[Middleware] = (),
        prefix: str = PREFIX,
        faults: Faults = NO_FAULTS,
    ) -> None:
        """Describe a sandbox; a port of 0 takes a free one.

        Raises:
            FaultError: A fault names an organization that the world does not have.
        """
        self.world = world
        self.log = RequestLog()
        self._port = port
        self._prefix = faults.prefix(prefix)
        middleware = [*fault_middleware(faults, world), *middleware]
        app = application(world, log=self.log, middleware=middleware, prefix=self._prefix)
        self._started = threading.Event()
        self._server = _Server(_config(app, faults), self._started.set)
        self._thread = threading.Thread(target=self._run, name="booking-sandbox", daemon=True)

    def __enter__(self) -> SandboxServer:
        """Listen and answer.

        Raises:
            OSError: The port is taken.
            RuntimeError: The server did not start; its log says why.
        """
        self._listening = _bound(self._port)
        self.base_url = _base_url(self._listening, self._prefix)
        self._thread.start()
        self._started.wait()
        if not self._server.started:
            self._thread.join()
            raise RuntimeError("The sandbox did not start; the log of uvicorn says why.")
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop: when this returns, the thread has ended and the port is free."""
        self._server.should_exit = True
        self._thread.join()

    def _run(self) -> None:
        try:
            with self._listening:
                self._server.run([self._listening])
        finally:
            self._started.set()


def serve(
    world: World,
    *,
    port: int,
    on_started: Callable[[str], None],
    middleware: Sequence[Middleware] = (),
    prefix: str = PREFIX,
    faults: Faults = NO_FAULTS,
) -> None:
    """Serve until SIGINT or SIGTERM, then return; `on_started` is told the base URL.

    Raises:
        OSError: The port is taken.
        FaultError: A fault names an organization that the world does not have.
    """
    prefix = faults.prefix(prefix)
    middleware = [*fault_middleware(faults, world), *middleware]
    with _bound(port) as listening, _quiet_signals():
        base_url = _base_url(listening, prefix)
        app = application(world, middleware=middleware, prefix=prefix)
        # A search for garbage among 100,000 rows would hold up an answer for 0.3 s now and then.
        gc.freeze()
        _Server(_config(app, faults), lambda: on_started(base_url)).run([listening])


class _Server(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started()


def _config(app: Starlette, faults: Faults) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=BreakableProtocol if faults else "auto",
        ws="none",
        # The process keeps its own logging: the sandbox may be a guest in it.
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
    )


def _bound(port: int) -> socket.socket:
    return socket.create_server((HOST, port))


def _base_url(listening: socket.socket, prefix: str) -> str:
    return f"http://{HOST}:{listening.getsockname()[1]}{prefix}"


@contextmanager
def _quiet_signals() -> Iterator[None]:
    """Let uvicorn stop on a signal, and end in nothing when it raises the signal again."""

    def ignore(number: int, frame: FrameType | None) -> None:
        """The server has stopped already."""

    kept = {number: signal.signal(number, ignore) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
