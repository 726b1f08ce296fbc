"""The front door: `BookingClient`, one organization's view of the Booking API.

What lives here: the operations of the API, each as one method; what they send and what they return.
What must not: whether a collection is complete (`collect`), rules of retry (`retry`, `answers`).
Read more: `docs/reliability.md`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Generic, Literal, TypeVar
from uuid import UUID

import httpx

from booking_assets.api.authentication import (
    LIFETIME_SECONDS,
    ClientSecret,
    Credential,
    ExchangedToken,
    foreign_organization,
)
from booking_assets.api.download import replaced_whole, require_json_array
from booking_assets.api.errors import (
    ForeignCredential,
    MalformedBody,
    NotFound,
    UnusableCredential,
)
from booking_assets.api.responses import OK, UNAUTHORIZED, Response, failure
from booking_assets.api.retry import Retryable, RetryPolicy, retried
from booking_assets.api.transport import Request, Transport, Usage, open_http
from booking_assets.api.wire import (
    EVENTS,
    PAGINATION_HEADER,
    TOKEN_PATH,
    Resource,
    criteria,
    is_header_word,
    read_count,
    read_identifiers,
    read_object,
    read_pagination,
    read_token,
    token_request,
)

__all__ = ["BookingClient", "Page", "Usage", "open_http"]  # the names that other rooms use

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page: its number from 1, what was decoded from it, and what its header says.

    `total_count` is the number of rows in the organization when the page was read, `page_size` the
    rows a page as the server understood the request; each None where the header does not tell.
    """

    number: int
    content: T
    total_count: int | None
    page_size: int | None


class BookingClient:
    """One organization's resource, asked through the HTTP client that all organizations share.

    Any number of threads may use one client at once. Every method may raise any `BookingError`
    (see `errors`); a method names only what it raises besides, or with a meaning of its own.
    """

    def __init__(
        self,
        *,
        base_url: str,
        organization: str,
        identifier: UUID,
        credential: Credential,
        http: httpx.Client,
        resource: Resource = EVENTS,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen: sharing the default is harmless
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Takes the address, the organization, its credential and the shared HTTP client.

        Args:
            base_url: Everything before `/booking`.
            organization: The organization's slug, for messages.
            identifier: The organization's identifier in the API.
            credential: What proves that the caller may read this organization.
            http: The shared client, from `open_http`; it stays open.
            resource: What is asked for.
            retry: How long to go on after failures that may pass.
            clock: Seconds that never run backwards.
        """
        self._organization = organization
        self._identifier = identifier
        self._credential = credential
        self._resource = resource
        self._retry = retry
        self._clock = clock
        self._transport = Transport(http, base_url, organization, (credential.value,))
        self._exchanged = ExchangedToken(self._exchange, clock)

    @property
    def usage(self) -> Usage:
        """What this client has used so far, its retries and token requests included."""
        return self._transport.meter.usage

    def count(self) -> int:
        """The number of rows in the organization; criteria would not change it."""
        request = self._query("count", "count", criteria(self._identifier))
        return self._ask(request, lambda answer: read_count(answer.content))

    def collect(
        self,
        page: int,
        page_size: int,
        decode: Callable[[bytes], T],
        *,
        sort: str | None = None,
    ) -> Page[T]:
        """One page of whole rows, decoded.

        Args:
            page: The page, from 1.
            page_size: Rows a page, from 1; there is no upper limit that the API documents.
            decode: Reads the body. It may raise `MalformedBody`: then the page is asked again.
            sort: Column names of the server, separated by commas, each perhaps with " desc". By
                default the resource's identifier, without which pages would overlap.

        Raises:
            ValueError: When page or page_size is below 1: 0 means "everything" to the server.
        """
        return self._page("collect", page, page_size, sort, decode)

    def search(self, page: int, page_size: int) -> Page[tuple[str, ...]]:
        """One page of identifiers, in the same order as `collect` gives the rows.

        Raises:
            ValueError: As `collect`.
        """
        return self._page(
            "search", page, page_size, None, lambda body: read_identifiers(body, self._resource)
        )

    def retrieve(self, identifier: str) -> bytes:
        """One row, as the JSON object that came.

        Raises:
            NotFound: When the organization has no such row (any more), or the identifier is no
                UUID: the server has no route for one.
        """
        return self._ask(self._one("GET", identifier), lambda answer: read_object(answer.content))

    def exists(self, identifier: str) -> bool:
        """Whether the organization has this row; without one request when it is no UUID."""
        try:
            return self._ask(self._one("HEAD", identifier), lambda _: True)
        except NotFound:
            return False

    def download(self, path: Path, file_format: Literal["json", "csv"]) -> Path:
        """The whole organization as one file, streamed to `path`, which is replaced only by all.

        The server neither sorts nor pages it; its CSV loses line breaks, fractions of seconds and
        the difference between "no" and "unknown". The time is bounded by the server's silences,
        not by the file's length.

        Raises:
            OSError: When the file cannot be written.
        """
        body = criteria(self._identifier, Format=file_format)
        request = self._query(
            f"download as {file_format}",
            "download",
            body,
            # Uncompressed, because a compressed body that breaks off is not noticed.
            (("Accept", "*/*"), ("Accept-Encoding", "identity")),
        )

        def attempt() -> Path:
            with replaced_whole(path) as file:
                self._answer(request, file)
                if file_format == "json":
                    require_json_array(file)
            return path

        return self._retried(request, attempt)

    def _page(
        self,
        verb: str,
        page: int,
        page_size: int,
        sort: str | None,
        decode: Callable[[bytes], T],
    ) -> Page[T]:
        if page < 1 or page_size < 1:
            raise ValueError(f"pages and their sizes begin at 1, not at {page} and {page_size}")
        sort = self._resource.identifier if sort is None else sort
        body = criteria(self._identifier, Page=page, PageSize=page_size, Sort=sort)

        def read(answer: Response) -> Page[T]:
            header = read_pagination(answer.headers.get(PAGINATION_HEADER))
            return Page(page, decode(answer.content), header.total_count, header.page_size)

        return self._ask(self._query(f"{verb} page {page}", verb, body), read)

    def _query(
        self,
        operation: str,
        verb: str,
        body: bytes,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Request:
        name = f"{self._resource.name}: {operation}"
        return Request(name, "POST", f"{self._resource.path}/{verb}", body, headers)

    def _one(self, method: str, identifier: str) -> Request:
        verb = "retrieve" if method == "GET" else "exists"
        operation = f"{self._resource.name}: {verb}"
        try:
            row = UUID(identifier)
        except ValueError:
            # Not sent: an empty identifier, for one, would address the whole resource.
            raise NotFound(
                self._organization, operation, None, "the identifier is no UUID"
            ) from None
        return Request(f"{operation} {row}", method, f"{self._resource.path}/{row}")

    def _exchange(self) -> tuple[str, float]:
        """Exchanges the client secret for a token and its seconds to live."""
        body = token_request(self._credential.value, LIFETIME_SECONDS)
        request = Request("exchange of the client secret", "POST", TOKEN_PATH, body)

        def attempt() -> tuple[str, float]:
            answer = self._transport.send(request, token=None)
            self._require_good(request, answer)
            return read_token(answer.content)

        token, seconds = self._retried(request, attempt)
        self._transport.conceal(token)
        return token, seconds

    def _ask(self, request: Request, read: Callable[[Response], T]) -> T:
        return self._retried(request, lambda: read(self._answer(request)))

    def _retried(self, request: Request, attempt: Callable[[], T]) -> T:
        def checked() -> T:
            try:
                return attempt()
            except MalformedBody as error:
                raise Retryable(self._transport.redact(str(error)), OK) from None

        return retried(
            checked,
            self._retry,
            organization=self._organization,
            operation=request.operation,
            clock=self._clock,
            on_retry=lambda: self._transport.meter.add(retries=1),
        )

    def _answer(self, request: Request, sink: BinaryIO | None = None) -> Response:
        """The answer with status 200; a refused token is renewed once where there is a secret."""
        token = self._token(request)
        answer = self._transport.send(request, token, sink)
        if answer.status == UNAUTHORIZED and isinstance(self._credential, ClientSecret):
            token = self._token(request, refused=token)
            answer = self._transport.send(request, token, sink)
        self._require_good(request, answer)
        return answer

    def _token(self, request: Request, refused: str | None = None) -> str:
        if not is_header_word(self._credential.value):
            detail = "the credential is empty, or holds a space, a line break or such"
            raise UnusableCredential(self._organization, request.operation, None, detail)
        if isinstance(self._credential, ClientSecret):
            token = self._exchanged.current(refused)
        else:
            token = self._credential.value
        foreign = foreign_organization(token, self._identifier)
        if foreign is not None:
            raise ForeignCredential(
                self._organization,
                request.operation,
                str(self._identifier),
                self._transport.redact(foreign),
            )
        return token

    def _require_good(self, request: Request, answer: Response) -> None:
        error = failure(
            answer,
            organization=self._organization,
            operation=request.operation,
            redact=self._transport.redact,
        )
        if error is not None:
            raise error
