"""Credentials are removed from errors, logs and reprs, also where the server echoes them."""

from __future__ import annotations

import base64
import binascii
import logging
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking_assets.api.authentication import ClientSecret, Token
from booking_assets.api.errors import BookingError
from booking_assets.api.redaction import MAX_WORDS, PLACEHOLDER, known_words
from booking_assets_tests.api.conftest import ClientFactory
from booking_assets_tests.api.server import Reply, ScriptedServer, json_reply

CANARY = "kq7zvb+xw9/pjx=hvw3yqm2"
ECHOES = {
    "as a detail": json_reply({"Detail": f"no such token: {CANARY}"}, 401),
    "as a bearer": json_reply({"detail": f"got 'Bearer {CANARY}'"}, 403),
    "escaped as .NET does": Reply(400, b'{"title": "kq7zvb\\u002Bxw9\\/pjx=hvw3yqm2"}'),
    "in a URL": Reply(500, b"GET /x?t=kq7zvb%2Bxw9%2Fpjx%3Dhvw3yqm2 failed"),
    "in HTML": Reply(502, f"<h1>{CANARY}</h1>".encode()),
    "in HTML with 200": Reply(200, f"<h1>{CANARY}</h1>".encode()),
    "in capitals": Reply(400, CANARY.upper().encode()),
    "in the reason": Reply(403, reason=CANARY),
    "in a header": Reply(401, headers={"X-Authentication-Failed": CANARY}),
    "in a redirect": Reply(302, headers={"Location": f"https://a.example/{CANARY}"}),
    "in a limit": Reply(429, headers={"X-Rate-Limit-Policy": CANARY}),
    "at the maximum length": Reply(400, b"not " * (MAX_WORDS - 1) + CANARY.encode()),
    "truncated at the end": json_reply({"Detail": f"bad token {CANARY[:12]}..."}, 400),
    "truncated at the start": json_reply({"Detail": f"token ends in {CANARY[8:]}"}, 400),
    "wrapped by a line break": Reply(400, f"{CANARY[:9]}\n{CANARY[9:]}".encode()),
    "wrapped by HTML": Reply(400, f"<p>{CANARY[:9]}<br>{CANARY[9:]}</p>".encode()),
    "with a blank after each character": Reply(400, " ".join(CANARY).encode()),
    "in base64": Reply(400, base64.b64encode(CANARY.encode())),
    "in base64, inside a text": Reply(400, base64.b64encode(f"Bearer {CANARY}".encode())),
    "in hexadecimal": Reply(400, binascii.hexlify(CANARY.encode())),
    "reversed": Reply(400, CANARY[::-1].encode()),
    "in the name of a header": Reply(429, headers={"X-RateLimit-kq7zvb-xw9-pjx": "1"}),
    "in the name of a field": json_reply({"errors": {CANARY: ["invalid"]}}, 400),
    "in a redirect's host": Reply(302, headers={"Location": "https://kq7zvb.hvw3yqm2.example/"}),
    "instead of a status line": Reply(raw=f"{CANARY}\r\n\r\n".encode()),
    "in a line that is not a header": Reply(raw=f"HTTP/1.1 200 OK\r\n{CANARY}\r\n\r\n".encode()),
}
FORMS = (CANARY, CANARY[::-1], base64.b64encode(CANARY.encode()).decode(), CANARY.encode().hex())
PARTS = {form[i : i + 5].lower() for form in FORMS for i in range(len(form) - 4)}


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
    shown = "\n".join(
        [
            str(caught.value),
            repr(caught.value),
            *traceback.format_exception(caught.value),
            str(pickle.dumps(caught.value)),
            caplog.text,
        ]
    )
    assert caplog.text
    shown = "".join(shown.lower().split())
    assert [part for part in PARTS if part in shown] == []


def test_an_exchanged_token_is_redacted(make_client: ClientFactory, server: ScriptedServer) -> None:
    server.script(
        json_reply({"AccessToken": "issued-canary", "ExpiresIn": 3600}),
        json_reply({"Detail": "permission missing for issued-canary"}, 403),
    )
    with pytest.raises(BookingError, match=r"permission missing for \[redacted\]"):
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
        (
            "Value cannot be null. (Parameter 'filter')",
            "Value cannot be null. (Parameter 'filter')",
        ),
        ("Authorization: Bearer abc.", f"Authorization: Bearer {PLACEHOLDER}"),
        ("bad eyJhbGciOiJI.eyJzdWIiOiI.c2ln token", f"bad {PLACEHOLDER} token"),
        ("xyz-1 xyz-2\n not xyz-3 xyz-4", f"{PLACEHOLDER} not {PLACEHOLDER}"),
        ("xyz-1 xyz-2", ""),
        ("", ""),
        ("not  a\n  row", "not a row"),
        ("a the " * MAX_WORDS, " ".join(["a the"] * (MAX_WORDS // 2))),
    ],
)
def test_known_words_are_shown_and_all_others_are_replaced(text: str, shown: str) -> None:
    assert known_words(text) == shown


@given(st.text(), st.text(alphabet="abc123", min_size=6), st.text())
def test_a_secret_is_never_shown(before: str, secret: str, after: str) -> None:
    assert secret not in known_words(f"{before}{secret}{after}")
