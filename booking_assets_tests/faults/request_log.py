"""What a sandbox was asked: the newest requests, noted by a fault that stands before all others."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from threading import Lock

from starlette.requests import Request
from starlette.responses import Response

from booking_assets.sandbox.answers import Refusal
from booking_assets.sandbox.faults.contract import FLAG, Asked, Forward, Switch
from booking_assets.sandbox.faults.registry import Fault
from booking_assets.sandbox.query import query_of_body, query_of_parameters


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

        async def handle(asked: Asked, forward: Forward) -> Response:
            answer = await forward(asked)
            self.append(
                LoggedRequest(
                    method=asked.scope["method"],
                    path=asked.scope["path"],
                    status=answer.status_code,
                    tenant=asked.tenant.slug if asked.tenant else None,
                    page=_page(asked),
                )
            )
            return answer

        return Fault(Switch("log", FLAG, "", lambda *_: handle, everywhere=True), "")


def _page(asked: Asked) -> int | None:
    if asked.tenant is None or asked.resource is None or asked.operation == "retrieve":
        return None
    try:
        if asked.scope["method"] == "POST":
            return query_of_body(asked.body, asked.resource).page
        parameters = Request(asked.scope).query_params.multi_items()
        return query_of_parameters(parameters, asked.resource).page
    except Refusal:
        return None
