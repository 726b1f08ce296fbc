"""Answers taken apart and put together again: rows, pages, the pagination header.

What lives here: what the faults that change data have in common, for any resource: `of_table`
changes the set of rows that the server seems to hold, `of_rows` each row that it sends.
What must not: which rows, and how (`moving`, `drift`, `bad_rows`, `organizations`).
Read more: `docs/sandbox.md`, "Faults".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any, TypeAlias
from uuid import UUID

import msgspec
from starlette.responses import Response

from booking_assets.sandbox import answers, wire
from booking_assets.sandbox.faults.contract import PAGED, Asked, Forward, Handler

PAGINATION = "X-Query-Pagination"
_TABLE_OPERATIONS = PAGED | {"count", "retrieve"}

TableChange: TypeAlias = Callable[[list[bytes], Asked], list[bytes]]
"""From all rows of a resource to those that the server shall seem to hold."""

RowChange: TypeAlias = Callable[[bytes, int, Asked], bytes]
"""From a row and its position in the order asked for (from 0) to the row that is sent."""


def members_of(row: bytes) -> dict[str, Any]:
    """A row's members, each value still the text that it was."""
    return msgspec.json.decode(row, type=dict[str, msgspec.Raw])


def text_of(members: Mapping[str, Any]) -> bytes:
    """A row's text as it stands in an array."""
    return wire.row_json(members).strip()


def identifier_of(row: bytes, asked: Asked) -> UUID:
    """What identifies a row."""
    identifier: UUID = _identified(asked.identifier).decode(row).identifier
    return identifier


def rows_in(answer: Response) -> list[bytes]:
    """The items of an array, each as its text."""
    rows = msgspec.json.decode(bytes(answer.body), type=list[msgspec.Raw])
    return [bytes(row).strip() for row in rows]


def with_body(answer: Response, body: bytes) -> Response:
    """The answer with another body."""
    headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
    return Response(body, answer.status_code, headers)


def with_rows(answer: Response, rows: list[bytes]) -> Response:
    """The answer with other rows."""
    return with_body(answer, wire.array_of([b"  " + row for row in rows]))


def with_pagination(answer: Response, **values: int) -> Response:
    """The answer with other values in its pagination header, where it has one."""
    if PAGINATION in answer.headers:
        told = msgspec.json.decode(answer.headers[PAGINATION]) | values
        answer.headers[PAGINATION] = msgspec.json.encode(told).decode()
    return answer


def of_table(change: TableChange, *, shift: int = 0) -> Handler:
    """A server that seems to hold other rows: counted, paged, searched and retrieved alike.

    Each request reads the whole resource from the routes. Downloads stay as they are.

    Args:
        change: What becomes of the true rows.
        shift: How many rows too late every page after the first begins.
    """

    async def handle(asked: Asked, forward: Forward) -> Response:
        query = asked.query
        if query is None or asked.operation not in _TABLE_OPERATIONS:
            return await forward(asked)
        whole = await forward(asked.everything())
        if whole.status_code != HTTPStatus.OK:
            return whole
        rows = change(rows_in(whole), asked)
        if asked.operation == "retrieve":
            return _retrieved(whole, rows, asked)
        if asked.operation == "count":
            del whole.headers[PAGINATION]
            return with_body(whole, wire.json_text({"Count": len(rows)}))
        page = query.slice_of(len(rows))
        late = shift if page.start > 0 else 0
        sent = rows[max(page.start + late, 0) : max(page.stop + late, 0)]
        if asked.operation == "search":
            sent = [_found(row, asked) for row in sent]
        return with_pagination(
            with_rows(whole, sent), Page=query.page, PageSize=query.page_size, TotalCount=len(rows)
        )

    return handle


def of_rows(change: RowChange, *, searches: bool = False) -> Handler:
    """A server that sends each row otherwise than it holds it.

    Rows of a collect, and of a search where `searches`. A retrieved row has the position -1.
    """

    async def handle(asked: Asked, forward: Forward) -> Response:
        answer = await forward(asked)
        if answer.status_code != HTTPStatus.OK or not answer.body or asked.query is None:
            return answer
        if asked.operation == "retrieve":
            return with_body(answer, change(bytes(answer.body), -1, asked))
        if asked.operation == "collect" or (searches and asked.operation == "search"):
            first = asked.query.slice_of(0).start
            rows = enumerate(rows_in(answer), start=first)
            return with_rows(answer, [change(row, position, asked) for position, row in rows])
        return answer

    return handle


@cache
def _identified(name: str) -> msgspec.json.Decoder[Any]:
    """Reads one member of a row and skips the others: rows are many."""
    fields = [("identifier", UUID)]
    return msgspec.json.Decoder(
        msgspec.defstruct("Identified", fields, rename={"identifier": name})
    )


def _found(row: bytes, asked: Asked) -> bytes:
    """What a search tells of a row."""
    return text_of({asked.identifier: members_of(row)[asked.identifier]})


def _retrieved(whole: Response, rows: list[bytes], asked: Asked) -> Response:
    wanted = UUID(asked.scope["path"].rstrip("/").rpartition("/")[2])
    for row in rows:
        if identifier_of(row, asked) == wanted:
            del whole.headers[PAGINATION]
            return with_body(whole, wire.outside_array(b"  " + row))
    return answers.problem(HTTPStatus.NOT_FOUND, f"{wanted} was not found.")
