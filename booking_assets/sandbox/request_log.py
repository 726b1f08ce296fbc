"""What the sandbox was asked, for tests and for people who watch it.

What lives here: `RequestLog`, bounded and safe to read from any thread, and the middleware that
fills it.
What must not: headers and bodies: a log holds no secrets.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Lock

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_BROKEN = 0


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request; `status` is 0 where no answer began, `tenant` the slug that the token gave."""

    method: str
    path: str
    status: int
    tenant: str | None
    page: int | None


class RequestLog:
    """The newest requests, oldest first."""

    def __init__(self, capacity: int = 100_000) -> None:
        self._requests: deque[LoggedRequest] = deque(maxlen=capacity)
        self._lock = Lock()

    def append(self, request: LoggedRequest) -> None:
        """Note a request; the oldest is forgotten where the log is full."""
        with self._lock:
            self._requests.append(request)

    def requests(self) -> tuple[LoggedRequest, ...]:
        """What is in the log now."""
        with self._lock:
            return tuple(self._requests)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._requests.clear()


class RequestLogMiddleware:
    """Notes each request when its answer is sent, whoever gave it."""

    def __init__(self, app: ASGIApp, log: RequestLog) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and note how it ended."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = _BROKEN

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
            await send(message)

        # The routes fill it: they see the same state, whatever else of the scope is replaced.
        state = Request(scope).state
        try:
            await self._app(scope, receive, noting)
        finally:
            self._log.append(
                LoggedRequest(
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    tenant=getattr(state, "tenant", None),
                    page=getattr(state, "page", None),
                )
            )
