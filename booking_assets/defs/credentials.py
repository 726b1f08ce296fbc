"""Asking each credential what it answers for, without storing anything.

What lives here: one small question an organization. What must not: printing (`cli`).
Read more: `docs/configuration.md`, "Credentials".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from booking_assets.api.errors import BookingError
from booking_assets.collect.contracts import EVENT_ROWS
from booking_assets.collect.decoding import Decoder
from booking_assets.collect.errors import CollectionFailed
from booking_assets.defs.resources import booking_api
from booking_assets.settings import Settings


@dataclass(frozen=True)
class CredentialReport:
    """What a credential answers: how many events, and why not where it does not fit.

    `proven` says whether a row named the organization: without rows there is no proof.
    """

    organization: str
    identifier: str
    events: int | None
    proven: bool
    fault: str | None


def credential_reports(settings: Settings) -> Iterator[CredentialReport]:
    """Asks every organization's count and one of its rows, which names its owner."""
    with booking_api(settings) as api:
        for organization in settings.organizations:
            decoder = Decoder(
                EVENT_ROWS, organization.slug, organization.identifier, datetime.now(UTC)
            )
            events, proven, fault = None, False, None
            try:
                client = api.connect(organization, EVENT_ROWS.resource)
                events = client.count()
                proven = client.collect(1, 1, decoder).content.rows.height > 0
            except (BookingError, CollectionFailed) as error:
                fault = str(error)
            yield CredentialReport(
                organization.slug, str(organization.identifier), events, proven, fault
            )
