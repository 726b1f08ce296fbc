"""Tokens, client secrets, and the check of the credential's organization."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking_assets.api.authentication import (
    ClientSecret,
    Token,
    TokenCache,
    mismatched_organization,
)
from booking_assets.api.errors import (
    CredentialMismatch,
    InvalidCredential,
    Unauthorized,
    Unavailable,
)
from booking_assets_tests.api.conftest import ACME, ClientFactory, Clock
from booking_assets_tests.api.server import Received, Reply, ScriptedServer, json_reply
from booking_assets_tests.commands import SECONDS

TOKENS = "/security/tokens/generate"
COUNT = "/booking/events/count"
OTHER = "00000000-0000-4000-8000-00000000beef"


def jwt(**claims: object) -> str:
    """An unsigned JWT with these claims."""
    parts = ({"alg": "HS256", "typ": "JWT"}, claims, "signature")
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts
    )


class TokenEndpoint:
    """Issues token-1, token-2, ... and accepts only the newest for a count."""

    def __init__(self, server: ScriptedServer, expires_in: object = 3600) -> None:
        self.issued = 0
        self.expires_in = expires_in
        server.route(TOKENS, self.issue)
        server.route(COUNT, self.count)

    def issue(self, request: Received) -> Reply:
        self.issued += 1
        token = f"token-{self.issued}"
        return json_reply(
            {"AccessToken": token, "TokenType": "Bearer", "ExpiresIn": self.expires_in}
        )

    def count(self, request: Received) -> Reply:
        is_newest = request.headers["Authorization"] == f"Bearer token-{self.issued}"
        return json_reply({"Count": 7}) if is_newest else Reply(401)


def test_a_secret_is_exchanged_once_and_the_token_is_reused(
    make_client: ClientFactory, server: ScriptedServer
) -> None:
    TokenEndpoint(server)
    client = make_client(credential=ClientSecret("s3cret"))
    assert [client.count(), client.count()] == [7, 7]
    (exchange,) = server.requests_to(TOKENS)
    assert exchange.method == "POST"
    assert exchange.json == {"Secret": "s3cret", "Lifetime": 3600}
    assert exchange.headers["Authorization"] is None
    assert client.usage.requests == 3


@pytest.mark.parametrize(("expires_in", "lifetime"), [(3600, 3540), (30, 27)])
def test_a_token_is_renewed_before_it_expires(
    make_client: ClientFactory,
    server: ScriptedServer,
    clock: Clock,
    expires_in: int,
    lifetime: int,
) -> None:
    endpoint = TokenEndpoint(server, expires_in)
    client = make_client(credential=ClientSecret("s3cret"))
    client.count()
    clock.now += lifetime - 1
    client.count()
    assert endpoint.issued == 1
    clock.now += 1
    client.count()
    assert endpoint.issued == 2
    assert not [
        r for r in server.requests_to(COUNT) if r.headers["Authorization"] == "Bearer token-0"
    ]


def test_a_token_that_the_server_rejects_is_renewed_once(
    make_client: ClientFactory, server: ScriptedServer, clock: Clock
) -> None:
    endpoint = TokenEndpoint(server)
    client = make_client(credential=ClientSecret("s3cret"))
    client.count()
    endpoint.issued += 1  # the server no longer accepts token-1
    assert client.count() == 7
    assert len(server.requests_to(TOKENS)) == 2
    assert clock.sleeps == []


def test_a_renewed_token_that_is_rejected_too_is_unauthorized(
    make_client: ClientFactory, server: ScriptedServer
) -> None:
    TokenEndpoint(server)
    server.route(COUNT, lambda _: Reply(401))
    with pytest.raises(Unauthorized):
        make_client(credential=ClientSecret("s3cret")).count()
    assert (len(server.requests_to(TOKENS)), len(server.requests_to(COUNT))) == (2, 2)


def test_threads_share_one_exchange(make_client: ClientFactory, server: ScriptedServer) -> None:
    endpoint = TokenEndpoint(server)
    client = make_client(credential=ClientSecret("s3cret"))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: client.count(), range(40))) == [7] * 40
    assert endpoint.issued == 1


def test_threads_share_one_renewal(make_client: ClientFactory, server: ScriptedServer) -> None:
    endpoint = TokenEndpoint(server)
    client = make_client(credential=ClientSecret("s3cret"))
    client.count()
    endpoint.issued = 10
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: client.count(), range(40))) == [7] * 40
    assert endpoint.issued == 11


def test_a_rejected_secret_names_the_exchange_and_is_sent_once(
    make_client: ClientFactory, server: ScriptedServer
) -> None:
    server.route(TOKENS, lambda _: json_reply({"Title": "Unauthorized", "Detail": "expired"}, 401))
    with pytest.raises(Unauthorized, match=r"exchange of the client secret .*expired"):
        make_client(credential=ClientSecret("s3cret")).count()
    assert len(server.received) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"AccessToken": "good", "ExpiresIn": 0},
        {"AccessToken": "good", "ExpiresIn": "soon"},
        {"AccessToken": "good"},
        {"AccessToken": "two words", "ExpiresIn": 3600},
        {"AccessToken": "line\n", "ExpiresIn": 3600},
        {"ExpiresIn": 3600},
        [],
    ],
    ids=str,
)
def test_an_exchange_without_a_valid_token_is_retried_and_never_quoted(
    make_client: ClientFactory, server: ScriptedServer, body: object
) -> None:
    server.route(TOKENS, lambda _: json_reply(body))
    with pytest.raises(Unavailable) as caught:
        make_client(credential=ClientSecret("s3cret")).count()
    assert len(server.received) == 3
    assert "good" not in str(caught.value)
    assert "two words" not in str(caught.value)


def test_an_exchange_is_retried_after_transient_errors(
    make_client: ClientFactory, server: ScriptedServer
) -> None:
    server.script(
        Reply(503),
        Reply(200, b'{"AccessTok'),
        json_reply({"AccessToken": "good", "ExpiresIn": 60}),
        json_reply({"Count": 7}),
    )
    client = make_client(credential=ClientSecret("s3cret"))
    assert client.count() == 7
    assert client.usage.retries == 2


def test_a_token_of_another_organization_sends_no_request(
    make_client: ClientFactory, server: ScriptedServer
) -> None:
    token = jwt(org_id=OTHER)
    with pytest.raises(CredentialMismatch) as caught:
        make_client(credential=Token(token)).count()
    assert server.received == []
    assert caught.value.detail == f"the credential belongs to organization {OTHER}, not to {ACME}"
    assert str(ACME) in str(caught.value)
    assert OTHER in str(caught.value)
    assert token not in str(caught.value)


def test_an_exchanged_token_of_another_organization_sends_no_further_request(
    make_client: ClientFactory, server: ScriptedServer
) -> None:
    server.route(TOKENS, lambda _: json_reply({"AccessToken": jwt(org_id=OTHER), "ExpiresIn": 60}))
    with pytest.raises(CredentialMismatch):
        make_client(credential=ClientSecret("s3cret")).count()
    assert [request.path for request in server.received] == [f"/v2/E01{TOKENS}"]


ACCEPTED = {
    "its own organization": jwt(org_id=str(ACME)),
    "in capitals": jwt(org_id=str(ACME).upper()),
    "long expired": jwt(org_id=str(ACME), exp=1),
    "no organization": jwt(sub="someone"),
    "null organization": jwt(org_id=None),
    "opaque": "opaque-token",
    "two dots, not base64": "a.%%%.c",
    "two dots, not JSON": f"a.{base64.urlsafe_b64encode(b'hello').decode()}.c",
    "two dots, not an object": f"a.{base64.urlsafe_b64encode(b'[1]').decode()}.c",
}


@pytest.mark.parametrize("token", ACCEPTED.values(), ids=ACCEPTED)
def test_a_token_without_another_organizations_claim_is_accepted(token: str) -> None:
    assert mismatched_organization(token, ACME) is None


@pytest.mark.parametrize(
    "claim", [OTHER, "00000000-0000-0000-0000-000000000000", "acme", "", 5], ids=repr
)
def test_any_other_claim_is_a_mismatch(claim: object) -> None:
    found = mismatched_organization(jwt(org_id=claim), ACME)
    assert found == (claim if str(claim).count("-") == 4 else "(not a UUID)")


@given(st.text())
def test_the_claim_of_any_text_can_be_compared(token: str) -> None:
    assert mismatched_organization(token, ACME) is None


@pytest.mark.parametrize("kind", [Token, ClientSecret])
@pytest.mark.parametrize(
    "value", ["", "canary\n", "two canaries", "canáry", "\tcanary", "canary\0"], ids=repr
)
def test_a_credential_that_is_not_a_header_value_is_rejected_unquoted(
    make_client: ClientFactory,
    server: ScriptedServer,
    kind: type[Token | ClientSecret],
    value: str,
) -> None:
    with pytest.raises(InvalidCredential, match="the credential is empty, or") as caught:
        make_client(credential=kind(value)).count()
    assert server.received == []
    assert not {"canary", "canaries", "canáry"} & set(str(caught.value).split())


class WatchedLock:
    """A lock with an event that is set once a number of threads wait for it."""

    def __init__(self, threads: int) -> None:
        self.all_waiting = Event()
        self._expected = threads
        self._counting, self._lock = Lock(), Lock()

    def __enter__(self) -> None:
        with self._counting:
            self._expected -= 1
            if not self._expected:
                self.all_waiting.set()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def test_threads_that_wait_for_an_exchange_share_its_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lock = WatchedLock(threads=4)
    exchanges: list[str] = []

    def exchange() -> tuple[str, float]:
        exchanges.append("sent")
        assert lock.all_waiting.wait(SECONDS)
        raise Unauthorized("acme", "exchange of the client secret", 401, "expired")

    cache = TokenCache(exchange, clock=lambda: 0.0)
    monkeypatch.setattr(cache, "_lock", lock)

    def error_detail(_: int) -> str:
        with pytest.raises(Unauthorized) as caught:
            cache.token()
        return caught.value.detail

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(error_detail, range(4))) == ["expired"] * 4
    assert exchanges == ["sent"]


def test_a_repr_does_not_show_the_credential() -> None:
    assert "canary" not in repr([Token("canary"), ClientSecret("canary")])
