"""Credentials are refused in the vendor's several ways, and repeated where they must not be."""

from __future__ import annotations

import pytest

from booking_assets_tests.sandbox.faults.conftest import EVENTS, Start


def test_a_revoked_token_is_refused_with_json_and_a_header(start: Start) -> None:
    answer = start("unauthorized=all").page(1)
    assert (answer.status_code, answer.json()["Status"]) == (401, 401)
    assert answer.headers["x-authentication-failed"] == answer.json()["Detail"]


@pytest.mark.parametrize(("name", "status"), [("forbidden", 403), ("not_found", 404)])
def test_a_refusal_without_a_body(start: Start, name: str, status: int) -> None:
    answer = start(f"{name}=all").page(1)
    assert (answer.status_code, answer.content) == (status, b"")


def test_a_permission_may_be_missing_for_an_operation_or_a_resource(start: Start) -> None:
    faulty = start("forbidden=collect")
    assert faulty.ask("count").status_code == 200
    assert faulty.page(1).status_code == 403
    other = start("forbidden=registrations")
    assert other.page(1).status_code == 200
    assert other.client.post("/booking/registrations/count", json={}).status_code == 403


def test_a_redirect_points_to_the_same_address_with_https(start: Start) -> None:
    faulty = start("redirect=307")
    answer = faulty.ask("count")
    assert (answer.status_code, answer.content) == (307, b"")
    expected = faulty.server.base_url.replace("http:", "https:") + f"{EVENTS}/count"
    assert answer.headers["location"] == expected


@pytest.mark.parametrize("status", [400, 500])
def test_an_error_may_repeat_the_token(start: Start, status: int) -> None:
    faulty = start(f"echo_token={status}")
    answer = faulty.ask("count")
    assert answer.status_code == status
    assert f"Bearer {faulty.tenant.token}" in answer.text


def test_a_token_expires_and_a_new_one_is_good_for_as_long(start: Start) -> None:
    faulty = start("expiring_tokens=2")
    for _ in range(2):
        issued = faulty.client.post(
            "/security/tokens/generate", json={"Secret": faulty.tenant.secret}
        ).json()
        faulty.client.headers["Authorization"] = f"Bearer {issued['AccessToken']}"
        statuses = [faulty.ask("count").status_code for _ in range(4)]
        assert statuses == [200, 200, 401, 401]
