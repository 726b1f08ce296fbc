"""`BookingClient`: the operations of the API for one organization, one method each.

Whether a collection is complete is decided in `collect`; retries are in `retry`, the classification
of responses in `responses`, request and response bodies in `wire`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Generic, Literal, TypeVar
from uuid import UUID

import httpx

from booking_assets.api import bodies, wire
from booking_assets.api.authentication import (
    LIFETIME_SECONDS,
    ClientSecret,
    Credential,
    TokenCache,
    mismatched_organization,
)
from booking_assets.api.circuit_breaker import CircuitBreaker
from booking_assets.api.errors import (
    CredentialMismatch,
    InvalidCredential,
    NotFound,
    Unauthorized,
)
from booking_assets.api.http_client import HttpClient, open_http
from booking_assets.api.responses import Response, error_for, parse_date
from booking_assets.api.retry import RetryPolicy, call_with_retries
from booking_assets.api.transport import Request, Transport, Usage

__all__ = ["BookingClient", "Page", "Usage", "open_http"]  # imported by other packages

T = TypeVar("T")

DOWNLOAD_SECONDS = 3600.0


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page: its number from 1, and its decoded content.

    `total_count` is the number of rows in the organization when the page was read; None where the
    pagination header does not name it.
    """

    number: int
    content: T
    total_count: int | None


class BookingClient:
    """Client for one resource of one organization. Thread-safe.

    Every method may raise any `BookingError` (see `errors`); a method lists only what it raises
    besides, or with a special meaning.
    """

    def __init__(
        self,
        *,
        base_url: str,
        organization: str,
        identifier: UUID,
        credential: Credential,
        http: httpx.Client,
        resource: wire.Resource = wire.EVENTS,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen: sharing the default is harmless
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Creates a client; no request is sent.

        `base_url` is the part of the address before `/booking`, `organization` the slug, for
        messages, `identifier` its identifier in the API, and `credential` its own. `http` is the
        shared client of `open_http` and stays open; `clock` is monotonic, in seconds.
        """
        self._organization = organization
        self._identifier = identifier
        self._credential = credential
        self._resource = resource
        self._retry = retry
        self._clock = clock
        self.server_time: datetime | None = None
        """The server's clock (header `Date`) at the last count, or first page of rows; None where
        it sends none."""
        self.criteria: Mapping[str, object] = {}
        """Members of the rows to ask for; servers parse them and, in all known releases, ignore
        them."""
        self.slots: AbstractContextManager[object] = nullcontext()
        """Is entered for each request: clients that share it share a limit."""
        self._transport = Transport(http, base_url, organization)
        self._tokens = TokenCache(self._exchange_secret, clock)
        self._breaker = http.breaker(base_url) if isinstance(http, HttpClient) else CircuitBreaker()

    @property
    def usage(self) -> Usage:
        """Requests, retries and bytes so far."""
        return self._transport.usage

    def count(self) -> int:
        """Returns the number of rows in the organization."""

        def read(response: Response) -> int:
            self._note_time(response)
            return wire.read_count(response.content)

        return self._request(self._query("count", "count"), read)

    def collect(
        self,
        page: int,
        page_size: int,
        decode: Callable[[bytes], T],
        *,
        sort: str | None = None,
    ) -> Page[T]:
        """Returns one page of rows, decoded.

        Args:
            page: The page number, from 1.
            page_size: Rows per page, from 1; the API documents no upper limit.
            decode: Decodes the body. If it raises `MalformedBody`, the page is requested again.
            sort: Column names of the server, separated by commas, each optionally with " desc".
                Defaults to the resource's identifier, without which pages would overlap.

        Raises:
            ValueError: page or page_size is below 1: the server returns all rows for 0.
        """
        return self._page("collect", page, page_size, decode, sort, bodies.PAGE)

    def search(self, page: int, page_size: int, *, sort: str | None = None) -> Page[wire.Listing]:
        """Returns one page of identifiers, in the order of `collect`.

        Raises:
            ValueError: As for `collect`.
        """
        return self._page(
            "search",
            page,
            page_size,
            lambda body: wire.read_identifiers(body, self._resource),
            sort,
        )

    def retrieve(self, identifier: str) -> bytes:
        """Returns one row as the JSON object that the server sent.

        Raises:
            NotFound: The organization has no such row, or the identifier is not a UUID.
        """
        request = self._row_request("GET", "retrieve", identifier)
        return self._request(request, lambda response: wire.read_object(response.content))

    def exists(self, identifier: str) -> bool:
        """Whether the organization has this row; False, without a request, if it is not a UUID."""
        try:
            return self._request(self._row_request("HEAD", "exists", identifier), lambda _: True)
        except NotFound:
            return False

    def download(self, path: Path, file_format: Literal["json", "csv"]) -> Path:
        """Downloads all rows to `path`, which is replaced only when the download is complete.

        The server neither sorts nor pages it; its CSV loses line breaks, fractions of seconds and
        the difference between false and null. It may take an hour.

        Raises:
            OSError: The file cannot be written.
        """
        query = self._query(f"download as {file_format}", "download", Format=file_format)
        request = replace(query, accept="*/*", max_bytes=bodies.FILE, seconds=DOWNLOAD_SECONDS)

        def attempt() -> Path:
            with bodies.atomic_write(path) as file:
                self._send(request, file)
                if file_format == "json":
                    bodies.require_json_array(file)
            return path

        return self._with_retries(request, attempt)

    def _page(
        self,
        verb: str,
        page: int,
        page_size: int,
        decode: Callable[[bytes], T],
        sort: str | None = None,
        max_bytes: int = bodies.ROW,
    ) -> Page[T]:
        if page < 1 or page_size < 1:
            raise ValueError(f"page and page_size start at 1, got {page} and {page_size}")
        sort = self._resource.identifier if sort is None else sort

        def read(response: Response) -> Page[T]:
            total_count = wire.read_total_count(response.headers.get(wire.PAGINATION_HEADER))
            if verb == "collect" and page == 1:
                self._note_time(response)
            return Page(page, decode(response.content), total_count)

        query = self._query(f"{verb} page {page}", verb, Page=page, PageSize=page_size, Sort=sort)
        return self._request(replace(query, max_bytes=max_bytes), read)

    def _note_time(self, response: Response) -> None:
        self.server_time = parse_date(response.headers.get("Date", ""))

    def _query(self, operation: str, verb: str, **query_filter: str | int) -> Request:
        name, path = f"{self._resource.name}: {operation}", f"{self._resource.path}/{verb}"
        body = wire.query_body(self._identifier, self.criteria, **query_filter)
        return Request(name, "POST", path, body)

    def _row_request(self, method: str, verb: str, identifier: str) -> Request:
        operation = f"{self._resource.name}: {verb}"
        try:
            row = UUID(identifier)
        except ValueError:
            # Not sent: an empty identifier, for example, would address the whole resource.
            detail = "the identifier is not a UUID"
            raise NotFound(self._organization, operation, None, detail) from None
        path = f"{self._resource.path}/{row}"
        return Request(f"{operation} {row}", method, path, max_bytes=bodies.ROW)

    def _exchange_secret(self) -> tuple[str, float]:
        """Exchanges the client secret for a token and its lifetime in seconds."""
        body = wire.token_request_body(self._credential.value, LIFETIME_SECONDS)
        request = Request("exchange of the client secret", "POST", wire.TOKEN_PATH, body)
        return self._with_retries(
            request, lambda: wire.read_token(self._send_once(request).content)
        )

    def _request(self, request: Request, read: Callable[[Response], T]) -> T:
        return self._with_retries(request, lambda: read(self._send(request)))

    def _with_retries(self, request: Request, attempt: Callable[[], T]) -> T:
        return call_with_retries(
            attempt,
            self._retry,
            organization=self._organization,
            operation=request.operation,
            clock=self._clock,
            on_retry=lambda: self._transport.add_usage(retries=1),
        )

    def _send(self, request: Request, sink: BinaryIO | None = None) -> Response:
        """Sends the request with a token; a client secret renews a rejected token once."""
        token = self._token(request)
        try:
            return self._send_once(request, token, sink)
        except Unauthorized:
            if not isinstance(self._credential, ClientSecret):
                raise
        return self._send_once(request, self._token(request, rejected=token), sink)

    def _send_once(
        self, request: Request, token: str | None = None, sink: BinaryIO | None = None
    ) -> Response:
        """Sends the request and returns the response; raises for every status but 200."""
        organization, operation = self._organization, request.operation
        with self.slots, self._breaker.request(organization):
            response = self._transport.send(request, token, sink)
            error = error_for(response, organization=organization, operation=operation)
            if error is not None:
                raise error
        return response

    def _token(self, request: Request, rejected: str | None = None) -> str:
        if not wire.is_header_value(self._credential.value):
            detail = "the credential is empty, or contains a space, a line break or non-ASCII text"
            raise InvalidCredential(self._organization, request.operation, None, detail)
        is_secret = isinstance(self._credential, ClientSecret)
        token = self._tokens.token(rejected) if is_secret else self._credential.value
        other = mismatched_organization(token, self._identifier)
        if other is not None:
            expected = str(self._identifier)
            raise CredentialMismatch(self._organization, request.operation, expected, other)
        return token
