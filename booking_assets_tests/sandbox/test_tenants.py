"""Tenants can be known beforehand, and a token belongs to one of them alone."""

from __future__ import annotations

import re
from uuid import UUID

import msgspec
import pytest

from booking_assets.sandbox import tokens
from booking_assets.sandbox.tenants import generated_tenants, tenants_of, token_variable

SLUG = re.compile(r"^[a-z0-9][a-z0-9-]{0,62}$")
LATER = 2_000_000_000


def test_tenants_depend_on_the_seed_alone_and_more_of_them_keep_the_first() -> None:
    assert generated_tenants(3, seed=7) == generated_tenants(50, seed=7)[:3]
    assert [tenant.slug for tenant in generated_tenants(3, seed=7)] == [
        "harbour-trades",
        "northern-health",
        "river-college",
    ]
    assert generated_tenants(3, seed=8)[0].identifier != generated_tenants(3, seed=7)[0].identifier


def test_a_thousand_and_more_tenants_are_all_different() -> None:
    tenants = generated_tenants(1_200, seed=0)
    for member in ("slug", "identifier", "token", "secret"):
        assert len({getattr(tenant, member) for tenant in tenants}) == 1_200
    assert all(SLUG.match(tenant.slug) for tenant in tenants)
    assert len({token_variable(tenant.slug) for tenant in tenants}) == 1_200


def test_every_third_token_is_opaque_and_the_others_show_their_organization() -> None:
    tenants = generated_tenants(9, seed=1)
    assert [tenant.is_opaque for tenant in tenants] == [False, False, True] * 3
    for tenant in tenants:
        assert tokens.organization_of(tenant.token, LATER) == tenant.identifier
        if tenant.is_opaque:
            assert "." not in tenant.token
        else:
            claims = tokens._decoded(tenant.token.split(".")[1])
            assert msgspec.json.decode(claims)["org_id"] == str(tenant.identifier)


@pytest.mark.parametrize(
    "corrupt",
    [
        pytest.param(lambda token: token[:-2] + "xx", id="signature"),
        pytest.param(lambda token: "x" + token, id="header"),
        pytest.param(lambda token: "a.b.c", id="not-ours"),
        pytest.param(lambda token: "plain", id="no-parts"),
        pytest.param(lambda token: "é", id="not-ascii"),
        pytest.param(lambda token: "", id="empty"),
    ],
)
@pytest.mark.parametrize("number", [0, 2], ids=["readable", "opaque"])
def test_a_corrupt_token_is_refused(number: int, corrupt: object) -> None:
    assert callable(corrupt)
    token = generated_tenants(3, seed=1)[number].token
    with pytest.raises(tokens.RefusedTokenError):
        tokens.organization_of(corrupt(token), LATER)


def test_an_issued_token_expires() -> None:
    token = tokens.token_of(UUID(int=1), "one", opaque=False, issued=940, expires=2_000)
    assert tokens.organization_of(token, 1_999) == UUID(int=1)
    with pytest.raises(tokens.RefusedTokenError, match="expired"):
        tokens.organization_of(token, 2_000)


def test_no_token_and_no_secret_show_in_a_repr() -> None:
    tenant = generated_tenants(1, seed=1)[0]
    assert tenant.token not in repr(tenant)
    assert tenant.secret not in repr(tenant)


def test_given_organizations_that_begin_alike_get_different_slugs() -> None:
    alike = [
        UUID("11111111-2222-4333-8444-555555555555"),
        UUID("11111111-3000-4000-8000-000000000000"),
    ]
    slugs = [tenant.slug for tenant in tenants_of([*alike, *alike])]
    assert slugs == ["organization-11111111", "organization-111111113"]
