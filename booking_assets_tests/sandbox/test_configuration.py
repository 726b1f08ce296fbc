"""The written files name every tenant, and the secrets stand in the environment alone."""

from __future__ import annotations

import tomllib

from booking_assets.sandbox.tenants import booking_toml, dotenv, generated_tenants


def test_settings_and_environment_fit_together() -> None:
    tenants = generated_tenants(200, seed=1)
    text = booking_toml("http://127.0.0.1:1/v2/E01", tenants)
    settings = tomllib.loads(text)
    comment, *lines = dotenv(tenants).splitlines()
    variables = dict(line.split("=", 1) for line in lines)
    assert comment.startswith("# Written by")
    assert settings["api"] == {"base_url": "http://127.0.0.1:1/v2/E01"}
    assert [
        (one["slug"], one["identifier"], variables[one["token_env"]])
        for one in settings["organizations"]
    ] == [(tenant.slug, str(tenant.identifier), tenant.token) for tenant in tenants]
    assert settings["organizations"][0]["token_env"] == "BOOKING_TOKEN_HARBOUR_TRADES"
    assert not any(tenant.token in text or tenant.secret in text for tenant in tenants)
