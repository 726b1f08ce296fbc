"""Tokens and secrets: whose rows a token answers with, and which are refused."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from booking_assets.sandbox.server import SandboxServer
from booking_assets.sandbox.tenants import Tenant
from booking_assets_tests.sandbox.conftest import EVENTS, everything, identifiers


def test_the_token_decides_whatever_organization_the_body_names(
    client: httpx.Client, sandbox: SandboxServer, tenant: Tenant
) -> None:
    other = sandbox.world.tenants[1]
    body = {"OrganizationIdentifier": str(other.identifier), "Filter": {"PageSize": 0}}
    events = client.post(f"{EVENTS}/collect", json=body).json()
    assert {event["OrganizationIdentifier"] for event in events} == {str(tenant.identifier)}
    assert events == everything(client)


def test_tenants_share_no_events(sandbox: SandboxServer, anonymous: httpx.Client) -> None:
    seen: set[str] = set()
    for tenant in sandbox.world.tenants:
        headers = {"Authorization": f"Bearer {tenant.token}"}
        body = {"Filter": {"PageSize": 0}}
        answer = anonymous.post(f"{EVENTS}/collect", json=body, headers=headers)
        assert answer.json()
        assert not seen & set(identifiers(answer))
        seen |= set(identifiers(answer))


@pytest.mark.parametrize("header", [None, "Basic abc", "Secret abc", "Bearer"])
def test_no_bearer_token_is_refused_without_a_word(
    anonymous: httpx.Client, header: str | None
) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = anonymous.post(f"{EVENTS}/count", json={}, headers=headers)
    assert (answer.status_code, answer.content) == (401, b"")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_bad_token_is_refused_with_a_reason(anonymous: httpx.Client, tenant: Tenant) -> None:
    for header in ("Bearer x.y.z", f"Bearer {tenant.token}x", f"bearer {tenant.token}"):
        answer = anonymous.post(f"{EVENTS}/count", json={}, headers={"Authorization": header})
        assert answer.status_code == 401
        assert answer.json()["Status"] == 401
        assert answer.json()["Instance"] is None
        assert answer.headers["x-authentication-failed"] == answer.json()["Detail"]
        assert tenant.token not in answer.text


def test_the_references_own_header_does_not_work(anonymous: httpx.Client, tenant: Tenant) -> None:
    answer = anonymous.post(f"{EVENTS}/count", json={}, headers={"Bearer": tenant.token})
    assert answer.status_code == 401


@pytest.mark.parametrize("number", [0, 2], ids=["readable", "opaque"])
def test_a_secret_is_exchanged_for_a_token_of_its_tenant(
    anonymous: httpx.Client, sandbox: SandboxServer, number: int
) -> None:
    tenant = sandbox.world.tenants[number]
    body = {"Secret": tenant.secret, "Lifetime": 3600}
    answer = anonymous.post("/security/tokens/generate", json=body).json()
    assert list(answer) == ["AccessToken", "TokenType", "ExpiresIn", "Lifetime"]
    assert (answer["TokenType"], answer["ExpiresIn"]) == ("Bearer", 3600)
    assert ("." in answer["AccessToken"]) != tenant.is_opaque
    headers = {"Authorization": f"Bearer {answer['AccessToken']}"}
    event = anonymous.post(f"{EVENTS}/collect", json={}, headers=headers).json()[0]
    assert event["OrganizationIdentifier"] == str(tenant.identifier)


@pytest.mark.parametrize(
    ("asked", "given"), [(None, 1_200), (0, 1_200), (60, 60), (10**9, 31_536_000)]
)
def test_a_lifetime_has_a_default_and_a_limit(
    anonymous: httpx.Client, tenant: Tenant, asked: int | None, given: int
) -> None:
    body = {"secret": tenant.secret, "lifetime": asked}
    answer = anonymous.post("/security/tokens/generate", json=body)
    assert answer.json()["ExpiresIn"] == given


@pytest.mark.parametrize("body", [{}, {"Secret": "wrong"}, {"Secret": None}])
def test_an_unknown_secret_is_refused(anonymous: httpx.Client, body: dict[str, Any]) -> None:
    answer = anonymous.post("/security/tokens/generate", json=body)
    assert answer.status_code == 401
    assert answer.json()["Status"] == 401


def test_a_malformed_token_request_is_refused(anonymous: httpx.Client) -> None:
    answer = anonymous.post("/security/tokens/generate", json={"Secret": "x", "Lifetime": "long"})
    assert answer.status_code == 400
