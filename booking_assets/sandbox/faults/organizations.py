"""Answers that belong to somebody else: the wrong organization's rows, token or nothing at all.

What lives here: foreign tokens, a foreign row, and the empty organization of a foreign credential.
What must not: refusals (`security`).
Read more: `docs/sandbox.md`, "Faults".
"""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from uuid import UUID, uuid5

import msgspec
from starlette.responses import Response

from booking_assets.sandbox import tokens, wire
from booking_assets.sandbox.faults.bodies import members_of, of_table, text_of, with_body
from booking_assets.sandbox.faults.contract import Asked, Forward, Handler
from booking_assets.sandbox.faults.moving import in_order
from booking_assets.sandbox.tenants import Tenant


def foreign_token(other: Tenant) -> Handler:
    """Answers for the other organization, whatever the token's claim says."""

    async def handle(asked: Asked, forward: Forward) -> Response:
        # Somebody without a token stays somebody without a token.
        return await forward(asked.authorized_by(other.token) if asked.tenant else asked)

    return handle


def foreign_row() -> Handler:
    """The row in the middle, by identifier, belongs to an organization that nobody knows."""

    def change(rows: list[bytes], asked: Asked) -> list[bytes]:
        if not rows or asked.tenant is None:
            return rows
        middle = in_order(rows, asked)[len(rows) // 2]
        owner = {"OrganizationIdentifier": stranger_to(asked.tenant)}
        foreign = text_of({**members_of(middle), **owner})
        return [foreign if row is middle else row for row in rows]

    return of_table(change)


def empty_foreign() -> Handler:
    """Exchanges a secret for the token of a strange organization, which has no rows."""
    nothing = of_table(lambda *_: [])

    async def handle(asked: Asked, forward: Forward) -> Response:
        tenant = asked.tenant
        if tenant is None:
            return await forward(asked)
        if asked.wants_token:
            return _exchanged(await forward(asked), tenant)
        if asked.authorization.endswith(stranger_token(tenant)):
            return await nothing(asked.authorized_by(tenant.token), forward)
        return await forward(asked)

    return handle


def stranger_to(tenant: Tenant) -> UUID:
    """An organization that the sandbox does not have; each tenant has its own stranger."""
    return uuid5(tenant.identifier, "stranger")


def stranger_token(tenant: Tenant) -> str:
    """The token of a tenant's stranger: always one whose claims can be read."""
    return tokens.lasting_token(stranger_to(tenant), "stranger", opaque=False)


def holding_stranger_token(tenant: Tenant) -> Tenant:
    """The tenant as its owner has it configured, with a token that is a stranger's."""
    return replace(tenant, token=stranger_token(tenant))


def _exchanged(answer: Response, tenant: Tenant) -> Response:
    if answer.status_code != HTTPStatus.OK:
        return answer
    told = msgspec.json.decode(bytes(answer.body)) | {"AccessToken": stranger_token(tenant)}
    return with_body(answer, wire.json_text(told))
