"""Asks each credential which organization it answers for; nothing is stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from booking_assets.api.errors import BookingError
from booking_assets.collect.contracts import EVENT_ROWS
from booking_assets.collect.decoding import Decoder
from booking_assets.collect.errors import CollectionFailed
from booking_assets.pipeline.connections import Connect
from booking_assets.settings import Settings


@dataclass(frozen=True)
class CredentialReport:
    """How many events a credential may read, or the fault.

    `is_verified` says whether a row named the organization: without rows there is no proof.
    """

    organization: str
    identifier: str
    events: int | None
    is_verified: bool
    fault: str | None


def credential_reports(settings: Settings, connect: Connect) -> Iterator[CredentialReport]:
    """Request every organization's count and one of its rows, which names its owner."""
    for organization in settings.organizations:
        decoder = Decoder(EVENT_ROWS, organization.slug, organization.identifier, datetime.now(UTC))
        events, is_verified, fault = None, False, None
        try:
            client = connect(organization, EVENT_ROWS.resource)
            events = client.count()
            is_verified = client.collect(1, 1, decoder).content.rows.height > 0
        except (BookingError, CollectionFailed) as error:
            fault = str(error)
        identifier = str(organization.identifier)
        yield CredentialReport(organization.slug, identifier, events, is_verified, fault)
