"""The requests that the client sends, what it returns, and its use from several threads."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import pytest

from booking_assets.api.client import BookingClient, Page, Usage
from booking_assets.api.errors import NotFound, Unavailable
from booking_assets.api.wire import REGISTRATIONS, Listing
from booking_assets_tests.api.conftest import ACME, ClientFactory
from booking_assets_tests.api.server import Reply, ScriptedServer, json_reply

EVENT = "0b2a5d5e-0000-4000-8000-000000000001"
ORGANIZATION = {"OrganizationIdentifier": str(ACME)}

REQUESTS: dict[str, tuple[Callable[[BookingClient], object], Reply, str, str, object]] = {
    "count": (
        lambda client: client.count(),
        json_reply({"Count": 7}),
        "POST",
        "/booking/events/count",
        ORGANIZATION,
    ),
    "collect": (
        lambda client: client.collect(3, 500, json.loads),
        json_reply([]),
        "POST",
        "/booking/events/collect",
        {**ORGANIZATION, "Filter": {"Page": 3, "PageSize": 500, "Sort": "EventIdentifier"}},
    ),
    "collect newest first": (
        lambda client: client.collect(1, 9, len, sort="LastChangeTime desc,EventIdentifier"),
        json_reply([]),
        "POST",
        "/booking/events/collect",
        {
            **ORGANIZATION,
            "Filter": {"Page": 1, "PageSize": 9, "Sort": "LastChangeTime desc,EventIdentifier"},
        },
    ),
    "search": (
        lambda client: client.search(2, 50),
        json_reply([{"EventId": EVENT}]),
        "POST",
        "/booking/events/search",
        {**ORGANIZATION, "Filter": {"Page": 2, "PageSize": 50, "Sort": "EventIdentifier"}},
    ),
    "retrieve": (
        lambda client: client.retrieve(EVENT),
        json_reply({"EventIdentifier": EVENT}),
        "GET",
        f"/booking/events/{EVENT}",
        None,
    ),
    "exists": (
        lambda client: client.exists(EVENT),
        Reply(200),
        "HEAD",
        f"/booking/events/{EVENT}",
        None,
    ),
}


@pytest.mark.parametrize(
    ("call", "reply", "method", "path", "body"), REQUESTS.values(), ids=REQUESTS
)
def test_each_operation_sends_exactly_its_request(
    client: BookingClient,
    server: ScriptedServer,
    call: Callable[[BookingClient], object],
    reply: Reply,
    method: str,
    path: str,
    body: object,
) -> None:
    server.script(reply)
    call(client)
    (request,) = server.received
    assert (request.method, request.path) == (method, f"/v2/E01{path}")
    assert (json.loads(request.body) if request.body else None) == body
    assert request.headers["Authorization"] == "Bearer opaque-token"
    assert request.headers["Accept"] == "application/json"
    assert request.headers["User-Agent"] == f"booking-assets/{version('booking-assets')}"
    assert request.headers["Content-Type"] == (None if body is None else "application/json")


def test_registrations_have_their_own_path_and_sort(
    make_client: ClientFactory, server: ScriptedServer
) -> None:
    server.script(json_reply([{"RegistrationIdentifier": EVENT}]))
    page = make_client(resource=REGISTRATIONS).search(1, 10)
    assert page.content == Listing((EVENT,), 0)
    assert server.received[0].path.endswith("/booking/registrations/search")
    assert server.received[0].json["Filter"]["Sort"] == "RegistrationIdentifier"


def test_a_base_url_may_end_in_a_slash(make_client: ClientFactory, server: ScriptedServer) -> None:
    server.script(json_reply({"Count": 1}))
    make_client(base_url=f"{server.base_url}/").count()
    assert server.received[0].path == "/v2/E01/booking/events/count"


@pytest.mark.parametrize(("page", "page_size"), [(0, 10), (1, 0), (-1, 10), (1, -5)])
def test_page_and_page_size_below_1_are_rejected_without_a_request(
    client: BookingClient, server: ScriptedServer, page: int, page_size: int
) -> None:
    with pytest.raises(ValueError, match="start at 1"):
        client.collect(page, page_size, len)
    with pytest.raises(ValueError, match="start at 1"):
        client.search(page, page_size)
    assert server.received == []


@pytest.mark.parametrize("identifier", ["", "..", "count", "123"])
def test_an_identifier_that_is_not_a_uuid_is_not_found_without_a_request(
    client: BookingClient, server: ScriptedServer, identifier: str
) -> None:
    with pytest.raises(NotFound, match="not a UUID"):
        client.retrieve(identifier)
    assert client.exists(identifier) is False
    assert server.received == []


PAGINATION = {
    "all": ('{"Page":2,"PageSize":50,"TotalCount":137}', 137),
    "total alone": ('{"TotalCount":0}', 0),
    "other types": ('{"PageSize":"50","TotalCount":true}', None),
    "below zero": ('{"PageSize":-1,"TotalCount":-1}', None),
    "not an object": ("[1,2]", None),
    "not JSON": ("Page=2; TotalCount=137", None),
    "absent": (None, None),
}


@pytest.mark.parametrize(("header", "total"), PAGINATION.values(), ids=PAGINATION)
def test_a_page_has_the_total_of_its_pagination_header_or_none(
    client: BookingClient, server: ScriptedServer, header: str | None, total: int | None
) -> None:
    headers = {} if header is None else {"X-Query-Pagination": header}
    server.script(json_reply([1, 2, 3], headers=headers))
    assert client.collect(2, 50, json.loads) == Page(2, [1, 2, 3], total)


def test_identifiers_are_read_under_their_name_or_their_alias(
    client: BookingClient, server: ScriptedServer
) -> None:
    server.script(json_reply([{"EventIdentifier": "a"}, {"EventId": "b"}]))
    assert client.search(1, 10).content == Listing(("a", "b"), 0)


def test_retrieve_returns_the_body_unchanged(client: BookingClient, server: ScriptedServer) -> None:
    body = b'{\r\n  "EventTitle": "caf\\u00e9",  "CreditHours": 3.00 }'
    server.script(Reply(200, body))
    assert client.retrieve(EVENT) == body


def test_a_deleted_row_is_not_found(client: BookingClient, server: ScriptedServer) -> None:
    server.script(json_reply({"Type": "about:blank", "Title": "Not Found", "Status": 404}, 404))
    with pytest.raises(NotFound):
        client.retrieve(EVENT)
    assert client.exists(EVENT) is False


def test_a_count_of_zero_is_returned(client: BookingClient, server: ScriptedServer) -> None:
    server.script(json_reply({"Count": 0}))
    assert client.count() == 0


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"12", b"[]", b'{"Count": "7"}', b'{"Count": -1}', b'{"Count": true}', b'{"Cou'],
)
def test_a_malformed_count_is_requested_again(
    client: BookingClient, server: ScriptedServer, body: bytes
) -> None:
    server.script(Reply(200, body), json_reply({"Count": 7}))
    assert client.count() == 7
    assert len(server.received) == 2


@pytest.mark.parametrize("body", [b"{}", b"[{", b"null", b""])
def test_a_listing_that_is_not_an_array_is_requested_again(
    client: BookingClient, server: ScriptedServer, body: bytes
) -> None:
    server.script(Reply(200, body), json_reply([{"EventId": "a"}]))
    assert client.search(1, 10).content == Listing(("a",), 0)


LISTINGS: dict[str, tuple[list[object], Listing]] = {
    "no rows": ([], Listing((), 0)),
    "a row without identifier": ([{"EventId": "a"}, {"Other": "b"}], Listing(("a",), 1)),
    "a null identifier": ([{"EventIdentifier": None}, {"EventId": "a"}], Listing(("a",), 1)),
    "a number and an empty text": ([{"EventId": 5}, {"EventId": ""}], Listing((), 2)),
    "rows that are not objects": ([1, None, "a", ["EventId"]], Listing((), 4)),
    "null under the name, a text under the alias": (
        [{"EventIdentifier": None, "EventId": "a"}],
        Listing(("a",), 0),
    ),
}


@pytest.mark.parametrize(("rows", "listing"), LISTINGS.values(), ids=LISTINGS)
def test_listed_rows_without_identifier_are_counted_and_not_requested_again(
    client: BookingClient, server: ScriptedServer, rows: list[object], listing: Listing
) -> None:
    server.script(json_reply(rows))
    assert client.search(1, 10).content == listing
    assert len(server.received) == 1


BOM = b"\xef\xbb\xbf"
BODIES_WITH_BOM: dict[str, tuple[Callable[[BookingClient], object], bytes, object]] = {
    "count": (lambda client: client.count(), b'{"Count": 7}', 7),
    "page": (lambda client: client.collect(1, 2, json.loads).content, b"[1, 2]", [1, 2]),
    "page body": (
        lambda client: client.collect(1, 2, bytes).content,
        b"[]",
        b"[]",
    ),
    "listing": (
        lambda client: client.search(1, 2).content,
        b'[{"EventId": "a"}]',
        Listing(("a",), 0),
    ),
    "row": (lambda client: client.retrieve(EVENT), b"{}", b"{}"),
}


@pytest.mark.parametrize(
    ("call", "body", "expected"), BODIES_WITH_BOM.values(), ids=BODIES_WITH_BOM
)
def test_a_byte_order_mark_before_the_json_is_removed(
    client: BookingClient,
    server: ScriptedServer,
    call: Callable[[BookingClient], object],
    body: bytes,
    expected: object,
) -> None:
    server.script(Reply(200, BOM + body))
    assert call(client) == expected
    assert len(server.received) == 1


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
@pytest.mark.parametrize(
    ("call", "body", "expected"), BODIES_WITH_BOM.values(), ids=BODIES_WITH_BOM
)
def test_json_in_another_encoding_of_unicode_is_read(
    client: BookingClient,
    server: ScriptedServer,
    call: Callable[[BookingClient], object],
    body: bytes,
    expected: object,
    encoding: str,
) -> None:
    server.script(Reply(200, body.decode().encode(encoding)))
    assert call(client) == expected
    assert len(server.received) == 1


CLOCKS = {
    "without": {},
    "in words": {"Date": "yesterday, at noon"},
    "beyond all years": {"Date": "Fri, 31 Dec 9999 23:59:59 -2359"},
    "of no zone": {"Date": "Fri, 27 Nov 2026 02:00:00 +9999"},
}


@pytest.mark.parametrize("headers", CLOCKS.values(), ids=CLOCKS)
def test_a_server_without_a_usable_clock_is_counted(
    client: BookingClient, server: ScriptedServer, headers: dict[str, str]
) -> None:
    server.script(json_reply({"Count": 7}, headers=headers))
    assert client.count() == 7
    assert client.server_time is None


@pytest.mark.parametrize("depth", [3_000, 50_000])
def test_a_row_that_is_nested_too_deeply_is_returned_without_a_retry(
    client: BookingClient, server: ScriptedServer, depth: int
) -> None:
    body = b'{"EventTitle": ' + b"[" * depth + b"]" * depth + b"}"
    server.script(Reply(200, body))
    assert client.retrieve(EVENT) == body
    assert len(server.received) == 1


@pytest.mark.parametrize("body", [b"[" * 3_000 + b"]" * 3_000, b'{"a": ' + b"[" * 3_000])
def test_a_deep_body_that_is_not_an_object_is_requested_again(
    client: BookingClient, server: ScriptedServer, body: bytes
) -> None:
    server.script(Reply(200, body), Reply(200, b"{}"))
    assert client.retrieve(EVENT) == b"{}"


def test_a_row_that_is_not_an_object_ends_in_unavailable_with_the_reason(
    client: BookingClient, server: ScriptedServer
) -> None:
    server.script(json_reply([]))
    with pytest.raises(Unavailable, match="the body is not a JSON object"):
        client.retrieve(EVENT)


def test_usage_counts_requests_retries_and_bytes(
    client: BookingClient, server: ScriptedServer
) -> None:
    server.script(Reply(503, b"busy"), json_reply({"Count": 7}))
    client.count()
    assert client.usage == Usage(requests=2, retries=1, bytes_received=len(b'busy{"Count": 7}'))


def test_threads_can_share_a_client_and_its_usage_is_the_sum(
    client: BookingClient, server: ScriptedServer
) -> None:
    server.script(json_reply([1, 2]))
    with ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(lambda number: client.collect(number, 2, json.loads), range(1, 101)))
    assert [page.number for page in pages] == list(range(1, 101))
    assert client.usage == Usage(requests=100, retries=0, bytes_received=100 * len(b"[1, 2]"))
    assert sorted(r.json["Filter"]["Page"] for r in server.received) == list(range(1, 101))
