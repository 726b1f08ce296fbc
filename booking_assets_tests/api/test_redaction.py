"""Credentials are removed from errors, logs and reprs, also where the server echoes them."""

from __future__ import annotations

import logging
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking_assets.api.authentication import ClientSecret, Token
from booking_assets.api.errors import BookingError
from booking_assets.api.redaction import MAX_LENGTH, redact
from booking_assets_tests.api.conftest import ClientFactory
from booking_assets_tests.api.server import Reply, ScriptedServer, json_reply

CANARY = "canary+token/with=signs"
ECHOES = {
    "as a detail": json_reply({"Detail": f"no such token: {CANARY}"}, 401),
    "as a bearer": json_reply({"detail": f"got 'Bearer {CANARY}'"}, 403),
    "escaped as .NET does": Reply(400, b'{"title": "canary\\u002Btoken\\/with=signs"}'),
    "in a URL": Reply(500, b"GET /x?t=canary%2Btoken%2Fwith%3Dsigns failed"),
    "in HTML": Reply(502, f"<h1>{CANARY}</h1>".encode()),
    "in HTML with 200": Reply(200, f"<h1>{CANARY}</h1>".encode()),
    "in capitals": Reply(400, CANARY.upper().encode()),
    "in the reason": Reply(403, reason=CANARY),
    "in a header": Reply(401, headers={"X-Authentication-Failed": CANARY}),
    "in a redirect": Reply(302, headers={"Location": f"https://a.example/{CANARY}"}),
    "in a limit": Reply(429, headers={"X-Rate-Limit-Policy": CANARY}),
    "at the maximum length": Reply(400, b"x" * (MAX_LENGTH - 10) + CANARY.encode()),
}


@pytest.mark.parametrize("reply", ECHOES.values(), ids=ECHOES)
@pytest.mark.parametrize(
    "credential", [Token(CANARY), ClientSecret(CANARY)], ids=["token", "secret"]
)
def test_an_echoed_credential_is_redacted(
    make_client: ClientFactory,
    server: ScriptedServer,
    caplog: pytest.LogCaptureFixture,
    credential: Token | ClientSecret,
    reply: Reply,
) -> None:
    server.script(reply)
    # A Dagster run in this process leaves the level INFO at this logger (`python_log_level`).
    everything = caplog.at_level(logging.DEBUG, logger="booking_assets")
    with everything, pytest.raises(BookingError) as caught:
        make_client(credential=credential).count()
    own = "\n".join(r.getMessage() for r in caplog.records if r.name.startswith("booking_assets"))
    shown = "\n".join(
        [
            str(caught.value),
            repr(caught.value),
            *traceback.format_exception(caught.value),
            str(pickle.dumps(caught.value)),
            own,
        ]
    )
    assert own
    assert "canary" not in shown.lower()


def test_an_exchanged_token_is_redacted(make_client: ClientFactory, server: ScriptedServer) -> None:
    server.script(
        json_reply({"AccessToken": "issued-canary", "ExpiresIn": 3600}),
        json_reply({"Detail": "permission missing for issued-canary"}, 403),
    )
    with pytest.raises(BookingError, match=r"missing for \[redacted\]"):
        make_client(credential=ClientSecret("s3cret")).count()


def test_no_library_logs_the_credential_of_a_request(
    make_client: ClientFactory, server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.script(Reply(503), json_reply({"Count": 7}))
    with caplog.at_level(logging.DEBUG):
        make_client(credential=Token("canary")).count()
    assert {"httpx", "httpcore.http11"} <= {record.name for record in caplog.records}
    assert "canary" not in caplog.text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Bearer token expired", "Bearer token expired"),
        ("the secret has expired", "the secret has expired"),
        (f"Authorization: bearer {'x' * 30}", "Authorization: bearer [redacted]"),
        ("bad eyJhbGciOiJI.eyJzdWIiOiI.c2ln here", "bad [redacted] here"),
        ("two\n  lines", "two lines"),
    ],
)
def test_text_that_looks_like_a_credential_is_redacted_and_the_rest_stays(
    text: str, shown: str
) -> None:
    assert redact(text, ()) == shown


@given(st.text(), st.text(alphabet="abc123", min_size=6), st.text())
def test_a_known_secret_is_always_redacted(before: str, secret: str, after: str) -> None:
    shown = redact(before + secret + after, [secret])
    assert secret not in shown
    assert len(shown) <= MAX_LENGTH
