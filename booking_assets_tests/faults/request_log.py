"""The newest requests to a sandbox, noted by a fault that stands before all others."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from threading import Lock

from starlette.responses import Response

from booking_assets.sandbox.faults.contract import FLAG, FaultRequest, Forward, Switch
from booking_assets.sandbox.faults.registry import Fault
from booking_assets.sandbox.query import query_of_body
from booking_assets.sandbox.responses import Refusal, ServerFault


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request; `tenant` is the slug that the token gave."""

    method: str
    path: str
    status: int
    tenant: str | None
    page: int | None


@dataclass
class RequestLog:
    """The newest requests, oldest first; safe to read from any thread."""

    capacity: int = 100_000
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self._requests: deque[LoggedRequest] = deque(maxlen=self.capacity)

    def append(self, request: LoggedRequest) -> None:
        """Note a request; the oldest is forgotten where the log is full."""
        with self._lock:
            self._requests.append(request)

    def requests(self) -> tuple[LoggedRequest, ...]:
        with self._lock:
            return tuple(self._requests)

    def clear(self) -> None:
        with self._lock:
            self._requests.clear()

    @property
    def fault(self) -> Fault:
        """A fault that changes nothing and notes each request when its response is ready."""

        async def handle(request: FaultRequest, forward: Forward) -> Response:
            response = await forward(request)
            self.append(
                LoggedRequest(
                    method=request.scope["method"],
                    path=request.scope["path"],
                    status=response.status_code,
                    tenant=request.tenant.slug if request.tenant else None,
                    page=_page(request),
                )
            )
            return response

        return Fault(Switch("log", FLAG, "", lambda *_: handle, everywhere=True), "")


def _page(request: FaultRequest) -> int | None:
    if request.tenant is None or request.resource is None or request.operation == "retrieve":
        return None
    try:
        return query_of_body(request.body, request.resource).page
    except (Refusal, ServerFault):
        return None
