"""Asks each credential which organization it answers for; nothing is stored."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from booking_assets.api.errors import BookingError
from booking_assets.api.retry import RetryPolicy
from booking_assets.collect.contracts import EVENT_ROWS, REGISTRATION_ROWS, RowContract
from booking_assets.collect.decoding import Decoder
from booking_assets.collect.errors import CollectionFailed
from booking_assets.pipeline.connections import Connect, remedy_of
from booking_assets.settings import Organization, Settings

TIMEOUT_SECONDS = 5.0
"""Bound on one request of a check."""
QUICK = RetryPolicy(attempts=2, timeout_seconds=2 * TIMEOUT_SECONDS)
"""A person waits for the report: an API that is down is reported within seconds."""
CONCURRENCY = 32


@dataclass(frozen=True)
class CredentialReport:
    """How many events a credential may read, whether registrations too, or the faults.

    `is_verified` says whether a row named the organization: without rows there is no proof.
    """

    organization: str
    identifier: str
    events: int | None
    registrations: int | None
    is_verified: bool
    fault: str | None
    registrations_fault: str | None


def credential_reports(settings: Settings, connect: Connect) -> Iterator[CredentialReport]:
    """Request each organization's counts and one of its rows, which names its owner.

    All organizations are asked at once; the reports come in the order of the settings.

    Args:
        settings: the organizations, and whether registrations are wanted of them.
        connect: gives clients, with `QUICK` retries.
    """
    pool = ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="check")
    try:
        yield from pool.map(lambda one: _report(one, connect), settings.organizations)
    finally:
        # Interrupted, nobody waits for the requests in flight.
        pool.shutdown(wait=False, cancel_futures=True)


def _report(organization: Organization, connect: Connect) -> CredentialReport:
    events, is_verified, fault = _read(organization, EVENT_ROWS, connect)
    registrations, registrations_fault = None, None
    if organization.registrations and fault is None:
        registrations, _, registrations_fault = _read(organization, REGISTRATION_ROWS, connect)
    return CredentialReport(
        organization.slug,
        str(organization.identifier),
        events,
        registrations,
        is_verified,
        fault,
        registrations_fault,
    )


def _read(
    organization: Organization, rows: RowContract, connect: Connect
) -> tuple[int | None, bool, str | None]:
    """The count of a resource, whether a row proves its owner, and the fault."""
    decoder = Decoder(rows, organization.slug, organization.identifier, datetime.now(UTC))
    count = None
    try:
        client = connect(organization, rows.resource)
        count = client.count()
        return count, client.collect(1, 1, decoder).content.rows.height > 0, None
    except BookingError as error:
        fault = f"{organization.slug}: {error.reason}. {remedy_of(error, organization)}"
        return count, False, fault
    except CollectionFailed as error:
        return count, False, str(error)
