"""Somebody else's rows, one or all of them, and somebody else's emptiness."""

from __future__ import annotations

import base64
import json
from typing import Any

from booking_assets.sandbox.faults.data import stranger_to
from booking_assets.sandbox.world import World
from booking_assets_tests.faults.server import FaultySandbox, with_stranger
from booking_assets_tests.sandbox.faults.conftest import Start, View, total, viewed


def claims(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


def test_a_token_may_answer_for_another_organization(
    start: Start, sound: View, world: World
) -> None:
    other = world.tenants[1]
    expected = sound.as_tenant(other)
    faulty = start(f"foreign_token={other.slug}@{world.tenants[0].slug}")
    assert claims(faulty.tenant.token)["org_id"] == str(faulty.tenant.identifier)
    assert faulty.page(1).content == expected.page(1).content
    assert faulty.count() == expected.count()
    assert isinstance(faulty.server, FaultySandbox)
    (logged, *_) = faulty.server.log.requests()
    assert logged.tenant == faulty.tenant.slug


def test_a_foreign_token_lets_nobody_in(start: Start, world: World) -> None:
    faulty = start(f"foreign_token={world.tenants[1].slug}")
    faulty.client.headers["Authorization"] = "Bearer nonsense"
    assert faulty.page(1).status_code == 401


def test_one_row_among_the_pages_is_foreign(start: Start, sound: View) -> None:
    faulty = start("foreign_row")
    rows = [row for page in (1, 2, 3) for row in faulty.rows(page)]
    owners = [row["OrganizationIdentifier"] for row in rows]
    foreign = [owner for owner in owners if owner != str(faulty.tenant.identifier)]
    assert len(foreign) == 1
    assert owners.index(foreign[0]) == len(sound.all_pages()) // 2
    assert [row["EventIdentifier"] for row in rows] == sound.all_pages()
    assert faulty.count() == sound.count()


def test_a_foreign_credential_of_an_empty_organization_tells_by_its_claim_alone(
    world: World,
) -> None:
    owner = world.tenants[1]
    changed, configured = with_stranger(world, owner)
    assert [tenant.slug for tenant in configured] == [tenant.slug for tenant in world.tenants]
    assert (configured[0], configured[2]) == (world.tenants[0], world.tenants[2])
    with FaultySandbox(changed) as server, viewed(server) as view:
        body = {"Secret": configured[1].secret}
        issued = view.client.post("/security/tokens/generate", json=body).json()
        assert issued["ExpiresIn"] == 1200
        for token in (issued["AccessToken"], configured[1].token):
            assert claims(token)["org_id"] == str(stranger_to(owner)) != str(owner.identifier)
            view.client.headers["Authorization"] = f"Bearer {token}"
            answer = view.page(1)
            assert (answer.status_code, answer.json(), total(answer)) == (200, [], 0)
            assert view.count() == 0
        assert view.as_tenant(owner).count() > 0


def test_a_strange_token_is_refused_by_a_server_that_does_not_know_it(
    start: Start, world: World
) -> None:
    _, configured = with_stranger(world, world.tenants[0])
    faulty = start("no_header")
    faulty.client.headers["Authorization"] = f"Bearer {configured[0].token}"
    assert faulty.page(1).status_code == 401
