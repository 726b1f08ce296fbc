"""What the client sends, what it returns, and that it may be shared by threads."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import pytest

from booking_assets.api.client import BookingClient, Page, Usage
from booking_assets.api.errors import NotFound, Unavailable
from booking_assets.api.wire import REGISTRATIONS
from booking_assets_tests.api.conftest import ACME, ClientFactory
from booking_assets_tests.api.server import Reply, ScriptedServer, reply_json

EVENT = "0b2a5d5e-0000-4000-8000-000000000001"
ORGANIZATION = {"OrganizationIdentifier": str(ACME)}

REQUESTS: dict[str, tuple[Callable[[BookingClient], object], Reply, str, str, object]] = {
    "count": (
        lambda client: client.count(),
        reply_json({"Count": 7}),
        "POST",
        "/booking/events/count",
        ORGANIZATION,
    ),
    "collect": (
        lambda client: client.collect(3, 500, json.loads),
        reply_json([]),
        "POST",
        "/booking/events/collect",
        {**ORGANIZATION, "Filter": {"Page": 3, "PageSize": 500, "Sort": "EventIdentifier"}},
    ),
    "collect newest first": (
        lambda client: client.collect(1, 9, len, sort="LastChangeTime desc,EventIdentifier"),
        reply_json([]),
        "POST",
        "/booking/events/collect",
        {
            **ORGANIZATION,
            "Filter": {"Page": 1, "PageSize": 9, "Sort": "LastChangeTime desc,EventIdentifier"},
        },
    ),
    "search": (
        lambda client: client.search(2, 50),
        reply_json([{"EventId": EVENT}]),
        "POST",
        "/booking/events/search",
        {**ORGANIZATION, "Filter": {"Page": 2, "PageSize": 50, "Sort": "EventIdentifier"}},
    ),
    "retrieve": (
        lambda client: client.retrieve(EVENT),
        reply_json({"EventIdentifier": EVENT}),
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
    ("ask", "reply", "method", "path", "body"), REQUESTS.values(), ids=REQUESTS
)
def test_each_operation_sends_exactly_its_request(
    client: BookingClient,
    server: ScriptedServer,
    ask: Callable[[BookingClient], object],
    reply: Reply,
    method: str,
    path: str,
    body: object,
) -> None:
    server.script(reply)
    ask(client)
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
    server.script(reply_json([{"RegistrationIdentifier": EVENT}]))
    page = make_client(resource=REGISTRATIONS).search(1, 10)
    assert page.content == (EVENT,)
    assert server.received[0].path.endswith("/booking/registrations/search")
    assert server.received[0].json["Filter"]["Sort"] == "RegistrationIdentifier"


def test_a_base_url_may_end_in_a_slash(make_client: ClientFactory, server: ScriptedServer) -> None:
    server.script(reply_json({"Count": 1}))
    make_client(base_url=f"{server.base_url}/").count()
    assert server.received[0].path == "/v2/E01/booking/events/count"


@pytest.mark.parametrize(("page", "page_size"), [(0, 10), (1, 0), (-1, 10), (1, -5)])
def test_a_page_that_means_everything_is_refused_before_it_is_sent(
    client: BookingClient, server: ScriptedServer, page: int, page_size: int
) -> None:
    with pytest.raises(ValueError, match="begin at 1"):
        client.collect(page, page_size, len)
    with pytest.raises(ValueError, match="begin at 1"):
        client.search(page, page_size)
    assert server.received == []


@pytest.mark.parametrize("identifier", ["", "..", "count", "123"])
def test_an_identifier_that_would_address_something_else_is_not_found_and_not_sent(
    client: BookingClient, server: ScriptedServer, identifier: str
) -> None:
    with pytest.raises(NotFound, match="no UUID"):
        client.retrieve(identifier)
    assert client.exists(identifier) is False
    assert server.received == []


PAGINATION = {
    "all": ('{"Page":2,"PageSize":50,"TotalCount":137}', 137, 50),
    "total alone": ('{"TotalCount":0}', 0, None),
    "other types": ('{"PageSize":"50","TotalCount":true}', None, None),
    "below zero": ('{"PageSize":-1,"TotalCount":-1}', None, None),
    "no object": ("[1,2]", None, None),
    "no JSON": ("Page=2; TotalCount=137", None, None),
    "absent": (None, None, None),
}


@pytest.mark.parametrize(("header", "total", "size"), PAGINATION.values(), ids=PAGINATION)
def test_a_page_carries_what_its_header_says_and_none_where_it_says_nothing(
    client: BookingClient,
    server: ScriptedServer,
    header: str | None,
    total: int | None,
    size: int | None,
) -> None:
    headers = {} if header is None else {"X-Query-Pagination": header}
    server.script(reply_json([1, 2, 3], headers=headers))
    assert client.collect(2, 50, json.loads) == Page(2, [1, 2, 3], total, size)


def test_identifiers_are_read_in_either_spelling(
    client: BookingClient, server: ScriptedServer
) -> None:
    server.script(reply_json([{"EventIdentifier": "a"}, {"EventId": "b"}]))
    assert client.search(1, 10).content == ("a", "b")


def test_a_row_comes_back_byte_for_byte(client: BookingClient, server: ScriptedServer) -> None:
    body = b'{\r\n  "EventTitle": "caf\\u00e9",  "CreditHours": 3.00 }'
    server.script(Reply(200, body))
    assert client.retrieve(EVENT) == body


def test_a_row_that_is_gone_is_not_found(client: BookingClient, server: ScriptedServer) -> None:
    server.script(reply_json({"Type": "about:blank", "Title": "Not Found", "Status": 404}, 404))
    with pytest.raises(NotFound):
        client.retrieve(EVENT)
    assert client.exists(EVENT) is False


def test_zero_is_an_answer(client: BookingClient, server: ScriptedServer) -> None:
    server.script(reply_json({"Count": 0}))
    assert client.count() == 0


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"12", b"[]", b'{"Count": "7"}', b'{"Count": -1}', b'{"Count": true}', b'{"Cou'],
)
def test_a_count_that_is_none_is_asked_again(
    client: BookingClient, server: ScriptedServer, body: bytes
) -> None:
    server.script(Reply(200, body), reply_json({"Count": 7}))
    assert client.count() == 7
    assert len(server.received) == 2


@pytest.mark.parametrize("body", [b"{}", b"[1]", b'[{"Other": "a"}]', b'[{"EventId": 5}]', b"[{"])
def test_identifiers_that_are_none_are_asked_again_and_never_skipped(
    client: BookingClient, server: ScriptedServer, body: bytes
) -> None:
    server.script(Reply(200, body), reply_json([{"EventId": "a"}]))
    assert client.search(1, 10).content == ("a",)


def test_a_row_that_is_no_object_is_given_up_with_the_reason(
    client: BookingClient, server: ScriptedServer
) -> None:
    server.script(reply_json([]))
    with pytest.raises(Unavailable, match="the body is no JSON object"):
        client.retrieve(EVENT)


def test_usage_counts_every_request_retry_and_byte(
    client: BookingClient, server: ScriptedServer
) -> None:
    server.script(Reply(503, b"busy"), reply_json({"Count": 7}))
    client.count()
    assert client.usage == Usage(requests=2, retries=1, bytes_received=len(b'busy{"Count": 7}'))


def test_threads_share_a_client_and_its_usage_adds_up(
    client: BookingClient, server: ScriptedServer
) -> None:
    server.script(reply_json([1, 2]))
    with ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(lambda number: client.collect(number, 2, json.loads), range(1, 101)))
    assert [page.number for page in pages] == list(range(1, 101))
    assert client.usage == Usage(requests=100, retries=0, bytes_received=100 * len(b"[1, 2]"))
    assert sorted(r.json["Filter"]["Page"] for r in server.received) == list(range(1, 101))
