"""Pages that are not what was asked for, and numbers that do not agree.

What lives here: caps on the page size, pages that overlap or skip, wrong or missing totals.
What must not: rows that come and go (`moving`).
Read more: `docs/sandbox.md`, "Faults".
"""

from __future__ import annotations

from http import HTTPStatus
from random import Random

import msgspec
from starlette.responses import Response

from booking_assets.sandbox import wire
from booking_assets.sandbox.faults.bodies import PAGINATION, of_table, with_body, with_pagination
from booking_assets.sandbox.faults.contract import PAGED, Asked, Forward, Handler, Setup


def cap_page_size(most: int, *, silently: bool) -> Handler:
    """Takes a larger page size for `most`; the header says which one, unless `silently`."""

    async def handle(asked: Asked, forward: Forward) -> Response:
        query = asked.query
        if query is None or asked.operation not in PAGED or 0 < query.page_size <= most:
            return await forward(asked)
        answer = await forward(asked.paged(max(query.page, 1), most))
        return with_pagination(answer, PageSize=query.page_size) if silently else answer

    return handle


def shifted(rows: int) -> Handler:
    """Every page after the first begins so many rows late, or early where negative."""
    return of_table(lambda held, _: held, shift=rows)


def unsorted(setup: Setup) -> Handler:
    """Ignores the sort: each page is cut from another order."""

    def shuffled(rows: list[bytes], asked: Asked) -> list[bytes]:
        # Not for secrets: repeatable chance is the point.
        chance = Random(f"{setup.seed}/{setup.fault}/{asked.collected}")  # noqa: S311
        return chance.sample(rows, len(rows))

    return of_table(shuffled)


def count_off(difference: int) -> Handler:
    """Counts so many more than there are, or fewer."""

    async def handle(asked: Asked, forward: Forward) -> Response:
        answer = await forward(asked)
        if asked.operation != "count" or answer.status_code != HTTPStatus.OK:
            return answer
        count = msgspec.json.decode(bytes(answer.body))["Count"]
        return with_body(answer, wire.json_text({"Count": max(count + difference, 0)}))

    return handle


def header_off(difference: int) -> Handler:
    """Gives a total in the header that is so much too high, or too low."""

    async def handle(asked: Asked, forward: Forward) -> Response:
        answer = await forward(asked)
        if PAGINATION not in answer.headers:
            return answer
        total = msgspec.json.decode(answer.headers[PAGINATION])["TotalCount"]
        return with_pagination(answer, TotalCount=max(total + difference, 0))

    return handle


def no_header() -> Handler:
    """Leaves the pagination header out."""

    async def handle(asked: Asked, forward: Forward) -> Response:
        answer = await forward(asked)
        if PAGINATION in answer.headers:
            del answer.headers[PAGINATION]
        return answer

    return handle
