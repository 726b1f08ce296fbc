"""Runs the sandbox: `SandboxServer` in a thread of this process, `serve` in the foreground."""

from __future__ import annotations

import gc
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Self

import uvicorn

from booking_assets.sandbox.application import PREFIX, application
from booking_assets.sandbox.faults.availability import BreakableProtocol
from booking_assets.sandbox.faults.registry import NO_FAULTS, Faults, fault_middleware
from booking_assets.sandbox.world import World

HOST = "127.0.0.1"
_GRACE_SECONDS = 5
_POLL_SECONDS = 0.002
_READY_BYTES = 256 * 2**20
"""For programs that are compared over the same sandbox: a server of one run sends a page once."""

_KEEP_ALIVE_SECONDS = 120
"""How long an idle connection stays open, as in IIS, which serves the vendor's API.

Source: https://learn.microsoft.com/iis/configuration/system.applicationhost/sites/site/limits
"""


class SandboxServer:
    """The sandbox on a loopback port, in a thread, from `__enter__` to `__exit__`.

    `base_url` is what precedes `/booking`, such as `http://127.0.0.1:40123/v2/E01`.
    """

    base_url: str

    def __init__(self, world: World, *, port: int = 0, faults: Faults = NO_FAULTS) -> None:
        """Describe a sandbox; a port of 0 takes a free one. A `FaultError` names a bad fault."""
        self.world = world
        self._port = port
        self._server = uvicorn.Server(_config(world, faults))
        self._thread = threading.Thread(target=self._run, name="booking-sandbox", daemon=True)

    def __enter__(self) -> Self:
        """Listen and respond; an `OSError` where the port is taken."""
        self._listening = socket.create_server((HOST, self._port))
        self.base_url = _base_url(self._listening)
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise RuntimeError("The sandbox did not start; the log of uvicorn says why.")
            time.sleep(_POLL_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop: when this returns, the thread has ended and the port is free."""
        self._server.should_exit = True
        self._thread.join()

    def _run(self) -> None:
        with self._listening:
            self._server.run([self._listening])


def serve(
    world: World, *, port: int, on_started: Callable[[str], None], faults: Faults = NO_FAULTS
) -> None:
    """Serve until SIGINT or SIGTERM, whose handlers it replaces; `on_started` gets the base URL.

    Raises:
        OSError: The port is taken.
        FaultError: A fault names an organization that the world does not have.
    """
    server = uvicorn.Server(_config(world, faults, _READY_BYTES))
    # Also before uvicorn listens to signals, and when it raises one again in the end.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: setattr(server, "should_exit", True))
    with socket.create_server((HOST, port)) as listening:
        # Garbage collection among 100,000 rows would delay some responses by 0.3 s.
        gc.freeze()
        # Clients that connect now wait until the server runs.
        on_started(_base_url(listening))
        server.run([listening])


def _config(world: World, faults: Faults, ready_bytes: int = 0) -> uvicorn.Config:
    middleware = fault_middleware(faults, world)
    return uvicorn.Config(
        application(world, middleware=middleware, ready_bytes=ready_bytes),
        http=BreakableProtocol if faults.chosen else "auto",
        # The process keeps its own logging configuration.
        log_config=None,
        log_level="warning",
        access_log=False,
        # The fault middleware handles HTTP only.
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
    )


def _base_url(listening: socket.socket) -> str:
    return f"http://{HOST}:{listening.getsockname()[1]}{PREFIX}"
